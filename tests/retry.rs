//! Going on after transient faults: what is asked for again, when, and how it ends.

mod common;

use std::error::Error as _;
use std::time::{Duration, SystemTime};

use common::raw::{Answer, Raw, http, ok};
use common::{ids, page};
use futures::{StreamExt, TryStreamExt};
use tokio::time::Instant;
use vbs_client::{Error, RetryPolicy};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn list(ids: &[&str], next: Option<&str>) -> Vec<u8> {
    page(ids, next).to_string().into_bytes()
}

/// Two pages, and between them this.
async fn walk_over(fault: Answer) -> Raw {
    let first = ok(list(&["a", "b"], Some("marker=b")));
    let last = ok(list(&["c"], None));
    Raw::script(vec![first, fault, last]).await
}

fn transient() -> Vec<(&'static str, Answer)> {
    let whole = http(200, "", list(&["c"], None));
    let half = whole[..whole.len() - 5].to_vec();
    let chunked = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"bac\r\n".to_vec();
    let mut faults = vec![
        ("closed before the answer", Answer::Close(vec![])),
        ("reset before the answer", Answer::Reset(vec![])),
        ("closed within the head", Answer::Close(b"HTTP/1.1 200".to_vec())),
        ("closed within the body", Answer::Close(half.clone())),
        ("reset within the body", Answer::Reset(half.clone())),
        ("closed within a chunk", Answer::Close(chunked)),
        ("stalled before the answer", Answer::Stall(vec![])),
        ("stalled within the body", Answer::Stall(half)),
    ];
    for (name, status) in [("408", 408), ("429", 429), ("500", 500), ("502", 502), ("503", 503), ("504", 504)] {
        faults.push((name, Answer::Close(http(status, "", "<html>oh no</html>"))));
    }
    faults
}

#[tokio::test(start_paused = true)]
async fn a_walk_survives_every_transient_fault() {
    for (name, fault) in transient() {
        let server = walk_over(fault).await;
        let client = server.builder().build().unwrap();
        let rows: Vec<_> =
            client.list_backups().limit(2).items().try_collect().await.unwrap_or_else(|e| panic!("{name}: {e:?}"));
        assert_eq!(ids(&rows), ["a", "b", "c"], "{name}");
        let seen = server.seen();
        assert_eq!(seen.len(), 3, "{name}");
        assert!(seen[1].contains("?limit=2&marker=b "), "{name}: {}", seen[1]);
        assert_eq!(seen[1], seen[2], "{name}: the same is asked again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_stays_is_the_error_with_the_number_of_attempts() {
    for (name, fault) in transient() {
        let first = ok(list(&["a"], Some("marker=a")));
        let server = Raw::script(vec![first, fault]).await;
        let client = server.builder().build().unwrap();
        let mut items = client.list_backups().items();
        assert_eq!(items.try_next().await.unwrap().unwrap().id, "a", "{name}");
        let error = items.try_next().await.unwrap_err();
        assert_eq!(error.attempts(), 4, "{name}");
        assert!(error.is_retryable(), "{name}: {error:?}");
        assert!(error.to_string().ends_with(" (4 attempts)"), "{name}: {error}");
        assert_eq!(error.is_timeout(), name.starts_with("stalled"), "{name}: {error:?}");
        assert!(items.next().await.is_none(), "{name}");
        assert_eq!(server.seen().len(), 5, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_else_is_asked_again() {
    let undecodable = ["", "{}", "<html>", "{\"backups\":[", "{\"backups\":1}"];
    let mut answers: Vec<_> = undecodable.iter().map(|body| http(200, "", body)).collect();
    answers.extend(
        [201, 204, 301, 400, 401, 403, 404, 405, 406, 407, 409, 413, 501, 505]
            .map(|status| http(status, "Retry-After: 1\r\n", "")),
    );
    for answer in answers {
        let server = Raw::script(vec![Answer::Close(answer.clone())]).await;
        let error = server.builder().build().unwrap().list_backups().send().await.unwrap_err();
        assert!(!error.is_retryable(), "{error:?}");
        assert_eq!((error.attempts(), server.seen().len()), (1, 1), "{:?}", String::from_utf8_lossy(&answer));
    }
    // Not even behind what was asked again.
    let server = Raw::script(vec![Answer::Close(http(503, "", "")), ok("{}")]).await;
    let error = server.builder().build().unwrap().list_backups().send().await.unwrap_err();
    assert!(matches!(error, Error::Undecodable { attempts: 2, .. }), "{error:?}");
    // A microversion that was not applied stays so.
    let server = Raw::script(vec![ok(list(&["a"], None))]).await;
    let error = server.builder().build().unwrap().list_backups().name_like("x").send().await.unwrap_err();
    assert!(matches!(error, Error::MicroversionNotHonored { .. }));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_waits_grow_and_are_drawn_at_random() {
    let mut waits = Vec::new();
    for _ in 0..30 {
        let server = Raw::script(vec![Answer::Close(http(500, "", ""))]).await;
        server.builder().build().unwrap().list_backups().send().await.unwrap_err();
        waits.push(server.waits());
    }
    let longest = |n: usize| waits.iter().map(|waits| waits[n]).max().unwrap();
    // A timer of tokio's is exact to the millisecond.
    for (n, limit) in [(0, 200), (1, 400), (2, 800)] {
        let limit = Duration::from_millis(limit);
        assert!(longest(n) <= limit + Duration::from_millis(2), "{waits:?}");
        assert!(longest(n) > limit / 2, "{waits:?}");
        assert!(waits.iter().map(|waits| waits[n]).min().unwrap() < limit / 2, "{waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_server_may_ask_for_a_longer_wait() {
    let date = httpdate::fmt_http_date(SystemTime::now() + seconds(30));
    for (value, at_least, at_most) in [("7", 7, 8), ("0", 0, 1), (&date, 28, 31), ("3600", 60, 61), ("soon", 0, 1)] {
        let busy = Answer::Close(http(503, &format!("Retry-After: {value}\r\n"), ""));
        let server = Raw::script(vec![busy, ok(list(&[], None))]).await;
        server.builder().build().unwrap().list_backups().send().await.unwrap();
        let wait = server.waits()[0];
        assert!(seconds(at_least) <= wait && wait <= seconds(at_most), "{value}: {wait:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_policy_is_the_callers() {
    let server = Raw::script(vec![Answer::Close(http(503, "Retry-After: 100\r\n", ""))]).await;
    let policy = RetryPolicy { attempts: 3, max_retry_after: seconds(5), ..RetryPolicy::default() };
    let error = server.builder().retry(policy).build().unwrap().list_backups().count().await.unwrap_err();
    assert_eq!((error.attempts(), server.seen().len()), (3, 3));
    assert!(server.waits().iter().all(|wait| seconds(5) <= *wait && *wait < seconds(6)), "{:?}", server.waits());

    let server = Raw::script(vec![Answer::Close(http(503, "", ""))]).await;
    let error = server.builder().retry(RetryPolicy::none()).build().unwrap().list_backups().send().await.unwrap_err();
    assert_eq!((error.attempts(), server.seen().len()), (1, 1));
    assert_eq!(error.to_string(), "the service answered 503 Service Unavailable");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_refused_is_tried_again() {
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let client = vbs_client::Client::builder(format!("http://127.0.0.1:{port}")).project_id("p").build().unwrap();
    let error = client.list_backups().send().await.unwrap_err();
    assert_eq!(error.to_string(), "could not connect to the service (4 attempts)");
}

#[tokio::test(start_paused = true)]
async fn a_page_has_a_deadline_for_all_attempts() {
    // Each attempt would have 60 seconds of its own.
    for answer in [Answer::Stall(vec![]), Answer::Drip(b"HTTP/1.1 200 X\r\nContent-Length: 9999\r\n\r\n{".to_vec())] {
        let server = Raw::script(vec![Answer::Close(http(500, "", "")), answer]).await;
        let client = server.builder().page_deadline(seconds(20)).build().unwrap();
        let start = Instant::now();
        let error = client.list_backups().send().await.unwrap_err();
        assert!(matches!(error, Error::PageDeadline { attempts: 2, .. }), "{error:?}");
        assert!(error.is_timeout() && error.is_retryable());
        assert_eq!(error.to_string(), "the page was not there in time (2 attempts)");
        assert!(error.source().unwrap().to_string().starts_with("the service answered 500 "));
        let elapsed = start.elapsed();
        assert!(seconds(20) <= elapsed && elapsed < seconds(21), "{elapsed:?}");
    }
}

/// What can't come in time is not waited for.
#[tokio::test(start_paused = true)]
async fn a_wait_that_the_deadline_would_cut_is_not_begun() {
    let server = Raw::script(vec![Answer::Close(http(503, "Retry-After: 30\r\n", ""))]).await;
    let start = Instant::now();
    let error = server.builder().page_deadline(seconds(20)).build().unwrap().list_backups().send().await.unwrap_err();
    assert_eq!((error.status().unwrap().as_u16(), error.attempts()), (503, 1));
    assert!(start.elapsed() < seconds(1));
}

/// The deadline is a page's, not the walk's.
#[tokio::test(start_paused = true)]
async fn every_page_has_a_deadline_of_its_own() {
    let server = Raw::start(|number, _| match number % 2 {
        0 => Answer::Close(http(503, "Retry-After: 15\r\n", "")),
        _ if number < 9 => ok(list(&[&number.to_string()], Some(&format!("marker={number}")))),
        _ => ok(list(&["last"], None)),
    })
    .await;
    let client = server.builder().page_deadline(seconds(20)).build().unwrap();
    let start = Instant::now();
    assert_eq!(client.list_backups().items().count().await, 5);
    assert!(start.elapsed() >= seconds(75));
}
