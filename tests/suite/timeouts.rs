//! Timeouts and deadlines hold, on whichever runtime a future is polled and in whichever order they are set.

use std::future::pending;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use futures::StreamExt;
use reqwest::dns::{Name, Resolve, Resolving};
use tokio::time::{Instant, timeout};
use vbs_client::{ClientBuilder, Error, RetryPolicy};

use crate::support::process::runtime;
use crate::support::server::{Reply, Server};
use crate::support::{http, page};

const SHORT: Duration = Duration::from_millis(200);
/// No test takes this long, unless it hangs.
const LONG: Duration = Duration::from_secs(20);

/// A stream is polled once, or until it has yielded a row, on a runtime that nobody drives after that. It
/// continues on another one.
fn continued_elsewhere(settings: impl Fn(ClientBuilder) -> ClientBuilder, concurrency: usize, rows: usize) -> Error {
    let servers_runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = servers_runtime.block_on(Server::start(move |request, _| match rows {
        2 if request.get("marker").or(request.get("offset")).is_none() => {
            request.page(&page(&["a", "b"], Some("marker=b")))
        }
        _ => Reply::stall(vec![]),
    }));
    let client = settings(server.retrying_builder()).build().unwrap();
    let mut items = client.list_backups().limit(2).concurrency(concurrency).items();
    let first = runtime(false);
    first.block_on(async {
        for _ in 0..rows {
            items.next().await.unwrap().unwrap();
        }
        assert!(items.poll_next_unpin(&mut Context::from_waker(Waker::noop())).is_pending());
    });
    let end = runtime(false).block_on(async { timeout(LONG, items.next()).await.expect("it ends in time") });
    drop(first);
    end.expect("an error").unwrap_err()
}

#[test]
fn a_page_deadline_holds_on_another_runtime_than_the_first() {
    for (concurrency, rows) in [(1, 0), (3, 0), (1, 2), (3, 2)] {
        let error = continued_elsewhere(|builder| builder.page_deadline(SHORT), concurrency, rows);
        assert!(matches!(error, Error::PageDeadline { .. }), "{concurrency}, {rows}: {error:?}");
    }
}

#[test]
fn a_timeout_holds_on_another_runtime_than_the_first() {
    for (concurrency, rows) in [(1, 0), (3, 0), (1, 2), (3, 2)] {
        let settings = |builder: ClientBuilder| builder.timeout(SHORT).retry(RetryPolicy::none());
        let error = continued_elsewhere(settings, concurrency, rows);
        assert!(error.is_timeout() && matches!(error, Error::Transport { .. }), "{concurrency}, {rows}: {error:?}");
    }
}

/// The delay before a retry is a timer, too. A connection that the first runtime has kept is lost with it: that
/// costs a timeout.
#[test]
fn a_retry_continues_on_another_runtime_than_the_first() {
    let servers_runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = servers_runtime.block_on(Server::start(|request, number| match number {
        0 => request.reply_with(503, "Retry-After: 1\r\n", ""),
        _ => request.page(&page(&["a"], None)),
    }));
    let client = server.retrying_builder().timeout(Duration::from_secs(1)).build().unwrap();
    let mut send = Box::pin(client.list_backups().send());
    let first = runtime(false);
    first.block_on(async {
        assert!(timeout(SHORT, &mut send).await.is_err(), "it waits for its retry");
    });
    let page = runtime(false).block_on(async { timeout(LONG, send).await.expect("it ends in time") });
    assert_eq!(page.unwrap().backups.len(), 1);
    assert_eq!(server.requests().len(), 2);
    drop(first);
}

/// A host name that is never resolved: connecting does not end.
struct Unresolved;

impl Resolve for Unresolved {
    fn resolve(&self, _: Name) -> Resolving {
        Box::pin(pending())
    }
}

/// A builder of reqwest's that has none of the defaults.
fn new(_: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    reqwest::Client::builder().no_proxy().tls_certs_only([]).dns_resolver(Arc::new(Unresolved))
}

async fn ends_after(builder: ClientBuilder, expected: Option<Duration>) {
    let client = builder.project_id("p").retry(RetryPolicy::none()).build().unwrap();
    let start = Instant::now();
    let ended = timeout(Duration::from_secs(3600), client.list_backups().send()).await;
    match expected {
        None => assert!(ended.is_err(), "{ended:?}"),
        Some(expected) => {
            let error = ended.expect("it ends").unwrap_err();
            assert!(error.is_timeout(), "{error:?}");
            let elapsed = start.elapsed();
            assert!(expected <= elapsed && elapsed < expected + Duration::from_secs(1), "{elapsed:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn timeouts_hold_in_either_order_with_a_reqwest_builder() {
    let seconds = Duration::from_secs;
    let server = Server::script(vec![Reply::stall(vec![])]).await;
    let stalling = || http::builder(server.endpoint());
    ends_after(stalling(), Some(seconds(60))).await;
    ends_after(stalling().timeout(seconds(7)).http(new), Some(seconds(7))).await;
    ends_after(stalling().http(new).timeout(seconds(7)), Some(seconds(7))).await;
    ends_after(stalling().timeout(seconds(7)).http(|http| http.timeout(seconds(3))), Some(seconds(7))).await;
    ends_after(stalling().http(|http| http.timeout(seconds(3))), Some(seconds(3))).await;
    ends_after(stalling().http(new), None).await;

    let unresolved = || http::builder("http://host.example").http(|http| http.dns_resolver(Arc::new(Unresolved)));
    ends_after(unresolved(), Some(seconds(10))).await;
    ends_after(unresolved().connect_timeout(seconds(4)).http(new), Some(seconds(4))).await;
    ends_after(unresolved().http(new).connect_timeout(seconds(4)), Some(seconds(4))).await;
    ends_after(unresolved().http(new), None).await;
}
