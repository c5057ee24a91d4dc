//! Pages that are fetched before they are awaited: the same list, sooner, and no retry storm.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use tokio::time::{Instant, sleep};
use vbs_client::mock::{Cinder, Row, rows};
use vbs_client::{Error, Microversion};

use crate::support::server::Server;
use crate::support::{ids, list_ids, page, row_ids};

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn is_nightly(row: &Row) -> bool {
    vbs_client::Backup::from(row.clone()).name.is_some_and(|name| name.contains("night"))
}

#[tokio::test(start_paused = true)]
async fn the_list_is_the_same_at_any_concurrency() {
    let rows = rows(107);
    for concurrency in [1, 2, 3, 4, 8, 40] {
        for limit in [1, 2, 3, 10, 53, 106, 107, 108, 1000] {
            let server = Server::slow_model(rows.clone(), ms(10)).await;
            let request = server.client().list_backups().limit(limit).concurrency(concurrency);
            assert_eq!(list_ids(&request).await, row_ids(&rows), "concurrency {concurrency}, limit {limit}");
            assert!(server.max_in_flight() <= concurrency, "{} of {concurrency}", server.max_in_flight());
            if limit == 10 && concurrency < 13 {
                assert_eq!(server.max_in_flight(), concurrency);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_callers_offset_and_marker_are_kept() {
    let rows = rows(100);
    let expected = row_ids(&rows);
    for (marker, offset) in
        [(None, 0), (None, 33), (Some(12), 0), (Some(12), 33), (Some(99), 0), (None, 100), (None, 99)]
    {
        let server = Server::slow_model(rows.clone(), ms(10)).await;
        let mut request = server.client().list_backups().limit(10).offset(offset).concurrency(4);
        if let Some(marker) = marker {
            request = request.marker(&expected[marker]);
        }
        let from = marker.map_or(0, |marker| marker + 1) + offset as usize;
        assert_eq!(list_ids(&request).await, expected[from..], "{marker:?}, {offset}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_page_keeps_filters_count_and_microversion() {
    let rows = rows(200);
    let server = Server::slow_model(rows.clone(), ms(10)).await;
    let request = server.client().list_backups().limit(10).name_like("NIGHT").with_count(true).concurrency(4);
    let expected: Vec<_> = rows.into_iter().filter(is_nightly).collect();
    let pages: Vec<_> = request.pages().try_collect().await.unwrap();
    assert!(pages.iter().all(|page| page.count == Some(expected.len() as u64)));
    assert!(pages.iter().all(|page| page.microversion() == Some(Microversion::new(3, 45))));
    assert_eq!(pages.iter().flat_map(ids).collect::<Vec<_>>(), row_ids(&expected));
    let requests = server.requests();
    assert!(requests.iter().all(|request| request.get("name~") == Some("NIGHT")));
    assert_eq!(requests.iter().filter(|request| request.get("with_count").is_some()).count(), 1);
}

/// Until a row is known, offsets are counted from the caller's own.
#[tokio::test(start_paused = true)]
async fn early_pages_are_counted_from_the_callers_offset() {
    let rows = rows(100);
    let server = Server::slow_model(rows.clone(), ms(10)).await;
    let request = server.client().list_backups().limit(10).marker(rows[4].id()).offset(20).concurrency(4);
    assert_eq!(list_ids(&request).await, row_ids(&rows[25..]));
    let requests = &server.requests()[..4];
    let offsets: Vec<_> = requests.iter().map(|request| request.get("offset").unwrap()).collect();
    assert_eq!(offsets, ["20", "29", "38", "47"]);
    assert!(requests.iter().all(|request| request.get("marker") == Some(rows[4].id())));
}

/// Each page starts with the last row of the page before it, which is yielded once.
#[tokio::test(start_paused = true)]
async fn adjacent_pages_overlap_by_one_row() {
    let rows = rows(50);
    let expected = row_ids(&rows);
    let server = Server::slow_model(rows, ms(10)).await;
    let pages: Vec<_> = server.client().list_backups().limit(10).concurrency(3).pages().try_collect().await.unwrap();
    assert_eq!(pages.iter().map(|page| page.backups.len()).collect::<Vec<_>>(), [10, 9, 9, 9, 9, 4]);
    assert_eq!(pages[1].backups[0].id, expected[10]);
    assert_eq!(pages[1].next_marker(), Some(expected[18].as_str()), "the next page can start there");
    let requests = server.requests();
    let offsets: Vec<_> = requests.iter().take(3).map(|request| request.get("offset")).collect();
    assert_eq!(offsets, [None, Some("9"), Some("18")]);
    // Once a row is known, offsets are counted from there: rows created at the top shift nothing.
    assert!(requests[3..].iter().all(|request| request.get("marker").is_some()), "{requests:?}");
    assert!(requests.len() <= 6 + 2, "at most two empty pages past the end");
}

#[tokio::test(start_paused = true)]
async fn few_empty_pages_are_requested_past_the_end() {
    for total in [1, 9, 10, 11, 95, 100] {
        for concurrency in [2, 4, 7] {
            let rows = rows(total);
            let server = Server::slow_model(rows.clone(), ms(10)).await;
            let request = server.client().list_backups().limit(10).concurrency(concurrency);
            let pages: Vec<_> = request.pages().try_collect().await.unwrap();
            assert_eq!(pages.iter().flat_map(ids).collect::<Vec<_>>(), row_ids(&rows));
            let requests = server.requests().len();
            assert!(requests < pages.len() + concurrency, "{requests} for {} pages", pages.len());
        }
    }
}

/// The model's maximum is 1,000 rows to a page. These are small: while the kernel waits with the rest of a page that is
/// larger than a socket's buffer, the paused clock jumps to the deadline.
#[tokio::test(start_paused = true)]
async fn no_request_is_wasted_at_the_usual_maximum_page_size() {
    let rows: Vec<_> = (0..6500).map(|id: u32| Row::new(id.to_string())).collect();
    // A limit within the maximum is the size of all pages: two empty ones past the end are requested.
    for (limit, requests) in [(None, 7), (Some(999), 7 + 2), (Some(1001), 7), (Some(5000), 7)] {
        let all = rows.clone();
        let server = Server::start(move |request, _| {
            let (status, mut body) = request.modelled(&all);
            for row in body["backups"].as_array_mut().unwrap() {
                row.as_object_mut().unwrap().remove("links");
            }
            request.reply(status, body.to_string()).after(ms(10))
        })
        .await;
        let mut request = server.client().list_backups().concurrency(3);
        if let Some(limit) = limit {
            request = request.limit(limit);
        }
        let start = Instant::now();
        assert_eq!(list_ids(&request).await, row_ids(&rows));
        assert_eq!(server.max_in_flight(), 3);
        assert_eq!(server.requests().len(), requests, "{limit:?}");
        assert!(start.elapsed() <= ms(10 + 30 + 5), "{:?}", start.elapsed());
    }
}

/// Where the service's maximum is below the limit, the first page reveals it.
#[tokio::test(start_paused = true)]
async fn a_lower_maximum_page_size_is_detected() {
    let rows = rows(107);
    for limit in [None, Some(11), Some(50), Some(5000)] {
        let all = rows.clone();
        let server = Server::start(move |request, _| request.with_maximum(10).model(&all).after(ms(10))).await;
        let mut request = server.client().list_backups().concurrency(4);
        if let Some(limit) = limit {
            request = request.limit(limit);
        }
        let start = Instant::now();
        assert_eq!(list_ids(&request).await, row_ids(&rows));
        // 12 pages with the overlaps, 4 of them in flight from the second one on.
        assert!(start.elapsed() <= ms(10 + 30 + 5), "{limit:?}: {:?}", start.elapsed());
        assert!(server.requests().len() <= 12 + 3 + 3, "{limit:?}: {}", server.requests().len());
    }
}

/// One page after another takes the sum of their times.
#[tokio::test(start_paused = true)]
async fn concurrent_pages_take_less_time() {
    let rows = rows(1000);
    let mut times = Vec::new();
    for concurrency in [1, 8] {
        let server = Server::slow_model(rows.clone(), ms(1000)).await;
        let start = Instant::now();
        assert_eq!(list_ids(&server.client().list_backups().limit(50).concurrency(concurrency)).await.len(), 1000);
        times.push(start.elapsed().as_secs());
    }
    // 21 pages by marker, the last of them empty; 3 times 8 with overlaps.
    assert_eq!(times, [21, 3]);
}

/// The pages in memory include the caller's.
#[tokio::test(start_paused = true)]
async fn no_more_pages_are_in_memory_than_the_concurrency() {
    for (concurrency, pages) in [(1, 2), (2, 2), (3, 3), (5, 5)] {
        let server = Server::slow_model(rows(500), ms(10)).await;
        let mut items = server.client().list_backups().limit(10).concurrency(concurrency).items();
        for row in 0..10 {
            items.try_next().await.unwrap().unwrap();
            sleep(Duration::from_secs(1)).await;
            assert_eq!(server.requests().len(), pages, "concurrency {concurrency}, row {row}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_page_is_prefetched() {
    let server = Server::slow_model(rows(30), ms(10)).await;
    let request = server.client().list_backups().limit(10);
    let mut pages = request.pages();
    pages.try_next().await.unwrap().unwrap();
    // Nothing polls the stream here.
    server.received(2).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(server.requests().len(), 2, "one page is read ahead, not more");
    let start = Instant::now();
    pages.try_next().await.unwrap().unwrap();
    assert!(start.elapsed() < ms(10), "it was there already");

    let server = Server::slow_model(rows(30), ms(10)).await;
    let mut pages = server.client().list_backups().limit(10).prefetch(false).pages();
    pages.try_next().await.unwrap().unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(server.requests().len(), 1);
    assert_eq!(pages.try_collect::<Vec<_>>().await.unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_stream_cancels_requests_in_flight() {
    for concurrency in [1, 4] {
        let rows = rows(500);
        let delay = |number| ms(if number == 0 { 1000 } else { 5000 });
        let server = Server::start(move |request, number| request.model(&rows).after(delay(number))).await;
        let mut pages = server.client().list_backups().limit(10).concurrency(concurrency).pages();
        pages.try_next().await.unwrap().unwrap();
        server.received(concurrency.max(2)).await;
        assert_eq!(server.in_flight(), concurrency.max(2) - 1);
        let requests = server.requests().len();
        drop(pages);
        sleep(ms(100)).await;
        assert_eq!(server.in_flight(), 0, "the server saw the connections close");
        sleep(Duration::from_secs(10)).await;
        assert_eq!(server.requests().len(), requests);
    }
    // Also in the middle of waiting for a page.
    let server = Server::slow_model(rows(500), ms(1000)).await;
    let request = server.client().list_backups().limit(10).concurrency(4);
    tokio::select! {
        _ = request.items().try_collect::<Vec<_>>() => panic!("too soon"),
        () = sleep(ms(1500)) => {}
    }
    sleep(ms(100)).await;
    assert_eq!((server.in_flight(), server.requests().len()), (0, 8));
}

#[tokio::test(start_paused = true)]
async fn the_last_page_cancels_requests_past_the_end() {
    let rows = rows(10);
    let delay = |number| ms(if number == 0 { 10 } else { 50_000 });
    let server = Server::start(move |request, number| request.model(&rows).after(delay(number))).await;
    let mut pages = server.client().list_backups().limit(50).concurrency(4).pages();
    assert!(pages.try_next().await.unwrap().unwrap().is_last());
    assert_eq!(server.in_flight(), 3);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(server.in_flight(), 0);
    assert!(pages.next().await.is_none());
}

/// A program that is not async itself may poll with a runtime of its own for every page.
#[test]
fn a_page_lost_with_its_runtime_is_fetched_again() {
    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    }
    let cinder = runtime().block_on(Cinder::start(rows(50)));
    for concurrency in [1, 3] {
        let mut pages = cinder.client().list_backups().limit(10).concurrency(concurrency).pages();
        let mut got = Vec::new();
        while let Some(page) = runtime().block_on(pages.try_next()).unwrap() {
            got.extend(page.into_iter().map(|backup| backup.id));
        }
        assert_eq!(got, row_ids(&rows(50)));
    }
}

/// The cycle is the same whatever the offset.
#[tokio::test]
async fn cyclic_links_are_an_error_at_any_concurrency() {
    for (period, concurrency) in [(1, 2), (2, 3), (7, 4)] {
        let server = Server::start(move |request, _| {
            let here: usize =
                request.get("marker").map_or(0, |marker| marker.trim_start_matches("row-").parse().unwrap());
            let next = (here + 1) % period;
            let ids = [format!("{here}-{next}"), format!("row-{next}")];
            request.page(&page(&[&ids[0], &ids[1]], Some(&format!("marker=row-{next}"))))
        })
        .await;
        let request = server.client().list_backups().limit(2).concurrency(concurrency);
        let pages: Vec<_> = request.pages().collect().await;
        assert!(matches!(pages.last(), Some(Err(Error::Pagination { .. }))), "{pages:?}");
        assert!(pages.len() <= period + 1, "{}", pages.len());
        let rows: Vec<_> = pages.iter().flatten().flat_map(ids).collect();
        assert_eq!(rows.iter().collect::<HashSet<_>>().len(), rows.len(), "{rows:?}");
    }
}

/// Each page fails in turn, before any other page arrives.
#[tokio::test(start_paused = true)]
async fn an_error_follows_the_rows_before_it() {
    let rows = rows(95);
    let expected = row_ids(&rows);
    for concurrency in [1, 2, 4, 20] {
        for fails in 0..10_usize {
            let rows = rows.clone();
            // Chosen by its start, so that the same page fails at any concurrency.
            let server = Server::start(move |request, _| {
                let marker = request.get("marker").and_then(|marker| rows.iter().position(|row| row.id() == marker));
                let offset = request.get("offset").map_or(0, |offset| offset.parse().unwrap());
                let start = marker.map_or(0, |marker| marker + 1) + offset as usize;
                match (start..start + 10).contains(&(fails * 9)) {
                    true => request.reply(500, "").after(ms(1)),
                    false => request.model(&rows).after(ms(50)),
                }
            })
            .await;
            let mut items = server.client().list_backups().limit(10).concurrency(concurrency).items();
            let mut got = Vec::new();
            let error = loop {
                match items.try_next().await {
                    Ok(row) => got.push(row.expect("an error, not an end").id),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.status().unwrap().as_u16(), 500);
            assert_eq!(got, expected[..got.len()], "concurrency {concurrency}, page {fails}");
            assert!(got.len() + 10 > fails * 9, "concurrency {concurrency}, page {fails}: only {}", got.len());
            assert!(items.next().await.is_none());
            sleep(Duration::from_secs(1)).await;
            assert_eq!(server.in_flight(), 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_past_the_end_is_ignored() {
    let rows = rows(25);
    let expected = row_ids(&rows);
    let server = Server::start(move |request, number| match number {
        0..=2 => request.model(&rows).after(ms(5)),
        _ => request.reply(500, "").after(ms(5)),
    })
    .await;
    assert_eq!(list_ids(&server.client().list_backups().limit(10).concurrency(6)).await, expected);
}

/// The service refuses more requests in flight than its limit.
#[tokio::test(start_paused = true)]
async fn a_rate_limit_reduces_concurrency_without_a_retry_storm() {
    let rows = rows(1000);
    for (limit, headers) in [(1, ""), (2, ""), (3, "Retry-After: 2\r\n")] {
        let all = rows.clone();
        let server = Server::start(move |request, _| match request.in_flight > limit {
            true => request.reply_with(429, headers, "").after(ms(10)),
            false => request.model(&all).after(ms(10)),
        })
        .await;
        let client = server.retrying_client();
        assert_eq!(list_ids(&client.list_backups().limit(10).concurrency(8)).await, row_ids(&rows));
        let requests = server.requests();
        let refused = requests.iter().filter(|request| request.in_flight > limit).count();
        // 112 pages: each refused page was refused once, in few rounds.
        assert!(refused >= 8 - limit, "{refused}");
        assert!(requests.len() <= 112 + 7 + refused, "{} of which {refused} were refused", requests.len());
        assert!(refused <= 7 + 8, "{refused} were refused");
    }
}

#[tokio::test(start_paused = true)]
async fn concurrency_recovers_after_a_rate_limit() {
    let rows = rows(1000);
    let server = Server::start(move |request, number| match number {
        2 => request.reply(429, "").after(ms(10)),
        _ => request.model(&rows).after(ms(10)),
    })
    .await;
    let client = server.retrying_client();
    assert_eq!(list_ids(&client.list_backups().limit(10).concurrency(4)).await.len(), 1000);
    let in_flight: Vec<_> = server.requests().iter().map(|request| request.in_flight).collect();
    assert!(in_flight[4..8].iter().all(|number| *number <= 2), "{in_flight:?}");
    assert!(in_flight[20..].contains(&4), "{in_flight:?}");
}

/// The pages at an offset never follow the page before them.
#[tokio::test(start_paused = true)]
async fn little_is_read_ahead_where_pages_never_overlap() {
    let rows = rows(1000);
    let mut others = rows.clone();
    others.reverse();
    let expected = row_ids(&rows);
    let server = Server::start(move |request, _| {
        let rows = if request.get("offset").is_some() { &others } else { &rows };
        request.model(rows).after(ms(10))
    })
    .await;
    assert_eq!(list_ids(&server.client().list_backups().limit(10).concurrency(8)).await, expected);
    let requests = server.requests().len();
    assert!(requests <= 101 + 60, "{requests} requests for 101 pages");
}

/// If the service is down, the awaited page is retried by the policy, the pages after it are requested once.
#[tokio::test(start_paused = true)]
async fn only_the_awaited_page_is_retried() {
    let rows = rows(1000);
    let server = Server::start(move |request, number| match number {
        0 => request.model(&rows).after(ms(10)),
        _ => request.reply(503, "").after(ms(10)),
    })
    .await;
    let client = server.retrying_client();
    let results: Vec<_> = client.list_backups().limit(10).concurrency(8).pages().collect().await;
    assert!(matches!(&results[..], [Ok(_), Err(error)] if error.attempts() == 4), "{results:?}");
    assert_eq!(server.requests().len(), 8 + 3, "eight, and one of them retried three times");
}

/// A page's deadline starts when the page is awaited.
#[tokio::test(start_paused = true)]
async fn time_before_a_page_is_awaited_does_not_count_towards_its_deadline() {
    let rows = rows(30);
    let server = Server::start(move |request, number| match number {
        0 => request.model(&rows).after(ms(9000)),
        1 => request.reply(503, "").after(ms(2000)),
        _ => request.model(&rows).after(ms(2000)),
    })
    .await;
    let client = server.retrying_builder().page_deadline(Duration::from_secs(10)).build().unwrap();
    let mut pages = client.list_backups().limit(10).concurrency(2).pages();
    pages.try_next().await.unwrap().unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(pages.try_collect::<Vec<_>>().await.unwrap().iter().map(|page| page.backups.len()).sum::<usize>(), 20);
}

#[tokio::test]
async fn an_invalid_concurrency_is_an_error() {
    let client = Server::fixed(200, "{}").await.client();
    for (request, number) in
        [(client.list_backups().concurrency(0), 0), (client.list_backups().concurrency(1001), 1001)]
    {
        for error in [request.items().try_collect::<Vec<_>>().await.unwrap_err(), request.send().await.unwrap_err()] {
            assert!(
                matches!(&error, Error::InvalidRequest { parameter, .. } if parameter == "concurrency"),
                "{number}: {error:?}"
            );
        }
    }
}

/// What can happen to the list between two reads of it.
#[derive(Clone, Copy, Debug)]
enum Change {
    Insert,
    Delete,
    /// It no longer fits the filter.
    Leave,
    /// The page's worth of rows from here on.
    DeleteMany,
}

/// The service's rows: `before` for the next `reads` responses, then `now`.
#[derive(Clone, Default)]
struct Plan {
    before: Vec<Row>,
    now: Vec<Row>,
    reads: usize,
}

/// Every change, at every row, before every read, at several concurrencies.
#[tokio::test(start_paused = true)]
async fn one_change_at_any_row_and_time_keeps_the_list_right() {
    const ROWS: usize = 14;
    for change in [Change::Insert, Change::Delete, Change::Leave, Change::DeleteMany] {
        let plan: Arc<Mutex<Plan>> = Arc::default();
        let shared = Arc::clone(&plan);
        // Of two pages in flight, the later one is read first.
        let server = Server::changing_model(
            |number| ms(if number % 2 == 0 { 20 } else { 10 }),
            move |_, _| {
                let mut plan = shared.lock().unwrap();
                let rows = if plan.reads > 0 { &plan.before } else { &plan.now }.clone();
                plan.reads = plan.reads.saturating_sub(1);
                rows
            },
        )
        .await;
        let request = server.client().list_backups().name_like("night").limit(3);
        let mut discarded = 0;
        for concurrency in [1, 2, 3, 5] {
            let request = request.clone().concurrency(concurrency);
            for row in 0..ROWS {
                for reads in 1..8 {
                    let (changed, stayed) = changed(change, row, ROWS);
                    *plan.lock().unwrap() = Plan { reads, ..changed };
                    let before = server.requests().len();
                    let got = list_ids(&request).await;
                    let context =
                        format!("concurrency {concurrency}, {change:?} of row {row} after read {reads}: {got:?}");
                    assert_eq!(got.iter().collect::<HashSet<_>>().len(), got.len(), "{context}");
                    let of_them: Vec<_> = got.into_iter().filter(|id| stayed.contains(id)).collect();
                    assert_eq!(of_them, stayed, "{context}");
                    // Cancelled requests may still arrive.
                    sleep(Duration::from_secs(1)).await;
                    let requests = &server.requests()[before..];
                    if concurrency == 1 {
                        continue;
                    }
                    // Requests without an offset: the first one, and those that go on by marker.
                    discarded += requests[1..].iter().filter(|request| request.get("offset").is_none()).count();
                }
            }
        }
        assert!(discarded > 0, "{change:?}");
    }
}

/// `number` rows after a change, and the ids of those that exist and fit the filter throughout.
fn changed(change: Change, row: usize, number: usize) -> (Plan, Vec<String>) {
    let before: Vec<_> = rows(number).into_iter().map(|row| row.name("nightly")).collect();
    let mut now = before.clone();
    let gone = match change {
        Change::Insert => {
            now.insert(row, Row::new("new").name("nightly"));
            0..0
        }
        Change::Leave => {
            now[row] = Row::new(before[row].id()).name("day");
            row..row + 1
        }
        Change::Delete => row..row + 1,
        Change::DeleteMany => row..(row + 2).min(number),
    };
    if !matches!(change, Change::Leave) {
        let gone = row_ids(&before[gone.clone()]);
        now.retain(|row| !gone.iter().any(|gone| gone == row.id()));
    }
    let stayed = [&before[..gone.start], &before[gone.end..]].concat();
    (Plan { before, now, reads: 0 }, row_ids(&stayed))
}

/// Also the row that the page shares with the page before it.
#[tokio::test(start_paused = true)]
async fn a_page_read_ahead_whose_rows_are_all_deleted_is_recovered() {
    let before = rows(30);
    let ids = row_ids(&before);
    let world = Arc::new(Mutex::new(before));
    let shared = Arc::clone(&world);
    let server = Server::changing_model(|_| ms(10), move |_, _| shared.lock().unwrap().clone()).await;
    let mut pages = server.client().list_backups().limit(5).concurrency(2).pages();
    let mut got = Vec::new();
    // The second page has rows 4 to 8, the first of which it shares with the first page.
    for _ in 0..2 {
        got.extend(pages.try_next().await.unwrap().unwrap().into_iter().map(|backup| backup.id));
    }
    assert_eq!(got, ids[..9]);
    world.lock().unwrap().retain(|row| !ids[4..9].iter().any(|gone| gone == row.id()));
    let rest: Vec<_> = pages.try_collect().await.unwrap();
    got.extend(rest.into_iter().flatten().map(|backup| backup.id));
    assert_eq!(got, ids);
}

/// Read-ahead costs more requests; the list is the same.
#[tokio::test(start_paused = true)]
async fn a_constantly_changing_list_is_right() {
    let world = Arc::new(Mutex::new(rows(200)));
    let before = row_ids(&world.lock().unwrap());
    let shared = Arc::clone(&world);
    // Every other row is deleted, one before each read, from the end.
    let server = Server::changing_model(
        |number| ms([30, 10, 20][number % 3]),
        move |_, response| {
            let mut rows = shared.lock().unwrap();
            let at = 199_usize.saturating_sub(response * 2);
            if at < rows.len() && at % 2 == 1 {
                rows.remove(at);
            }
            rows.clone()
        },
    )
    .await;
    let got = list_ids(&server.client().list_backups().limit(5).concurrency(6)).await;
    let stayed = row_ids(&world.lock().unwrap());
    assert_eq!(got.iter().filter(|id| stayed.contains(id)).cloned().collect::<Vec<_>>(), stayed);
    assert_eq!(got.iter().collect::<HashSet<_>>().len(), got.len());
    assert!(got.iter().all(|id| before.contains(id)));
}
