//! Proxies that the environment names.

use vbs_client::Client;
use vbs_client::mock::{Cinder, rows};

use crate::support::process::{in_own_process_with, runtime};

/// Whether the proxy is used: `yes` or `no`.
const USED: &str = "VBS_CLIENT_TEST_PROXY_USED";

/// reqwest applies NO_PROXY=* to host names only.
#[test]
fn a_no_proxy_of_all_hosts_holds_for_addresses_too() {
    for (used, no_proxy) in [
        ("no", &[("NO_PROXY", "*")][..]),
        ("no", &[("no_proxy", "*")]),
        ("no", &[("NO_PROXY", "a.example, *")]),
        ("yes", &[("NO_PROXY", "a.example"), ("no_proxy", "*")]),
        ("yes", &[("NO_PROXY", "*.example")]),
        ("yes", &[]),
    ] {
        in_own_process_with(
            |command| {
                command.env_remove("NO_PROXY").env_remove("no_proxy").envs(no_proxy.iter().copied());
                // Nothing listens there.
                command.env("http_proxy", "http://127.0.0.1:1").env("HTTP_PROXY", "http://127.0.0.1:1").env(USED, used);
            },
            || runtime(false).block_on(list()),
        );
    }
}

async fn list() {
    let cinder = Cinder::start(rows(3)).await;
    let builder = Client::builder(cinder.url()).project_id(cinder.project_id()).token("a-token");
    let client = builder.http(|http| http.tls_certs_only([])).retry(vbs_client::RetryPolicy::none()).build().unwrap();
    let listed = client.list_backups().count().await;
    match std::env::var(USED).unwrap().as_str() {
        "no" => assert_eq!(listed.unwrap(), 3),
        _ => assert!(listed.unwrap_err().to_string().contains("could not connect"), "the proxy is not there"),
    }
}

/// A proxy that resolves every name to this machine. Returns its address, and the names that were requested.
#[cfg(feature = "socks")]
async fn socks_proxy() -> (std::net::SocketAddr, tokio::sync::mpsc::UnboundedReceiver<String>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
    use tokio::net::{TcpListener, TcpStream};

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, (names, named)) = (listener.local_addr().unwrap(), tokio::sync::mpsc::unbounded_channel());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let names = names.clone();
            tokio::spawn(async move {
                // RFC 1928: the methods, then a request to connect to a name.
                let mut head = [0; 2];
                client.read_exact(&mut head).await.unwrap();
                client.read_exact(&mut vec![0; head[1].into()]).await.unwrap();
                client.write_all(&[5, 0]).await.unwrap();
                let mut request = [0; 5];
                client.read_exact(&mut request).await.unwrap();
                assert_eq!(request[..4], [5, 1, 0, 3], "the name is resolved by the proxy");
                let mut name = vec![0; request[4].into()];
                client.read_exact(&mut name).await.unwrap();
                names.send(String::from_utf8(name).unwrap()).unwrap();
                let port = client.read_u16().await.unwrap();
                let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (address, named)
}

#[cfg(feature = "socks")]
#[tokio::test]
async fn a_listing_goes_through_a_socks_proxy() {
    let (proxy, mut named) = socks_proxy().await;
    let cinder = Cinder::start(rows(3)).await;
    let endpoint = cinder.url().replace("127.0.0.1", "cinder.example");
    assert!(endpoint.contains("cinder.example"), "{endpoint}");
    let proxy = vbs_client::reqwest::Proxy::all(format!("socks5h://{proxy}")).unwrap();
    let builder = Client::builder(endpoint).project_id(cinder.project_id()).token("a-token");
    let client = builder.http(|http| http.tls_certs_only([]).proxy(proxy)).build().unwrap();
    assert_eq!(client.list_backups().count().await.unwrap(), 3);
    assert_eq!(named.recv().await.as_deref(), Some("cinder.example"));
}
