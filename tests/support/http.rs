//! What every test binary needs for HTTP.

use tokio::io::{AsyncRead, AsyncReadExt};
use vbs_client::{Client, ClientBuilder};

/// The builder of all clients in the tests: they ignore proxies set in the environment, and do not
/// load certificates, which takes a debug build longer than most tests.
pub fn builder(endpoint: impl Into<String>) -> ClientBuilder {
    Client::builder(endpoint).http(|http| http.no_proxy().tls_certs_only([]))
}

/// The head and the body of the next request, unless the connection is closed.
pub async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<(String, Vec<u8>)> {
    let mut received = Vec::new();
    let end = loop {
        if let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut received).await.unwrap_or(0) == 0 {
            return None;
        }
    };
    let mut body = received.split_off(end);
    let head = String::from_utf8(received).unwrap();
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    while body.len() < length.unwrap_or(0) {
        if stream.read_buf(&mut body).await.unwrap_or(0) == 0 {
            return None;
        }
    }
    Some((head, body))
}
