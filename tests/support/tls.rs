//! A server with TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use reqwest::Certificate;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::server::last_response;
use super::{http, page};

/// A server with a certificate of its own for this name.
pub struct TlsServer {
    pub address: SocketAddr,
    pub certificate: Certificate,
    #[allow(dead_code, reason = "for the tests of the tool")]
    pub pem: String,
    pub connections: Arc<AtomicUsize>,
}

impl TlsServer {
    pub async fn start(name: &str) -> Self {
        Self::with(name, IsCa::NoCa, false).await
    }

    /// One whose certificate is that of a CA.
    #[allow(dead_code, reason = "for the tests of the suite")]
    pub async fn with_a_cas_certificate(name: &str) -> Self {
        Self::with(name, IsCa::Ca(BasicConstraints::Unconstrained), false).await
    }

    /// One that wants a certificate of the client's, too.
    #[allow(dead_code, reason = "for the tests of the suite")]
    pub async fn mutual(name: &str) -> Self {
        Self::with(name, IsCa::NoCa, true).await
    }

    async fn with(name: &str, is_ca: IsCa, mutual: bool) -> Self {
        let signing_key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
        parameters.is_ca = is_ca;
        let cert = parameters.self_signed(&signing_key).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = match mutual {
            true => {
                let mut roots = RootCertStore::empty();
                roots.add(cert.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
                ServerConfig::builder().with_client_cert_verifier(verifier)
            }
            false => ServerConfig::builder().with_no_client_auth(),
        };
        let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(vec![cert.der().clone()], key).unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                while let Some((head, _body)) = http::read_request(&mut stream).await {
                    let response = match head.starts_with("POST /v3/auth/tokens ") {
                        true => last_response(201, "X-Subject-Token: t\r\n", token(address).to_string()),
                        false => last_response(200, "", page(&["a"], None).to_string()),
                    };
                    stream.write_all(&response).await.unwrap();
                    stream.shutdown().await.unwrap();
                }
            }
        });
        Self { address, certificate: Certificate::from_der(cert.der()).unwrap(), pem: cert.pem(), connections }
    }
}

/// A token whose catalog has the backup service at the same address.
fn token(address: SocketAddr) -> Value {
    let endpoint = json!({"id": "e", "interface": "public", "region": "R", "url": format!("https://{address}/v3/p")});
    json!({"token": {
        "issued_at": "2026-02-01T00:00:00Z", "expires_at": "2026-02-01T01:00:00Z", "project": {"id": "p"},
        "catalog": [{"id": "s", "type": "block-storage", "endpoints": [endpoint]}],
    }})
}
