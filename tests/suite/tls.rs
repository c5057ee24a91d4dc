//! Connections that TLS refuses: they fail at once, with the reason.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Certificate;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use vbs_client::{Client, Error};

#[cfg(not(feature = "socks"))]
use crate::support::process::{in_own_process_with, runtime};
use crate::support::server::last_response;
use crate::support::tls::TlsServer;
use crate::support::{TOKEN, http};

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

#[tokio::test]
async fn a_servers_certificate_that_is_its_ca_fails_at_once() {
    let server = TlsServer::with_a_cas_certificate("127.0.0.1").await;
    let error = refused(&client(server.address, Some(&server.certificate))).await.to_string();
    assert!(error.contains("; the server's certificate is that of a CA, as `openssl req -x509` makes it"), "{error}");
    assert_eq!(server.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_server_that_wants_a_client_certificate_fails_at_once() {
    let server = TlsServer::mutual("127.0.0.1").await;
    let error = refused(&client(server.address, Some(&server.certificate))).await.to_string();
    assert!(error.ends_with(": received fatal alert: CertificateRequired"), "{error}");
    assert_eq!(server.connections.load(Ordering::Relaxed), 1);
}

#[cfg(not(feature = "socks"))]
#[test]
fn a_proxy_of_an_unknown_kind_fails_at_once() {
    in_own_process_with(
        |process| _ = process.env("all_proxy", "socks5://127.0.0.1:1"),
        || {
            for endpoint in ["http://host.example", "https://host.example"] {
                let client = Client::builder(endpoint).project_id("p").build().unwrap();
                let error = runtime(true).block_on(refused(&client)).to_string();
                assert!(error.contains("scheme"), "{error}");
            }
        },
    );
}

/// The endpoint has the wrong scheme.
#[tokio::test]
async fn https_to_a_server_without_tls_fails_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            // How servers respond to a request that they can't read.
            let _ = stream.write_all(&last_response(400, "", "Bad Request")).await;
        }
    });
    let error = refused(&client(address, None)).await.to_string();
    assert!(error.starts_with(&format!("could not connect to {address}: ")), "{error}");
    assert!(error.ends_with("; the server may expect http:// there"), "{error}");
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

/// A connection that breaks off within the handshake is a transient fault.
#[tokio::test(start_paused = true)]
async fn a_handshake_that_breaks_off_is_retried() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let error = client(address, None).list_backups().send().await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert_eq!(error.attempts(), 4);
}
