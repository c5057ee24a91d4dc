//! Pages that are asked for before they are waited for: the same list, sooner, and never a storm.

mod common;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::timed::{Asked, Timed, Turn, after};
use common::{ids, model};
use futures::{StreamExt, TryStreamExt};
use model::Row;
use tokio::time::{Instant, sleep};
use vbs_client::{Error, ListBackups, RetryPolicy};

fn rows(number: usize) -> Vec<Row> {
    model::rows(number).split_off(2)
}

fn names(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| row.id.clone()).collect()
}

async fn all(request: &ListBackups) -> Vec<String> {
    request.items().map_ok(|backup| backup.id).try_collect().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_same_list_at_any_number_at_a_time() {
    let rows = rows(107);
    for at_a_time in [1, 2, 3, 4, 8, 40] {
        for limit in [1, 2, 3, 10, 53, 106, 107, 108, 1000] {
            let service = Timed::with(rows.clone(), 10).await;
            let request = service.client().list_backups().limit(limit).concurrency(at_a_time);
            assert_eq!(all(&request).await, names(&rows), "{at_a_time} at a time, limit {limit}");
            assert!(service.most() <= at_a_time, "{} of {at_a_time}", service.most());
            if limit == 10 && at_a_time < 13 {
                assert_eq!(service.most(), at_a_time);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_callers_offset_and_marker_hold() {
    let rows = rows(100);
    let expected = names(&rows);
    for (marker, offset) in
        [(None, 0), (None, 33), (Some(12), 0), (Some(12), 33), (Some(99), 0), (None, 100), (None, 99)]
    {
        let service = Timed::with(rows.clone(), 10).await;
        let mut request = service.client().list_backups().limit(10).offset(offset).concurrency(4);
        if let Some(marker) = marker {
            request = request.marker(&expected[marker]);
        }
        let from = marker.map_or(0, |marker| marker + 1) + offset;
        assert_eq!(all(&request).await, expected[from..], "{marker:?}, {offset}");
    }
}

#[tokio::test(start_paused = true)]
async fn filters_the_count_and_the_microversion_hold() {
    let rows = rows(200);
    let service = Timed::with(rows.clone(), 10).await;
    let request = service.client().list_backups().limit(10).name_like("NIGHT").with_count(true).concurrency(4);
    let expected: Vec<_> =
        rows.iter().filter(|row| row.name.as_ref().is_some_and(|name| name.contains("night"))).cloned().collect();
    let pages: Vec<_> = request.pages().try_collect().await.unwrap();
    assert!(pages.iter().all(|page| page.count == Some(expected.len() as u64)));
    assert!(pages.iter().all(|page| page.microversion() == Some(vbs_client::Microversion::new(3, 45))));
    assert_eq!(pages.iter().flat_map(ids).collect::<Vec<_>>(), names(&expected));
    let asked = service.asked();
    assert!(asked.iter().all(|asked| asked.get("name~").as_deref() == Some("NIGHT")));
    assert_eq!(asked.iter().filter(|asked| asked.get("with_count").is_some()).count(), 1);
}

/// Before a row is known, it is counted from where the caller's own offset leads.
#[tokio::test(start_paused = true)]
async fn the_callers_offset_is_where_counting_begins() {
    let rows = rows(100);
    let service = Timed::with(rows.clone(), 10).await;
    let request = service.client().list_backups().limit(10).marker(&rows[4].id).offset(20).concurrency(4);
    assert_eq!(all(&request).await, names(&rows[25..]));
    let asked: Vec<_> = service.asked().iter().take(4).map(|asked| asked.get("offset").unwrap()).collect();
    assert_eq!(asked, ["20", "29", "38", "47"]);
    assert!(service.asked()[..4].iter().all(|asked| asked.get("marker").as_ref() == Some(&rows[4].id)));
}

/// Each page begins with the last row of the page before it, which is given out once.
#[tokio::test(start_paused = true)]
async fn pages_overlap_by_the_row_that_proves_them() {
    let rows = rows(50);
    let expected = names(&rows);
    let service = Timed::with(rows, 10).await;
    let pages: Vec<_> = service.client().list_backups().limit(10).concurrency(3).pages().try_collect().await.unwrap();
    assert_eq!(pages.iter().map(|page| page.backups.len()).collect::<Vec<_>>(), [10, 9, 9, 9, 9, 4]);
    assert_eq!(pages[1].backups[0].id, expected[10]);
    assert_eq!(pages[1].next_marker(), Some(expected[18].as_str()), "and can be gone on from");
    let asked = service.asked();
    let offsets: Vec<_> = asked.iter().take(3).map(|asked| asked.get("offset")).collect();
    assert_eq!(offsets, [None, Some("9".to_owned()), Some("18".to_owned())]);
    // Once a row is known, it is counted from there: what is created at the top moves nothing.
    assert!(asked[3..].iter().all(|asked| asked.get("marker").is_some()), "{asked:?}");
    assert!(asked.len() <= 6 + 2, "at most two empty pages behind the end");
}

#[tokio::test(start_paused = true)]
async fn behind_the_end_there_are_only_a_few_empty_pages() {
    for total in [1, 9, 10, 11, 95, 100] {
        for at_a_time in [2, 4, 7] {
            let rows = rows(total);
            let service = Timed::with(rows.clone(), 10).await;
            let request = service.client().list_backups().limit(10).concurrency(at_a_time);
            let pages: Vec<_> = request.pages().try_collect().await.unwrap();
            assert_eq!(pages.iter().flat_map(ids).collect::<Vec<_>>(), names(&rows));
            let asked = service.asked().len();
            assert!(asked < pages.len() + at_a_time, "{asked} for {} pages", pages.len());
        }
    }
}

/// The model's maximum is 1,000 rows to a page.
#[tokio::test(start_paused = true)]
async fn the_size_of_a_page_is_what_the_service_gives() {
    let rows = rows(6500);
    for limit in [None, Some(999), Some(1001), Some(5000)] {
        let service = Timed::with(rows.clone(), 10).await;
        let mut request = service.client().list_backups().concurrency(3);
        if let Some(limit) = limit {
            request = request.limit(limit);
        }
        let start = Instant::now();
        assert_eq!(all(&request).await, names(&rows));
        assert_eq!(service.most(), 3);
        assert!(service.asked().len() <= 7 + 2, "nothing was asked for in vain: {}", service.asked().len());
        assert!(start.elapsed() <= Duration::from_millis(10 + 30 + 5), "{:?}", start.elapsed());
    }
}

/// Where the service's maximum is below the limit, the first page shows it.
#[tokio::test(start_paused = true)]
async fn the_services_own_maximum_is_found_out() {
    let rows = rows(107);
    for limit in [None, Some(11), Some(50), Some(5000)] {
        let has = rows.clone();
        let turn = |_, _: &Asked| Turn { maximum: Some(10), ..after(10) };
        let service = Timed::start(turn, move |_, _| has.clone()).await;
        let mut request = service.client().list_backups().concurrency(4);
        if let Some(limit) = limit {
            request = request.limit(limit);
        }
        let start = Instant::now();
        assert_eq!(all(&request).await, names(&rows));
        // 12 pages with the overlaps, of which 4 are under way at a time from the second one on.
        assert!(start.elapsed() <= Duration::from_millis(10 + 30 + 5), "{limit:?}: {:?}", start.elapsed());
        assert!(service.asked().len() <= 12 + 3 + 3, "{limit:?}: {}", service.asked().len());
    }
}

/// One page after the other takes the sum of their times.
#[tokio::test(start_paused = true)]
async fn pages_at_the_same_time_take_less_of_it() {
    let rows = rows(1000);
    let mut times = Vec::new();
    for at_a_time in [1, 8] {
        let service = Timed::with(rows.clone(), 1000).await;
        let start = Instant::now();
        assert_eq!(all(&service.client().list_backups().limit(50).concurrency(at_a_time)).await.len(), 1000);
        times.push(start.elapsed().as_secs());
    }
    // 21 pages by marker, the last of them empty; 3 times 8 with overlaps.
    assert_eq!(times, [21, 3]);
}

/// What is not taken is not asked for: with the page in the caller's hands, it is so many in all.
#[tokio::test(start_paused = true)]
async fn no_more_pages_are_in_memory_than_at_a_time() {
    for (at_a_time, pages) in [(1, 2), (2, 2), (3, 3), (5, 5)] {
        let service = Timed::with(rows(500), 10).await;
        let mut items = service.client().list_backups().limit(10).concurrency(at_a_time).items();
        for row in 0..10 {
            items.try_next().await.unwrap().unwrap();
            sleep(Duration::from_secs(1)).await;
            assert_eq!(service.asked().len(), pages, "{at_a_time} at a time, row {row}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_page_comes_while_the_caller_works_on_this_one() {
    let service = Timed::with(rows(30), 10).await;
    let request = service.client().list_backups().limit(10);
    let mut pages = request.pages();
    pages.try_next().await.unwrap().unwrap();
    // Nobody polls the stream here.
    service.arrived(2).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(service.asked().len(), 2, "one page ahead, not more");
    let start = Instant::now();
    pages.try_next().await.unwrap().unwrap();
    assert!(start.elapsed() < Duration::from_millis(10), "it was there already");

    let service = Timed::with(rows(30), 10).await;
    let mut pages = service.client().list_backups().limit(10).prefetch(false).pages();
    pages.try_next().await.unwrap().unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(service.asked().len(), 1);
    assert_eq!(pages.try_collect::<Vec<_>>().await.unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_stream_cancels_what_is_under_way() {
    for at_a_time in [1, 4] {
        let rows = rows(500);
        let slowly = |number, _: &Asked| after(if number == 0 { 1000 } else { 5000 });
        let service = Timed::start(slowly, move |_, _| rows.clone()).await;
        let mut pages = service.client().list_backups().limit(10).concurrency(at_a_time).pages();
        pages.try_next().await.unwrap().unwrap();
        service.arrived(at_a_time.max(2)).await;
        assert_eq!(service.under_way(), at_a_time.max(2) - 1);
        let asked = service.asked().len();
        drop(pages);
        sleep(Duration::from_millis(100)).await;
        assert_eq!(service.under_way(), 0, "the service saw the connections close");
        sleep(Duration::from_secs(10)).await;
        assert_eq!(service.asked().len(), asked);
    }
    // Also in the middle of waiting for a page.
    let service = Timed::with(rows(500), 1000).await;
    let request = service.client().list_backups().limit(10).concurrency(4);
    tokio::select! {
        _ = request.items().try_collect::<Vec<_>>() => panic!("too soon"),
        () = sleep(Duration::from_millis(1500)) => {}
    }
    sleep(Duration::from_millis(100)).await;
    assert_eq!((service.under_way(), service.asked().len()), (0, 8));
}

#[tokio::test(start_paused = true)]
async fn the_last_page_cancels_what_is_under_way_behind_it() {
    let rows = rows(10);
    let slowly = |number, _: &Asked| after(if number == 0 { 10 } else { 50_000 });
    let service = Timed::start(slowly, move |_, _| rows.clone()).await;
    let mut pages = service.client().list_backups().limit(50).concurrency(4).pages();
    assert!(pages.try_next().await.unwrap().unwrap().is_last());
    assert_eq!(service.under_way(), 3);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(service.under_way(), 0);
    assert!(pages.next().await.is_none());
}

/// A program that is not async itself may poll with a runtime of its own for every page.
#[test]
fn a_page_that_went_with_its_runtime_is_asked_for_again() {
    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    }
    let service = runtime().block_on(common::Service::model(rows(50)));
    for at_a_time in [1, 3] {
        let mut pages = service.client().list_backups().limit(10).concurrency(at_a_time).pages();
        let mut got = Vec::new();
        while let Some(page) = runtime().block_on(pages.try_next()).unwrap() {
            got.extend(page.into_iter().map(|backup| backup.id));
        }
        assert_eq!(got, names(&rows(50)));
    }
}

/// Round and round, whatever the offset.
#[tokio::test]
async fn a_walk_that_comes_round_ends_in_an_error() {
    for (period, at_a_time) in [(1, 2), (2, 3), (7, 4)] {
        let service = common::Service::start(move |request, _| {
            let here: usize =
                request.get("marker").map_or(0, |marker| marker.trim_start_matches("row-").parse().unwrap());
            let next = (here + 1) % period;
            let ids = [format!("{here}-{next}"), format!("row-{next}")];
            request.page(&common::page(&[&ids[0], &ids[1]], Some(&format!("marker=row-{next}"))))
        })
        .await;
        let request = service.client().list_backups().limit(2).concurrency(at_a_time);
        let pages: Vec<_> = request.pages().collect().await;
        assert!(matches!(pages.last(), Some(Err(Error::Pagination { .. }))), "{pages:?}");
        assert!(pages.len() <= 3 * period + 2, "{}", pages.len());
    }
}

/// Whichever page fails, and however early it does.
#[tokio::test(start_paused = true)]
async fn an_error_comes_after_the_rows_before_it() {
    let rows = rows(95);
    let expected = names(&rows);
    for at_a_time in [1, 2, 4, 20] {
        for fails in 0..10_usize {
            let all = expected.clone();
            // By the place that it begins at, the page that fails is the same at any number at a time.
            let turn = move |_, asked: &Asked| {
                let marker = asked.get("marker").and_then(|marker| all.iter().position(|id| *id == marker));
                let offset = asked.get("offset").map_or(0, |offset| offset.parse().unwrap());
                let start = marker.map_or(0, |marker| marker + 1) + offset;
                let fails = (start..start + 10).contains(&(fails * 9));
                Turn { instead: fails.then_some((500, "")), ..after(if fails { 1 } else { 50 }) }
            };
            let service = Timed::start(turn, {
                let rows = rows.clone();
                move |_, _| rows.clone()
            })
            .await;
            let mut items = service.client().list_backups().limit(10).concurrency(at_a_time).items();
            let mut got = Vec::new();
            let error = loop {
                match items.try_next().await {
                    Ok(row) => got.push(row.expect("an error, not an end").id),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.status().unwrap().as_u16(), 500);
            assert_eq!(got, expected[..got.len()], "{at_a_time} at a time, page {fails}");
            assert!(got.len() + 10 > fails * 9, "{at_a_time} at a time, page {fails}: only {}", got.len());
            assert!(items.next().await.is_none());
            sleep(Duration::from_secs(1)).await;
            assert_eq!(service.under_way(), 0);
        }
    }
}

/// An error behind the end is nobody's.
#[tokio::test(start_paused = true)]
async fn an_error_behind_the_end_is_none() {
    let rows = rows(25);
    let turn = |number, _: &Asked| Turn { instead: (number > 2).then_some((500, "")), ..after(5) };
    let service = Timed::start(turn, {
        let rows = rows.clone();
        move |_, _| rows.clone()
    })
    .await;
    assert_eq!(all(&service.client().list_backups().limit(10).concurrency(6)).await, names(&rows));
}

/// A service that can't do many at a time, and says so.
#[tokio::test(start_paused = true)]
async fn a_rate_limit_slows_the_walk_down_and_makes_no_storm() {
    let rows = rows(1000);
    for (limit, headers) in [(1, ""), (2, ""), (3, "Retry-After: 2\r\n")] {
        let turn =
            move |_, asked: &Asked| Turn { instead: (asked.under_way > limit).then_some((429, headers)), ..after(10) };
        let service = Timed::start(turn, {
            let rows = rows.clone();
            move |_, _| rows.clone()
        })
        .await;
        let client = service.builder().retry(RetryPolicy::default()).build().unwrap();
        assert_eq!(all(&client.list_backups().limit(10).concurrency(8)).await, names(&rows));
        let asked = service.asked();
        let refused = asked.iter().filter(|asked| asked.under_way > limit).count();
        // 112 pages: all that were refused were refused once, in few of the rounds.
        assert!(refused >= 8 - limit, "{refused}");
        assert!(asked.len() <= 112 + 7 + refused, "{} of which {refused} were refused", asked.len());
        assert!(refused <= 7 + 8, "{refused} were refused");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_rate_limit_it_is_as_many_at_a_time_again() {
    let rows = rows(1000);
    let turn = |number, _: &Asked| Turn { instead: (number == 2).then_some((429, "")), ..after(10) };
    let service = Timed::start(turn, move |_, _| rows.clone()).await;
    let client = service.builder().retry(RetryPolicy::default()).build().unwrap();
    assert_eq!(all(&client.list_backups().limit(10).concurrency(4)).await.len(), 1000);
    let under_way: Vec<_> = service.asked().iter().map(|asked| asked.under_way).collect();
    assert!(under_way[4..8].iter().all(|number| *number <= 2), "{under_way:?}");
    assert!(under_way[20..].contains(&4), "{under_way:?}");
}

/// Where nothing that is read ahead follows, little is read ahead.
#[tokio::test(start_paused = true)]
async fn what_never_follows_is_hardly_asked_for() {
    let rows = rows(1000);
    let mut others = rows.clone();
    others.reverse();
    let expected = names(&rows);
    let has = move |_, asked: &Asked| if asked.get("offset").is_some() { &others } else { &rows }.clone();
    let service = Timed::start(|_, _| after(10), has).await;
    assert_eq!(all(&service.client().list_backups().limit(10).concurrency(8)).await, expected);
    let asked = service.asked().len();
    assert!(asked <= 101 + 60, "{asked} requests for 101 pages");
}

/// Where the service is down, the page that the walk is at is asked for as often as the policy says,
/// and the pages behind it once.
#[tokio::test(start_paused = true)]
async fn only_the_page_that_is_waited_for_is_asked_for_again() {
    let turn = |number, _: &Asked| Turn { instead: (number > 0).then_some((503, "")), ..after(10) };
    let rows = rows(1000);
    let service = Timed::start(turn, move |_, _| rows.clone()).await;
    let client = service.builder().retry(RetryPolicy::default()).build().unwrap();
    let results: Vec<_> = client.list_backups().limit(10).concurrency(8).pages().collect().await;
    assert!(matches!(&results[..], [Ok(_), Err(error)] if error.attempts() == 4), "{results:?}");
    assert_eq!(service.asked().len(), 8 + 3, "eight at first, and one of them three times again");
}

/// A page's deadline counts from when the walk waits for it.
#[tokio::test(start_paused = true)]
async fn waiting_for_its_turn_costs_a_page_nothing() {
    let turn = |number, _: &Asked| Turn {
        instead: (number == 1).then_some((503, "")),
        ..after(if number == 0 { 9000 } else { 2000 })
    };
    let rows = rows(30);
    let service = Timed::start(turn, {
        let rows = rows.clone();
        move |_, _| rows.clone()
    })
    .await;
    let client =
        service.builder().retry(RetryPolicy::default()).page_deadline(Duration::from_secs(10)).build().unwrap();
    let mut pages = client.list_backups().limit(10).concurrency(2).pages();
    pages.try_next().await.unwrap().unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(pages.try_collect::<Vec<_>>().await.unwrap().iter().map(|page| page.backups.len()).sum::<usize>(), 20);
}

#[tokio::test]
async fn numbers_that_make_no_sense_are_refused() {
    let client = common::Service::fixed(200, "{}").await.client();
    for (request, number) in [
        (client.list_backups().concurrency(0), 0),
        (client.list_backups().concurrency(-1), -1),
        (client.list_backups().concurrency(1001), 1001),
    ] {
        let error = request.items().try_collect::<Vec<_>>().await.unwrap_err();
        assert!(
            matches!(&error, Error::InvalidRequest { parameter, .. } if parameter == "concurrency"),
            "{number}: {error:?}"
        );
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

/// What the service has: these rows up to so many answers, and then those.
#[derive(Clone, Default)]
struct Plan {
    before: Vec<Row>,
    now: Vec<Row>,
    reads: usize,
}

/// Every change, at every row, before every read, at several numbers at a time.
#[tokio::test(start_paused = true)]
async fn one_change_anywhere_and_at_any_time() {
    const ROWS: usize = 14;
    let plan: Arc<Mutex<Plan>> = Arc::default();
    let shared = Arc::clone(&plan);
    // Of two pages under way, the later one is read first.
    let service = Timed::start(
        |number, _| after(if number % 2 == 0 { 20 } else { 10 }),
        move |_, _| {
            let mut plan = shared.lock().unwrap();
            let rows = if plan.reads > 0 { &plan.before } else { &plan.now }.clone();
            plan.reads = plan.reads.saturating_sub(1);
            rows
        },
    )
    .await;
    let request = service.client().list_backups().name_like("night").limit(3);
    for change in [Change::Insert, Change::Delete, Change::Leave, Change::DeleteMany] {
        let mut thrown_away = 0;
        for at_a_time in [1, 2, 3, 5] {
            let request = request.clone().concurrency(at_a_time);
            for row in 0..ROWS {
                for reads in 1..8 {
                    let (changed, stayed) = changed(change, row, ROWS);
                    *plan.lock().unwrap() = Plan { reads, ..changed };
                    let asked = service.asked().len();
                    let got = all(&request).await;
                    let context = format!("{at_a_time} at a time, {change:?} of row {row} after read {reads}: {got:?}");
                    assert_eq!(got.iter().collect::<HashSet<_>>().len(), got.len(), "{context}");
                    let of_them: Vec<_> = got.into_iter().filter(|id| stayed.contains(id)).collect();
                    assert_eq!(of_them, stayed, "{context}");
                    // Cancelled requests may still arrive.
                    sleep(Duration::from_secs(1)).await;
                    let asked = &service.asked()[asked..];
                    if at_a_time == 1 {
                        continue;
                    }
                    // Two without an offset: at first, and where the walk went on by marker.
                    thrown_away += asked[1..].iter().filter(|asked| asked.get("offset").is_none()).count();
                }
            }
        }
        assert!(thrown_away > 0, "{change:?}");
    }
}

/// What becomes of so many rows, and the ids of those that are there and fit the filter throughout.
fn changed(change: Change, row: usize, number: usize) -> (Plan, Vec<String>) {
    let mut before = rows(number);
    before.iter_mut().for_each(|row| row.name = Some("nightly".to_owned()));
    let mut now = before.clone();
    let gone = match change {
        Change::Insert => {
            now.insert(row, Row { id: "new".to_owned(), ..before[0].clone() });
            0..0
        }
        Change::Leave => {
            now[row].name = None;
            row..row + 1
        }
        Change::Delete => row..row + 1,
        Change::DeleteMany => row..(row + 2).min(number),
    };
    if !matches!(change, Change::Leave) {
        let gone = names(&before[gone.clone()]);
        now.retain(|row| !gone.contains(&row.id));
    }
    let stayed = [&before[..gone.start], &before[gone.end..]].concat();
    (Plan { before, now, reads: 0 }, names(&stayed))
}

/// All that a page has to go on from is gone, with the row that it shares with the page before it:
/// there the walk can be taken up, and no row comes twice.
#[tokio::test(start_paused = true)]
async fn all_of_a_page_is_deleted_that_was_read_ahead() {
    let before = rows(30);
    let ids = names(&before);
    let world = Arc::new(Mutex::new(before));
    let shared = Arc::clone(&world);
    let service = Timed::start(|_, _| after(10), move |_, _| shared.lock().unwrap().clone()).await;
    let request = service.client().list_backups().limit(5).concurrency(2);
    let mut pages = request.pages();
    let mut got = Vec::new();
    // The second page has rows 4 to 8, the first of which it shares with the first page.
    for _ in 0..2 {
        got.extend(pages.try_next().await.unwrap().unwrap().into_iter().map(|backup| backup.id));
    }
    assert_eq!(got, ids[..9]);
    world.lock().unwrap().retain(|row| !ids[4..9].contains(&row.id));
    // What is under way was read before.
    let error = loop {
        match pages.try_next().await {
            Ok(page) => got.extend(page.expect("an error, not an end").into_iter().map(|backup| backup.id)),
            Err(error) => break error,
        }
    };
    let last = ids.iter().position(|id| Some(id) == got.last()).unwrap();
    assert_eq!(got, ids[..=last]);
    assert_eq!(error.resume_marker(), Some(ids[3].as_str()), "{error:?}");
    let rest = all(&request.resume_at(error.resume_marker().unwrap())).await;
    assert_eq!(rest, ids[last + 1..]);
}

/// A list that never holds still: read ahead, it costs more requests, and is as right.
#[tokio::test(start_paused = true)]
async fn a_list_that_never_holds_still() {
    let world = Arc::new(Mutex::new(rows(200)));
    let before = names(&world.lock().unwrap());
    let shared = Arc::clone(&world);
    // Every other row goes, one before each read, from the end on.
    let service = Timed::start(
        |number, _| after([30, 10, 20][number % 3]),
        move |answer, _| {
            let mut rows = shared.lock().unwrap();
            let at = 199_usize.saturating_sub(answer * 2);
            if at < rows.len() && at % 2 == 1 {
                rows.remove(at);
            }
            rows.clone()
        },
    )
    .await;
    let got = all(&service.client().list_backups().limit(5).concurrency(6)).await;
    let stayed = names(&world.lock().unwrap());
    assert_eq!(got.iter().filter(|id| stayed.contains(id)).cloned().collect::<Vec<_>>(), stayed);
    assert_eq!(got.iter().collect::<HashSet<_>>().len(), got.len());
    assert!(got.iter().all(|id| before.contains(id)));
}
