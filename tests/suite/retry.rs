//! Transient faults: what is retried, when, and how it ends.

use std::error::Error as _;
use std::time::Duration;

use futures::StreamExt;
use tokio::time::Instant;
use vbs_client::{Error, RetryPolicy, jiff};

use crate::support::server::{Reply, Server, closing, last_response};
use crate::support::{http, ids, page};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn list(ids: &[&str], next: Option<&str>) -> Vec<u8> {
    page(ids, next).to_string().into_bytes()
}

/// Two pages, and this before the second one.
async fn between_pages(fault: Reply) -> Server {
    let first = closing(200, "", list(&["a", "b"], Some("marker=b")));
    let last = closing(200, "", list(&["c"], None));
    Server::script(vec![first, fault, last]).await
}

fn transient() -> Vec<(&'static str, Reply)> {
    let whole = last_response(200, "", list(&["c"], None));
    let half = whole[..whole.len() - 5].to_vec();
    let chunked = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"bac\r\n".to_vec();
    // These bodies end with their connection.
    let unmeasured = |body: &[u8]| [b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n", body].concat();
    let text = "{\"backups\":[{\"id\":\"c\",\"name\":\"\u{e9}";
    let mut faults = vec![
        ("closed within a body without a length", Reply::close(unmeasured(&list(&["c"], None)[..20]))),
        ("reset within a body without a length", Reply::reset(unmeasured(&list(&["c"], None)[..20]))),
        ("closed one byte before the end", Reply::close(unmeasured(list(&["c"], None).strip_suffix(b"}").unwrap()))),
        ("closed within a character", Reply::close(unmeasured(&text.as_bytes()[..text.len() - 1]))),
        ("closed before a body without a length", Reply::close(unmeasured(b""))),
        ("closed before the response", Reply::close(vec![])),
        ("reset before the response", Reply::reset(vec![])),
        ("closed within the head", Reply::close(b"HTTP/1.1 200".to_vec())),
        ("closed within the body", Reply::close(half.clone())),
        ("reset within the body", Reply::reset(half.clone())),
        ("closed within a chunk", Reply::close(chunked)),
        ("stalled before the response", Reply::stall(vec![])),
        ("stalled within the body", Reply::stall(half)),
    ];
    for (name, status) in [("408", 408), ("429", 429), ("500", 500), ("502", 502), ("503", 503), ("504", 504)] {
        faults.push((name, closing(status, "", "<html>oh no</html>")));
    }
    faults
}

#[tokio::test(start_paused = true)]
async fn pagination_survives_every_transient_fault() {
    for (name, fault) in transient() {
        let server = between_pages(fault).await;
        let client = server.retrying_client();
        let rows: Vec<_> =
            client.list_backups().limit(2).items().try_collect().await.unwrap_or_else(|e| panic!("{name}: {e:?}"));
        assert_eq!(ids(&rows), ["a", "b", "c"], "{name}");
        let requests = server.requests();
        assert_eq!(requests.len(), 3, "{name}");
        assert!(requests[1].head.contains("?limit=2&marker=b "), "{name}: {}", requests[1].head);
        assert_eq!(requests[1].head, requests[2].head, "{name}: the same request is retried");
    }
}

#[tokio::test(start_paused = true)]
async fn a_persistent_fault_is_an_error_with_the_number_of_attempts() {
    for (name, fault) in transient() {
        let first = closing(200, "", list(&["a"], Some("marker=a")));
        let server = Server::script(vec![first, fault]).await;
        let client = server.retrying_client();
        let mut items = client.list_backups().items();
        assert_eq!(items.try_next().await.unwrap().unwrap().id, "a", "{name}");
        let error = items.try_next().await.unwrap_err();
        assert_eq!(error.attempts(), 4, "{name}");
        assert!(error.is_retryable(), "{name}: {error:?}");
        assert!(error.to_string().ends_with(" (4 attempts)"), "{name}: {error}");
        assert_eq!(error.is_timeout(), name.starts_with("stalled"), "{name}: {error:?}");
        assert!(items.next().await.is_none(), "{name}");
        assert_eq!(server.requests().len(), 5, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_else_is_retried() {
    let undecodable = ["", "{}", "<html>", "{\"backups\":[", "{\"backups\":1}"];
    let mut responses: Vec<_> = undecodable.iter().map(|body| last_response(200, "", body)).collect();
    responses.extend(
        [201, 204, 301, 400, 401, 403, 404, 405, 406, 407, 409, 501, 505]
            .map(|status| last_response(status, "Retry-After: 1\r\n", "")),
    );
    responses.push(last_response(413, "", r#"{"overLimit":{"code":413,"message":"too large"}}"#));
    for response in responses {
        let server = Server::script(vec![Reply::close(response.clone())]).await;
        let error = server.retrying_client().list_backups().send().await.unwrap_err();
        assert!(!error.is_retryable(), "{error:?}");
        assert_eq!((error.attempts(), server.requests().len()), (1, 1), "{:?}", String::from_utf8_lossy(&response));
    }
    // Nor a body that ends with its connection, but is wrong before.
    let server = Server::script(vec![Reply::close(b"HTTP/1.1 200 X\r\n\r\n<html>".to_vec())]).await;
    assert!(!server.retrying_client().list_backups().send().await.unwrap_err().is_retryable());
    assert_eq!(server.requests().len(), 1);
    // Nor after a retry.
    let server = Server::script(vec![closing(503, "", ""), closing(200, "", "{}")]).await;
    let error = server.retrying_client().list_backups().send().await.unwrap_err();
    assert!(matches!(error, Error::Undecodable { attempts: 2, .. }), "{error:?}");
    // A microversion that was not applied is not requested again.
    let server = Server::script(vec![closing(200, "", list(&["a"], None))]).await;
    let error = server.retrying_client().list_backups().name_like("x").send().await.unwrap_err();
    assert!(matches!(error, Error::MicroversionNotHonored { .. }));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn delays_grow_and_have_jitter() {
    let mut waits = Vec::new();
    for _ in 0..30 {
        let server = Server::script(vec![closing(500, "", "")]).await;
        server.retrying_client().list_backups().send().await.unwrap_err();
        waits.push(server.intervals());
    }
    let longest = |n: usize| waits.iter().map(|waits| waits[n]).max().unwrap();
    // A timer of tokio's is exact to the millisecond.
    for (n, limit) in [(0, 200), (1, 400), (2, 800)] {
        let limit = Duration::from_millis(limit);
        assert!(longest(n) <= limit + Duration::from_millis(2), "{waits:?}");
        assert!(longest(n) > limit * 3 / 4, "{waits:?}");
        let shortest = waits.iter().map(|waits| waits[n]).min().unwrap();
        assert!(limit / 2 <= shortest && shortest < limit * 3 / 4, "{waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_lengthens_the_delay() {
    let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
    let date = printer.timestamp_to_rfc9110_string(&(jiff::Timestamp::now() + seconds(30))).unwrap();
    for (value, at_least, at_most) in
        [("7", 7, 8), ("0", 0, 1), (&date, 28, 31), ("3600", 60, 61), ("soon", 0, 1), ("5, 5", 5, 6), ("1.5", 2, 3)]
    {
        let busy = closing(503, &format!("Retry-After: {value}\r\n"), "");
        let server = Server::script(vec![busy, closing(200, "", list(&[], None))]).await;
        server.retrying_client().list_backups().send().await.unwrap();
        let wait = server.intervals()[0];
        assert!(seconds(at_least) <= wait && wait <= seconds(at_most), "{value}: {wait:?}");
    }
}

/// Cinder's own rate limit responds with 413.
#[tokio::test(start_paused = true)]
async fn a_413_with_a_delay_is_retried_like_a_429() {
    let fault = r#"{"overLimitFault":{"code":413,"message":"slow down","retryAfter":"7"}}"#;
    for (status, headers, body, at_least) in [
        (413, "Retry-After: 7\r\n", "", 7),
        (413, "", fault, 7),
        (413, "Retry-After: 9\r\n", fault, 9),
        (429, "", fault, 7),
        (429, "", "", 0),
    ] {
        let busy = closing(status, headers, body);
        let server = Server::script(vec![busy.clone(), closing(200, "", list(&[], None))]).await;
        server.retrying_client().list_backups().send().await.unwrap();
        let wait = server.intervals()[0];
        assert!(seconds(at_least) <= wait && wait <= seconds(at_least + 1), "{status} {headers:?} {body}: {wait:?}");
        let error = Server::script(vec![busy]).await.client().list_backups().send().await.unwrap_err();
        assert!(error.is_throttled() && error.is_retryable(), "{error:?}");
        assert_eq!(error.retry_after(), (at_least > 0).then(|| seconds(at_least)), "{error:?}");
    }
    for status in [413, 503] {
        let error =
            Server::script(vec![closing(status, "", "")]).await.client().list_backups().send().await.unwrap_err();
        assert!(!error.is_throttled() && error.retry_after().is_none(), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_retry_policy_is_configurable() {
    let server = Server::script(vec![closing(503, "Retry-After: 100\r\n", "")]).await;
    let policy = RetryPolicy::default().max_attempts(3).max_retry_after(seconds(5));
    let error = server.retrying_builder().retry(policy).build().unwrap().list_backups().count().await.unwrap_err();
    assert_eq!((error.attempts(), server.requests().len()), (3, 3));
    assert!(
        server.intervals().iter().all(|wait| seconds(5) <= *wait && *wait < seconds(6)),
        "{:?}",
        server.intervals()
    );

    let server = Server::script(vec![closing(503, "", "")]).await;
    let error = server.client().list_backups().send().await.unwrap_err();
    assert_eq!((error.attempts(), server.requests().len()), (1, 1));
    assert_eq!(error.to_string(), "the service responded 503 Service Unavailable");
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_is_retried() {
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let client = http::builder(format!("http://127.0.0.1:{port}")).project_id("p").build().unwrap();
    let error = client.list_backups().send().await.unwrap_err();
    assert!(error.to_string().starts_with("could not connect to 127.0.0.1:"), "{error}");
    assert!(error.to_string().ends_with(" (4 attempts)"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_page_deadline_covers_all_attempts() {
    // Each attempt would have 60 seconds of its own.
    for reply in [Reply::stall(vec![]), Reply::drip(b"HTTP/1.1 200 X\r\nContent-Length: 9999\r\n\r\n{".to_vec())] {
        let server = Server::script(vec![closing(500, "", ""), reply]).await;
        let client = server.retrying_builder().page_deadline(seconds(20)).build().unwrap();
        let start = Instant::now();
        let error = client.list_backups().send().await.unwrap_err();
        assert!(matches!(error, Error::PageDeadline { attempts: 2, .. }), "{error:?}");
        assert!(error.is_timeout() && error.is_retryable());
        assert_eq!(error.to_string(), "page deadline exceeded (2 attempts)");
        assert!(error.source().unwrap().to_string().starts_with("the service responded 500 "));
        let elapsed = start.elapsed();
        assert!(seconds(20) <= elapsed && elapsed < seconds(21), "{elapsed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_past_the_deadline_is_not_started() {
    let server = Server::script(vec![closing(503, "Retry-After: 30\r\n", "")]).await;
    let start = Instant::now();
    let error =
        server.retrying_builder().page_deadline(seconds(20)).build().unwrap().list_backups().send().await.unwrap_err();
    assert_eq!((error.status().unwrap().as_u16(), error.attempts()), (503, 1));
    assert!(start.elapsed() < seconds(1));
}

/// The deadline is a page's, not the pagination's.
#[tokio::test(start_paused = true)]
async fn every_page_has_a_deadline_of_its_own() {
    let server = Server::start(|_, number| match number % 2 {
        0 => closing(503, "Retry-After: 15\r\n", ""),
        _ if number < 9 => closing(200, "", list(&[&number.to_string()], Some(&format!("marker={number}")))),
        _ => closing(200, "", list(&["last"], None)),
    })
    .await;
    let client = server.retrying_builder().page_deadline(seconds(20)).build().unwrap();
    let start = Instant::now();
    assert_eq!(client.list_backups().items().count().await, 5);
    assert!(start.elapsed() >= seconds(75));
}
