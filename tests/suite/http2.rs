//! HTTP/2, where all requests of a client share a connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::{StreamExt, poll};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use vbs_client::{Client, ClientBuilder, RetryPolicy};

use crate::support::{PROJECT_ID, TOKEN, http, page};

/// A server of HTTP/2 without TLS.
struct Server {
    endpoint: String,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    /// The number of connections, from the first one, that are silent.
    silent: watch::Sender<usize>,
}

impl Server {
    /// Responds to each request, the first one numbered 0, with a page of one backup of this number of bytes.
    async fn start(size: impl Fn(usize) -> usize + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            connections: Arc::default(),
            requests: Arc::default(),
            silent: watch::Sender::new(0),
        };
        let (connections, requests, silent) =
            (Arc::clone(&server.connections), Arc::clone(&server.requests), server.silent.subscribe());
        let size = Arc::new(size);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = connections.fetch_add(1, Ordering::Relaxed);
                let (requests, mut silent, size) = (Arc::clone(&requests), silent.clone(), Arc::clone(&size));
                tokio::spawn(async move {
                    let mut connection = h2::server::handshake(stream).await.unwrap();
                    loop {
                        let request = tokio::select! {
                            request = connection.accept() => request,
                            _ = silent.wait_for(|silent| *silent > number) => None,
                        };
                        let Some(Ok((_, mut respond))) = request else { break };
                        let mut body = page(&["a"], None).to_string();
                        let spaces = size(requests.fetch_add(1, Ordering::Relaxed)).saturating_sub(body.len());
                        body.push_str(&" ".repeat(spaces));
                        let mut stream = respond.send_response(::http::Response::new(()), false).unwrap();
                        stream.send_data(body.into_bytes().into(), true).unwrap();
                    }
                    // Keeps the connection open as long as the server.
                    let _ = silent.wait_for(|_| false).await;
                });
            }
        });
        server
    }

    fn builder(&self) -> ClientBuilder {
        let builder = http::builder(&self.endpoint).project_id(PROJECT_ID).token(TOKEN);
        builder.http(|http| http.http2_prior_knowledge())
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// All connections stay open, but nothing is read or sent on them from here on.
    fn silence(&self) {
        self.silent.send_replace(self.connections());
    }
}

async fn list(client: &Client) -> Result<usize, vbs_client::Error> {
    client.list_backups().send().await.map(|page| page.backups.len())
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_goes_silent_is_replaced_within_30_seconds() {
    let server = Server::start(|_| 0).await;
    let client = server.builder().build().unwrap();
    assert_eq!(list(&client).await.unwrap(), 1);
    server.silence();
    let start = Instant::now();
    assert_eq!(list(&client).await.unwrap(), 1);
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    assert_eq!(server.connections(), 2);

    // Also while there are no requests.
    server.silence();
    sleep(Duration::from_secs(30)).await;
    let start = Instant::now();
    assert_eq!(list(&client).await.unwrap(), 1);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(server.connections(), 3);
}

#[tokio::test(start_paused = true)]
async fn pings_are_as_the_caller_sets_them() {
    let server = Server::start(|_| 0).await;
    let without_retries = || server.builder().retry(RetryPolicy::none());
    for (builder, expected) in [
        (without_retries().http(|http| http.http2_keep_alive_interval(None)), 60),
        (without_retries().http(|http| http.http2_keep_alive_timeout(Duration::from_secs(30))), 45),
    ] {
        let client = builder.build().unwrap();
        assert_eq!(list(&client).await.unwrap(), 1);
        server.silence();
        let start = Instant::now();
        let error = list(&client).await.unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
        let elapsed = start.elapsed().as_secs();
        assert!((expected - 1..=expected).contains(&elapsed), "{elapsed}: {error:?}");
    }
}

/// The listings have begun pages, and nobody reads them.
#[tokio::test]
async fn listings_that_are_not_polled_stop_no_other_request() {
    const LISTINGS: usize = 20;
    let server = Server::start(|number| if number < LISTINGS { 3 << 20 } else { 0 }).await;
    let client = server.builder().build().unwrap();
    let mut listings = Vec::new();
    for number in 1..=LISTINGS {
        let mut pages = client.list_backups().prefetch(false).pages();
        assert!(poll!(pages.next()).is_pending());
        while server.requests.load(Ordering::Relaxed) < number {
            assert!(poll!(pages.next()).is_pending());
            tokio::task::yield_now().await;
        }
        listings.push(pages);
    }
    // Until the flow-control windows are full.
    sleep(Duration::from_millis(200)).await;
    let listed = timeout(Duration::from_secs(20), list(&client)).await.expect("it ends").unwrap();
    assert_eq!((listed, server.connections()), (1, 1));
    for mut pages in listings {
        assert_eq!(pages.try_next().await.unwrap().unwrap().backups.len(), 1);
    }
}
