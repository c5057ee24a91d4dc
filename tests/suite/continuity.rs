//! Pages that can't follow the one before them: an error, and the rows before it are right.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use serde_json::json;
use vbs_client::mock::{Row, rows};
use vbs_client::{Error, ListBackups};

use crate::support::server::{Reply, Request, Server};
use crate::support::{ids, list_ids, page, row_ids};

const CONCURRENCY: [usize; 4] = [1, 2, 3, 8];

/// The rows that a request yields, and the error that ends it.
async fn list(request: &ListBackups) -> (Vec<String>, Option<Error>) {
    let mut items = request.items();
    let mut got = Vec::new();
    loop {
        match items.try_next().await {
            Ok(Some(row)) => got.push(row.id),
            Ok(None) => return (got, None),
            Err(error) => {
                assert!(items.next().await.is_none(), "an error ends the stream");
                return (got, Some(error));
            }
        }
    }
}

/// A service whose responses `change` changes: at any concurrency, the rows before the error are a right start of the
/// list.
async fn is_an_error(
    reason: &str,
    at_least: usize,
    reply: impl Fn(&Request, &[Row]) -> Reply + Clone + Send + Sync + 'static,
) {
    let rows = rows(95);
    let expected = row_ids(&rows);
    for concurrency in CONCURRENCY {
        for prefetch in [true, false] {
            let (rows, reply) = (rows.clone(), reply.clone());
            let server = Server::start(move |request, _| reply(request, &rows).after(Duration::from_millis(10))).await;
            let request = server.client().list_backups().limit(10).concurrency(concurrency).prefetch(prefetch);
            let (got, error) = list(&request).await;
            let context = format!("concurrency {concurrency}, prefetch {prefetch}: {error:?} after {}", got.len());
            let error = error.expect(&context);
            assert!(matches!(error, Error::Pagination { .. }) && error.to_string().contains(reason), "{context}");
            assert_eq!(error.request_id(), Some("req-1"), "{context}");
            assert!(!error.is_retryable(), "{context}");
            assert!(got.len() >= at_least && got == expected[..got.len()], "{context}: {got:?}");
            assert!(server.requests().len() < 30, "{context}: {}", server.requests().len());
        }
    }
}

/// The request without some of its parameters.
fn without(request: &Request, names: &[&str]) -> Request {
    let kept = request.pairs.iter().filter(|(name, _)| !names.contains(&name.as_str()));
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish();
    Request { query, ..request.clone() }
}

/// The number of rows up to the marker's.
fn start(request: &Request, rows: &[Row]) -> usize {
    let at = |marker: &str| rows.iter().position(|row| row.id() == marker).unwrap() + 1;
    request.get("marker").map_or(0, at)
}

/// uwsgi drops a query that is too long.
#[tokio::test(start_paused = true)]
async fn a_server_that_drops_the_query_is_an_error() {
    is_an_error("more than the limit of 10", 0, |request, rows| {
        Request { query: String::new(), ..request.clone() }.model(rows)
    })
    .await;
    // The server drops it from this page on.
    is_an_error("more than the limit of 10", 20, |request, rows| match start(request, rows) {
        0..20 => request.model(rows),
        _ => Request { query: String::new(), ..request.clone() }.model(rows),
    })
    .await;
}

/// Where there is no limit, each page is as large as the first one.
#[tokio::test(start_paused = true)]
async fn a_listing_that_starts_again_is_an_error() {
    for concurrency in CONCURRENCY {
        let rows = rows(95);
        let expected = row_ids(&rows);
        let server = Server::start(move |request, _| {
            Request { query: "limit=10".to_owned(), ..request.as_ref().clone() }.model(&rows)
        })
        .await;
        let (got, error) = list(&server.client().list_backups().concurrency(concurrency)).await;
        assert_eq!(got, expected[..10]);
        let error = error.expect("an error");
        assert!(matches!(error, Error::Pagination { .. }), "{error:?}");
        assert!(server.requests().len() < 2 + concurrency, "{}", server.requests().len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_marker_that_is_dropped_is_an_error() {
    is_an_error("", 10, |request, rows| without(request, &["marker"]).model(rows)).await;
    is_an_error("", 20, |request, rows| match start(request, rows) {
        0..20 => request.model(rows),
        _ => without(request, &["marker"]).model(rows),
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_inclusive_marker_is_an_error() {
    is_an_error("does not start after its marker", 10, |request, rows| {
        let start = start(request, rows).saturating_sub(1);
        without(request, &["marker"]).model(&rows[start..])
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_page_from_an_earlier_row_is_an_error() {
    for back in [2, 5, 10, 15] {
        is_an_error("", 10, move |request, rows| {
            let start = start(request, rows).saturating_sub(back);
            without(request, &["marker"]).model(&rows[start..])
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn more_rows_than_the_limit_are_an_error() {
    is_an_error("the page has 11 backups, more than the limit of 10", 0, |request, rows| {
        Request { query: request.query.replace("limit=10", "limit=11"), ..request.clone() }.model(rows)
    })
    .await;

    let server = Server::start(|request, _| request.page(&page(&["a", "b", "c"], None))).await;
    let error = server.client().list_backups().limit(2).send().await.unwrap_err();
    assert!(matches!(error, Error::Pagination { .. }), "{error:?}");
    let expected = "the listing can't continue: the page has 3 backups, more than the limit of 2 (request id req-1)";
    assert_eq!(error.to_string(), expected);
    assert_eq!(server.client().list_backups().limit(3).send().await.unwrap().backups.len(), 3);
    // None at all, where only the count was requested.
    let server = Server::start(|request, _| {
        let mut body = page(&["a"], None);
        body["count"] = json!(1);
        request.page(&body)
    })
    .await;
    assert!(matches!(server.client().list_backups().count().await, Err(Error::Pagination { .. })));
}

#[tokio::test(start_paused = true)]
async fn an_id_twice_is_an_error() {
    is_an_error("the page has a backup twice", 19, |request, rows| {
        let mut rows = rows.to_vec();
        rows[25] = Row::new(rows[21].id());
        let start = start(request, &rows);
        without(request, &["marker"]).model(&rows[start..])
    })
    .await;
    // Also next to each other, and in a page by itself.
    let server = Server::start(|request, _| request.page(&page(&["a", "b", "b"], None))).await;
    let error = server.client().list_backups().send().await.unwrap_err();
    assert!(matches!(error, Error::Pagination { .. }), "{error:?}");
}

/// Compared exactly: without regard to case or blanks, rows would be lost.
#[tokio::test]
async fn similar_ids_are_different_rows() {
    let rows = ["a", "A", "a ", " a", "\u{e9}", "e\u{301}", "a\u{2028}", "aa", "a,a", "a%20"];
    for concurrency in CONCURRENCY {
        let server = Server::start(move |request, _| {
            let at = |name, plus| request.get(name).map(|value| (value.to_owned(), plus));
            let start = at("marker", 1).map_or(0, |(marker, _)| rows.iter().position(|id| *id == marker).unwrap() + 1);
            let start = start + at("offset", 0).map_or(0, |(offset, _)| offset.parse().unwrap());
            let end = rows.len().min(start + 3);
            let here = &rows[start.min(end)..end];
            let mut query = form_urlencoded::Serializer::new(String::new());
            let next = here.last().map(|last| query.append_pair("marker", last).finish());
            request.page(&page(here, next.as_deref()))
        })
        .await;
        let request = server.client().list_backups().limit(3).concurrency(concurrency);
        assert_eq!(list_ids(&request).await, rows, "concurrency {concurrency}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_invalid_id_is_an_error() {
    for bad in ["", "\n", "a\nb", "b\n", "\rb", "a\u{0}", "a\u{85}b", &"x".repeat(256)] {
        let bad: Arc<str> = bad.into();
        let copy = Arc::clone(&bad);
        is_an_error("the page has an invalid id", 19, move |request, rows| {
            let mut rows = rows.to_vec();
            rows[25] = Row::new(&*copy);
            request.model(&rows)
        })
        .await;
        let server = Server::start(move |request, _| request.page(&page(&["a", &bad], None))).await;
        let error = server.client().list_backups().send().await.unwrap_err();
        assert!(matches!(error, Error::Pagination { .. }), "{error:?}");
        assert!(!error.to_string().contains(|c: char| c.is_control()), "{error}");
    }
}

/// Cinder does so with `with_count`, other services on any page.
#[tokio::test(start_paused = true)]
async fn a_server_that_links_every_page_that_has_rows_yields_the_same_list() {
    for number in [0, 1, 2, 9, 10, 11, 19, 20, 28, 29, 37] {
        let rows = rows(number);
        let expected = row_ids(&rows);
        for concurrency in 1..=8 {
            for maximum in [1, 2, 10, 1000] {
                let rows = rows.clone();
                let server = Server::start(move |request, _| {
                    let request = request.with_maximum(maximum);
                    let start = start(&request, &rows)
                        + request.get("offset").map_or(0, |offset| offset.parse::<usize>().unwrap());
                    let limit = maximum.min(request.get("limit").map_or(1000, |limit| limit.parse().unwrap()));
                    let ids = row_ids(&rows);
                    let end = rows.len().min(start + limit);
                    let here: Vec<_> = ids[start.min(end)..end].iter().map(String::as_str).collect();
                    let next = here.last().map(|last| format!("marker={last}"));
                    request.page(&page(&here, next.as_deref())).after(Duration::from_millis(10))
                })
                .await;
                let request = server.client().list_backups().limit(10).concurrency(concurrency);
                let (got, error) = list(&request).await;
                assert!(error.is_none(), "{number} rows, concurrency {concurrency}, maximum {maximum}: {error:?}");
                assert_eq!(got, expected, "{number} rows, concurrency {concurrency}, maximum {maximum}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_maximum_that_changes_midway_yields_the_same_list() {
    let rows = rows(60);
    let expected = row_ids(&rows);
    for maxima in [&[10, 1][..], &[10, 10, 1], &[10, 1, 10], &[1, 10], &[10, 3, 1, 7], &[2, 1, 2, 1]] {
        for from in [1, 3, 4, 7] {
            for concurrency in 1..=8 {
                let (rows, maxima) = (rows.clone(), maxima.to_vec());
                let server = Server::start(move |request, number| {
                    let maximum = maxima[(number / from).min(maxima.len() - 1)];
                    request.with_maximum(maximum).model(&rows).after(Duration::from_millis(10))
                })
                .await;
                let request = server.client().list_backups().limit(10).concurrency(concurrency);
                let (got, error) = list(&request).await;
                assert!(error.is_none(), "concurrency {concurrency}, from {from}: {error:?}");
                assert_eq!(got, expected, "concurrency {concurrency}, from {from}");
            }
        }
    }
}

#[tokio::test]
async fn the_case_of_a_links_rel_does_not_matter() {
    for rel in ["next", "Next", "NEXT"] {
        let server = Server::start(move |request, number| match number {
            0 => {
                let mut first = page(&["a"], Some("marker=a"));
                first["backups_links"][0]["rel"] = json!(rel);
                request.page(&first)
            }
            _ => request.page(&page(&["b"], None)),
        })
        .await;
        let request = server.client().list_backups();
        assert!(!request.send().await.unwrap().is_last(), "{rel}");
    }
}

#[tokio::test]
async fn a_thousand_empty_pages_are_an_error() {
    for concurrency in [1, 4] {
        let server = Server::start(|request, number| match number {
            0 => request.page(&page(&["a"], Some("marker=a"))),
            _ => request.page(&page(&[], Some(&format!("marker=m-{number}")))),
        })
        .await;
        let pages: Vec<_> = server.client().list_backups().concurrency(concurrency).pages().collect().await;
        let error = pages.last().unwrap().as_ref().unwrap_err();
        assert!(matches!(error, Error::Pagination { .. }), "{error:?}");
        assert!(error.to_string().contains("the last 1000 pages were empty"), "{error}");
        assert!(server.requests().len() <= 1001 + concurrency, "{}", server.requests().len());
        assert_eq!(pages.len(), 1002);
        assert_eq!(ids(pages[0].as_ref().unwrap()), ["a"]);
    }
    // One fewer, and a row after it: a right list.
    let server = Server::start(|request, number| match number {
        0..999 => request.page(&page(&[], Some(&format!("marker=m-{number}")))),
        _ => request.page(&page(&["a"], None)),
    })
    .await;
    assert_eq!(list_ids(&server.client().list_backups()).await, ["a"]);
}
