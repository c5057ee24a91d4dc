//! Pagination: all rows once, in order, whatever the links say.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use vbs_client::mock::{Cinder, rows};
use vbs_client::{Cursor, Error, Microversion};

use crate::support::server::{Request, Server};
use crate::support::{PROJECT_ID, ids, list_ids, page, row_ids};

fn markers(requests: &[Arc<Request>]) -> Vec<Option<&str>> {
    requests.iter().map(|request| request.get("marker")).collect()
}

#[tokio::test]
async fn every_row_comes_once_at_any_page_size() {
    let rows = rows(107);
    let expected = row_ids(&rows);
    for (limit, pages) in [(1, 108), (10, 11), (50, 3), (106, 2), (107, 2), (108, 1), (1000, 1)] {
        let cinder = Cinder::start(rows.clone()).await;
        assert_eq!(list_ids(&cinder.client().list_backups().limit(limit)).await, expected, "limit {limit}");
        assert_eq!(cinder.requests().len(), pages, "limit {limit}");
    }
}

/// The server's links repeat the offset, and it would be applied again on every page.
#[tokio::test]
async fn an_offset_is_applied_once() {
    let rows = rows(107);
    let cinder = Cinder::start(rows.clone()).await;
    let got = list_ids(&cinder.client().list_backups().limit(10).offset(30)).await;
    assert_eq!(got, row_ids(&rows[30..]));
    let requests = cinder.requests();
    assert_eq!(requests[0].parameter("offset"), Some("30"));
    let by_marker = requests[1..].iter().map(|request| (request.parameter("offset"), request.parameter("marker")));
    assert!(by_marker.into_iter().all(|(offset, marker)| offset.is_none() && marker.is_some()), "{requests:?}");
}

#[tokio::test]
async fn every_page_is_requested_with_the_callers_parameters() {
    let cinder = Cinder::start(rows(50)).await;
    let request = cinder.client().list_backups().name_like("NIGHT").status_like("e").limit(5);
    let got = list_ids(&request).await;
    assert!(got.len() > 5);
    for request in &cinder.requests()[1..] {
        let parameters = ["name~", "status~", "limit"].map(|name| request.parameter(name));
        assert_eq!(parameters, [Some("NIGHT"), Some("e"), Some("5")]);
        assert_eq!(request.microversion, Some(Microversion::new(3, 34)));
        assert_eq!(request.path, format!("/v3/{PROJECT_ID}/backups"));
    }
}

/// A link's other parameters and values are ignored.
#[tokio::test]
async fn only_the_marker_of_a_link_is_used() {
    let server = Server::start(|request, number| match number {
        0 => {
            request.page(&page(&["a"], Some("limit=9999&name=other&offset=7&status=error&all_tenants=1&marker=a%26b")))
        }
        _ => request.page(&page(&["b"], None)),
    })
    .await;
    assert_eq!(list_ids(&server.client().list_backups().name("x").limit(1)).await, ["a", "b"]);
    let pairs =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>();
    assert_eq!(server.requests()[1].pairs, pairs(&[("limit", "1"), ("marker", "a&b"), ("name", "x")]));
}

#[tokio::test]
async fn pagination_starts_at_the_callers_marker() {
    let rows = rows(20);
    let cinder = Cinder::start(rows.clone()).await;
    let got = list_ids(&cinder.client().list_backups().limit(5).marker(rows[6].id()).offset(2)).await;
    assert_eq!(got, row_ids(&rows[9..]));
    assert_eq!(cinder.requests()[0].parameter("offset"), Some("2"));
    assert_eq!(cinder.requests()[1].parameter("offset"), None);
}

#[tokio::test]
async fn without_a_marker_the_links_offset_is_used() {
    let server = Server::start(|request, _| match request.get("offset") {
        None => request.page(&page(&["a", "b"], Some("limit=2&offset=2"))),
        Some("2") => request.page(&page(&["c", "d"], Some("limit=2&offset=4"))),
        Some("4") => request.page(&page(&["e"], None)),
        other => panic!("{other:?}"),
    })
    .await;
    let request = server.client().list_backups().limit(2);
    assert_eq!(list_ids(&request).await, ["a", "b", "c", "d", "e"]);
    let first = request.send().await.unwrap();
    assert_eq!(
        (first.next_marker(), first.cursor().unwrap().to_string(), first.is_last()),
        (None, "offset:2".to_owned(), false)
    );
}

#[tokio::test]
async fn an_empty_page_in_the_middle_is_not_the_end() {
    let server = Server::start(|request, number| match number {
        0 => request.page(&page(&["a"], Some("marker=a"))),
        1 => request.page(&page(&[], Some("marker=b"))),
        2 => request.page(&page(&[], Some("marker=c"))),
        _ => request.page(&page(&["d"], None)),
    })
    .await;
    assert_eq!(list_ids(&server.client().list_backups()).await, ["a", "d"]);
}

/// With it, the server counts for every page, and adds an empty page at the end.
#[tokio::test]
async fn the_count_is_requested_once_and_set_on_every_page() {
    let cinder = Cinder::start(rows(30)).await;
    let request = cinder.client().list_backups().limit(10).with_count(true);
    let pages: Vec<_> = request.pages().try_collect().await.unwrap();
    assert_eq!(pages.iter().map(|page| page.count).collect::<Vec<_>>(), [Some(30); 4]);
    assert_eq!(pages.iter().map(|page| page.backups.len()).collect::<Vec<_>>(), [10, 10, 10, 0]);
    let requests = cinder.requests();
    let with_count: Vec<_> = requests.iter().map(|request| request.parameter("with_count")).collect();
    assert_eq!(with_count, [Some("true"), None, None, None]);
}

#[tokio::test]
async fn count_is_one_request_with_a_limit_of_zero() {
    let cinder = Cinder::start(rows(100)).await;
    let request = cinder.client().list_backups().name_like("nightly");
    let listed = list_ids(&request).await.len() as u64;
    let before = cinder.requests().len();
    assert_eq!(request.clone().limit(3).offset(5).marker("gone").count().await.unwrap(), listed);
    let requests = cinder.requests();
    assert_eq!(requests.len(), before + 1);
    let parameters = ["limit", "with_count", "offset", "marker"].map(|name| requests[before].parameter(name));
    assert_eq!(parameters, [Some("0"), Some("true"), None, None]);
}

/// Cycles of any length, with any number of pages before them.
#[tokio::test]
async fn cyclic_links_are_an_error() {
    for (lead, period) in [(0, 1), (0, 2), (0, 7), (3, 1), (3, 2), (3, 7), (0, 40)] {
        let server = Server::start(move |request, number| {
            let place = if number < lead { number } else { lead + (number - lead) % period };
            request.page(&page(&[&format!("row-{place}")], Some(&format!("marker=row-{place}"))))
        })
        .await;
        let mut items = server.client().list_backups().items();
        let mut rows = Vec::new();
        let error = loop {
            match items.try_next().await {
                Ok(row) => rows.push(row.expect("an error, not an end").id),
                Err(error) => break error,
            }
            assert!(rows.len() <= lead + period, "rows come again: {rows:?}");
        };
        assert!(matches!(error, Error::Pagination { .. }), "{error:?}");
        assert_eq!(error.request_id(), Some("req-1"));
        assert!(items.next().await.is_none(), "an error ends the stream");
        let once: Vec<_> = (0..lead + period).map(|row| format!("row-{row}")).collect();
        assert_eq!(rows, once, "lead {lead}, period {period}: every row once");
        // This service returns a page for each link: only its rows show the cycle.
        assert_eq!(server.requests().len(), lead + period + 1, "lead {lead}, period {period}");
    }
}

/// A link that was followed before is an error before its page is requested.
#[tokio::test]
async fn a_link_back_to_an_earlier_page_yields_no_row_twice() {
    for (back_to, concurrency) in [(2, 1), (2, 3), (5, 1), (11, 1)] {
        let server = Server::start(move |request, _| {
            let here: usize = request.get("marker").map_or(1, |marker| marker["page-".len()..].parse().unwrap());
            let next = if here == 11 { back_to } else { here + 1 };
            let ids: Vec<_> = (0..3).map(|row| format!("row-{here}-{row}")).collect();
            let ids: Vec<_> = ids.iter().map(String::as_str).collect();
            request.page(&page(&ids, Some(&format!("marker=page-{next}"))))
        })
        .await;
        let mut items = server.client().list_backups().limit(3).concurrency(concurrency).items();
        let mut rows = Vec::new();
        let error = loop {
            match items.try_next().await {
                Ok(row) => rows.push(row.expect("an error, not an end").id),
                Err(error) => break error,
            }
        };
        assert!(error.to_string().contains("the next links form a cycle"), "{error}");
        let once: Vec<_> = (1..=11).flat_map(|page| (0..3).map(move |row| format!("row-{page}-{row}"))).collect();
        assert_eq!(rows, once, "back to page {back_to}, concurrency {concurrency}");
        assert!(concurrency > 1 || server.requests().len() == 11, "{}", server.requests().len());
    }
}

/// With the marker of the link before, an offset from the start of the list would skip rows.
#[tokio::test]
async fn an_offset_after_a_marker_is_an_error() {
    let server = Server::start(|request, _| {
        let offset = request.get("offset").map_or(0, |offset| offset.parse().unwrap());
        let start = request.get("marker").map_or(0, |marker: &str| marker[1..].parse::<usize>().unwrap() + 1) + offset;
        let ids: Vec<_> = (start..12).take(2).map(|row| format!("r{row}")).collect();
        let ids: Vec<_> = ids.iter().map(String::as_str).collect();
        let next = match start {
            0 => "marker=r1".to_owned(),
            _ => format!("offset={}", start + 2),
        };
        request.page(&page(&ids, (start + 2 < 12).then_some(next.as_str())))
    })
    .await;
    let client = server.client();
    for concurrency in [1, 3] {
        // Also where the listing is resumed at the marker.
        for (request, expected) in [
            (client.list_backups().limit(2), ["r0", "r1", "r2", "r3"].as_slice()),
            (client.list_backups().limit(2).resume_at(Cursor::after("r1")), &["r2", "r3"]),
        ] {
            let mut items = request.concurrency(concurrency).items();
            let mut rows = Vec::new();
            let error = loop {
                match items.try_next().await {
                    Ok(row) => rows.push(row.expect("an error, not an end").id),
                    Err(error) => break error,
                }
            };
            assert!(error.to_string().contains("an offset that does not count from the marker"), "{error}");
            // Read ahead, the first page with such a link may be an earlier one.
            let rows_expected = if concurrency == 1 { expected.len() } else { rows.len() };
            assert_eq!(rows, expected[..rows_expected]);
        }
    }
}

#[tokio::test]
async fn a_link_to_the_page_itself_is_an_error_before_a_row_repeats() {
    let server = Server::start(|request, _| request.page(&page(&["b"], Some("marker=a")))).await;
    let request = server.client().list_backups().marker("a");
    let pages: Vec<_> = request.pages().collect().await;
    assert!(matches!(&pages[..], [Ok(_), Err(Error::Pagination { .. })]), "{pages:?}");
    assert_eq!(server.requests().len(), 1);
    // A program that fetches page by page would follow it for ever.
    let sent = request.send().await;
    assert!(matches!(sent, Err(Error::Pagination { .. })), "{sent:?}");
}

/// The rows of the page are right: pagination yields them before the error.
#[tokio::test]
async fn a_link_without_a_usable_cursor_is_an_error_after_its_page() {
    let long = format!("marker={}", "m".repeat(1000));
    for link in ["", "limit=1", "marker=", "offset=x", "marker=%00", &long] {
        let body = page(&["a"], Some(link));
        let server = Server::start(move |request, _| request.page(&body)).await;
        let request = server.client().list_backups();
        let listed: Vec<_> = request.pages().collect().await;
        assert!(
            matches!(&listed[..], [Ok(page), Err(Error::Pagination { .. })] if ids(page) == ["a"]),
            "{link}: {listed:?}"
        );
        // A single page with such a link is an error: it must not look like the last page.
        let sent = request.send().await;
        assert!(matches!(sent, Err(Error::Pagination { .. })), "{link}: {sent:?}");
        assert_eq!(server.requests().len(), 2, "{link}");
    }
}

#[tokio::test]
async fn a_marker_that_overfills_the_query_is_an_error() {
    let server = Server::start(|request, number| match number {
        0 => request.page(&page(&["a"], Some("marker=b3cf7a16-decc-4beb-8077-682737d94a58"))),
        1 => request.page(&page(&["b"], Some(&format!("marker={}", "m".repeat(200))))),
        _ => request.page(&page(&[], None)),
    })
    .await;
    let wide = "\u{20ac}".repeat(99);
    let request = server.client().list_backups().name(&wide).volume_id(&wide);
    let pages: Vec<_> = request.pages().collect().await;
    assert!(matches!(&pages[..], [Ok(_), Ok(_), Err(Error::Pagination { .. })]), "{pages:?}");
    assert!(server.requests()[1].query.len() > 1800, "an id fits");
    assert!(server.requests().iter().all(|request| request.query.len() <= 1900));
}

#[tokio::test]
async fn an_error_follows_the_rows_before_it_and_ends_the_stream() {
    let server = Server::start(|request, number| match number {
        0 => request.page(&page(&["a", "b"], Some("marker=b"))),
        1 => request.reply(503, ""),
        _ => request.page(&page(&["c"], None)),
    })
    .await;
    let request = server.client().list_backups();
    let mut items = request.items();
    assert_eq!(items.try_next().await.unwrap().unwrap().id, "a");
    assert_eq!(items.try_next().await.unwrap().unwrap().id, "b");
    assert!(items.try_next().await.unwrap_err().is_retryable());
    assert!(items.next().await.is_none());
    assert!(items.next().await.is_none());
    assert_eq!(server.requests().len(), 2);

    // The listing can be resumed there: no row comes twice, none is missing.
    assert_eq!(list_ids(&request.resume_at(Cursor::after("b"))).await, ["c"]);
    assert_eq!(markers(&server.requests()), [None, Some("b"), Some("b")]);
}

#[tokio::test]
async fn resuming_drops_the_offset() {
    let rows = rows(50);
    let cinder = Cinder::start(rows.clone()).await;
    let request = cinder.client().list_backups().limit(10).offset(20);
    let first = request.send().await.unwrap();
    let rest = list_ids(&request.resume_at(first.cursor().unwrap().clone())).await;
    assert_eq!(rest, row_ids(&rows[30..]));
}

#[tokio::test]
async fn no_page_is_requested_before_it_is_needed() {
    let cinder = Cinder::start(rows(100)).await;
    let request = cinder.client().list_backups().limit(10).prefetch(false);
    let rows: Vec<_> = request.items().take(10).try_collect().await.unwrap();
    assert_eq!(rows.len(), 10);
    assert_eq!(cinder.requests().len(), 1);
}

#[tokio::test]
async fn futures_and_streams_outlive_their_request() {
    fn anywhere<T: Clone + std::fmt::Debug + Send + Sync + 'static>(value: T) -> T {
        value
    }
    let cinder = Cinder::start(rows(12)).await;
    let request = anywhere(cinder.client().list_backups().limit(5));
    let page = tokio::spawn(request.send());
    let count = tokio::spawn(request.count());
    let items = tokio::spawn(request.items().try_collect::<Vec<_>>());
    drop(request);
    assert_eq!(page.await.unwrap().unwrap().backups.len(), 5);
    assert_eq!(count.await.unwrap().unwrap(), 12);
    assert_eq!(items.await.unwrap().unwrap().len(), 12);
}

/// A service that paginates by offset: a backup that is created meanwhile shifts the next page.
#[tokio::test]
async fn a_page_by_offset_that_repeats_a_backup_is_an_error() {
    let server = Server::start(|request, _| match request.get("offset") {
        None => request.page(&page(&["a", "b", "c"], Some("limit=3&offset=3"))),
        _ => request.page(&page(&["c", "d"], None)),
    })
    .await;
    let pages: Vec<_> = server.client().list_backups().limit(3).pages().collect().await;
    assert!(matches!(&pages[..], [Ok(_), Err(Error::Pagination { .. })]), "{pages:?}");
}

/// A service that paginates by offset.
#[tokio::test]
async fn an_offset_that_does_not_advance_is_an_error_before_a_row_repeats() {
    for (offset, link) in [(20, "offset=20"), (20, "offset=7"), (0, "offset=0")] {
        let body = page(&["a"], Some(link));
        let server = Server::start(move |request, _| request.page(&body)).await;
        let pages: Vec<_> = server.client().list_backups().offset(offset).pages().collect().await;
        assert!(matches!(&pages[..], [Ok(_), Err(Error::Pagination { .. })]), "{link}: {pages:?}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_full_query_can_be_resumed_at_a_marker() {
    let server = Server::fixed(200, r#"{"backups":[]}"#).await;
    let request = server.client().list_backups().name("\u{20ac}".repeat(199) + "xxxx");
    request.send().await.unwrap();
    request.resume_at(Cursor::after("b3cf7a16-decc-4beb-8077-682737d94a58")).send().await.unwrap();
    assert_eq!(server.requests()[1].query.len(), 1800 + "&marker=".len() + 36);
}
