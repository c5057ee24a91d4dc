//! Connections that TLS refuses: they fail at once, with the reason.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::Certificate;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use vbs_client::{Client, Error};

use crate::support::http;
use crate::support::process::example;
use crate::support::server::last_response;
use crate::support::{TOKEN, page};

/// A server with a certificate of its own for this name.
struct TlsServer {
    address: SocketAddr,
    certificate: Certificate,
    pem: String,
    connections: Arc<AtomicUsize>,
}

impl TlsServer {
    async fn start(name: &str) -> Self {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth();
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

fn client(address: SocketAddr, trusted: Option<&Certificate>) -> Client {
    let trusted = trusted.cloned();
    let builder = http::builder(format!("https://{address}")).http(|http| http.tls_certs_only(trusted));
    builder.project_id("p").token(TOKEN).build().unwrap()
}

async fn refused(client: &Client) -> Error {
    let error = client.list_backups().send().await.unwrap_err();
    assert!(matches!(error, Error::Transport { attempts: 1, .. }), "{error:?}");
    assert!(!error.is_retryable() && !error.is_timeout(), "{error:?}");
    error
}

#[tokio::test]
async fn a_trusted_certificate_is_accepted() {
    let server = TlsServer::start("127.0.0.1").await;
    let page = client(server.address, Some(&server.certificate)).list_backups().send().await.unwrap();
    assert_eq!(page.backups.len(), 1);
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_fails_at_once() {
    let server = TlsServer::start("127.0.0.1").await;
    let error = refused(&client(server.address, None)).await;
    let expected = format!("could not connect to {}: invalid peer certificate: UnknownIssuer; ", server.address);
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert_eq!(server.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_certificate_for_another_host_fails_at_once() {
    let server = TlsServer::start("other.example").await;
    let error = refused(&client(server.address, Some(&server.certificate))).await.to_string();
    let expected =
        format!("could not connect to {}: invalid peer certificate: certificate not valid for name ", server.address);
    assert!(error.starts_with(&expected), "{error}");
    assert_eq!(server.connections.load(Ordering::Relaxed), 1);
}

/// A wrong scheme in the endpoint.
#[tokio::test]
async fn https_to_a_server_without_tls_fails_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            // What servers say to a request that they can't read.
            let _ = stream.write_all(&last_response(400, "", "Bad Request")).await;
        }
    });
    let error = refused(&client(address, None)).await.to_string();
    assert!(error.starts_with(&format!("could not connect to {address}: ")), "{error}");
    assert!(error.ends_with("; the server may expect http:// there"), "{error}");
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

/// A connection that breaks off within the handshake is as transient as any other.
#[tokio::test(start_paused = true)]
async fn a_handshake_that_breaks_off_is_retried() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let error = client(address, None).list_backups().send().await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert_eq!(error.attempts(), 4);
}

/// What the example prints, with the certificates of the machine, where the environment or a cloud's entry in
/// clouds.yaml has these settings. `CERT` and `OTHER` are files with the server's certificate and with another one.
async fn with_settings(server: &TlsServer, entry: Option<&str>, variables: &[(&str, &str)]) -> Result<String, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tls-{}", server.address.port()));
    let other = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap().cert.pem();
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("cert.pem"), &server.pem).unwrap();
    fs::write(folder.join("other.pem"), other).unwrap();
    let fill = |text: &str| {
        ["CERT", "OTHER"].iter().fold(text.to_owned(), |text, name| {
            text.replace(name, folder.join(name.to_lowercase() + ".pem").to_str().unwrap())
        })
    };
    let url = format!("https://{}", server.address);
    let mut command = example();
    match entry {
        Some(entry) => {
            let auth = format!("auth: {{auth_url: '{url}', token: secret, project_id: p}}");
            let text = format!("clouds: {{tls: {{auth_type: token, {auth}, {}}}}}", fill(entry));
            fs::write(folder.join("clouds.yaml"), text).unwrap();
            command.env("OS_CLOUD", "tls").env("OS_CLIENT_CONFIG_FILE", folder.join("clouds.yaml"));
        }
        None => {
            let token = [("OS_AUTH_TYPE", "token"), ("OS_AUTH_URL", &url), ("OS_TOKEN", "secret")];
            command.envs(token).env("OS_PROJECT_ID", "p");
        }
    }
    command.envs(variables.iter().map(|(name, value)| (name, fill(value))));
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    let Output { status, stdout, stderr } = output.unwrap();
    fs::remove_dir_all(folder).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if status.success() { Ok(text(stdout)) } else { Err(text(stderr)) }
}

#[tokio::test]
async fn cacert_verify_and_insecure_do_what_they_say() {
    let server = TlsServer::start("127.0.0.1").await;
    for (entry, variables) in [
        (Some("cacert: CERT"), &[][..]),
        (Some("cacert: CERT, verify: true"), &[]),
        (Some("verify: false"), &[]),
        (Some("insecure: true"), &[]),
        (Some("insecure: yes, cacert: OTHER"), &[]),
        (None, &[("OS_CACERT", "CERT")]),
        (None, &[("OS_INSECURE", "True")]),
        (None, &[("OS_INSECURE", "false"), ("OS_CACERT", "CERT")]),
    ] {
        let list = with_settings(&server, entry, variables).await;
        assert!(list.as_ref().is_ok_and(|list| list.ends_with("1 backups\n")), "{entry:?} {variables:?}: {list:?}");
    }
    for (entry, variables) in [
        (Some("verify: true"), &[][..]),
        (Some("cacert: OTHER"), &[]),
        (Some("verify: true, insecure: false"), &[]),
        // With a named cloud, no other variable counts.
        (Some("verify: true"), &[("OS_INSECURE", "1"), ("OS_CACERT", "CERT")]),
        (None, &[]),
        (None, &[("OS_CACERT", "OTHER")]),
        (None, &[("OS_INSECURE", "0")]),
    ] {
        let error = with_settings(&server, entry, variables).await.unwrap_err();
        assert!(error.contains("invalid peer certificate: "), "{entry:?} {variables:?}: {error}");
    }
}

/// The certificate is trusted, and is another host's.
#[tokio::test]
async fn cacert_does_not_accept_another_host() {
    let server = TlsServer::start("other.example").await;
    let error = with_settings(&server, Some("cacert: CERT"), &[]).await.unwrap_err();
    assert!(error.contains("certificate not valid for name"), "{error}");
    assert!(with_settings(&server, Some("verify: false"), &[]).await.is_ok());
}
