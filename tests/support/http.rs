//! What every test binary needs for HTTP.

use tokio::io::{AsyncRead, AsyncReadExt};
use vbs_client::{Client, ClientBuilder};

/// The builder of all clients in the tests: they ignore proxies set in the environment, and do not
/// load certificates, which takes a debug build longer than most tests.
pub fn builder(endpoint: impl Into<String>) -> ClientBuilder {
    Client::builder(endpoint).http(|http| http.no_proxy().tls_certs_only([]))
}

/// The head of the next request, unless the connection is closed.
pub async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
            return None;
        }
    }
    Some(String::from_utf8(head).unwrap())
}
