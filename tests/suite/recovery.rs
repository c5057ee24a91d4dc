//! Deleted markers on large and on small pages, repeatedly, and with a maximum page size that falls.

use std::ops::RangeInclusive;

use vbs_client::Error;
use vbs_client::jiff::Timestamp;
use vbs_client::mock::{Cinder, Row};

use crate::support::server::Server;
use crate::support::{Listed, ids, page, test_both_lists};

/// Rows `r1`, `r2` and so on.
fn rows(numbers: RangeInclusive<usize>) -> Vec<Row> {
    names(numbers).into_iter().map(Row::new).collect()
}

fn names(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("r{number}")).collect()
}

/// Lists `r1` to `last`, and deletes rows, or lowers the service's maximum, after a page: by its number from 1.
async fn list(
    last: usize,
    limit: u32,
    change: impl Fn(usize) -> (Vec<usize>, Option<usize>),
) -> (Vec<String>, Option<Error>, usize) {
    let cinder = Cinder::start(rows(1..=last)).await;
    let mut pages = cinder.client().list_backups().limit(limit).prefetch(false).pages();
    let mut yielded = Vec::new();
    for number in 1.. {
        match pages.try_next().await {
            Ok(Some(page)) => yielded.extend(page.into_iter().map(|backup| backup.id)),
            Ok(None) => return (yielded, None, cinder.requests().len()),
            Err(error) => return (yielded, Some(error), cinder.requests().len()),
        }
        let (gone, maximum) = change(number);
        for id in names(gone) {
            cinder.delete(id);
        }
        if let Some(maximum) = maximum {
            cinder.max_limit(maximum);
        }
    }
    unreachable!()
}

/// The first recovery continues after r11 and drops r13; the second one finds none of the rows that it tries.
#[tokio::test]
async fn two_recoveries_in_a_row_yield_no_row_twice() {
    let (yielded, error, _) = list(60, 20, |page| match page {
        1 => (vec![20, 19, 18, 17, 16, 15, 14, 12], None),
        2 => (vec![39, 38, 37, 36, 35, 34, 33, 31, 29, 27, 24, 21], None),
        _ => (vec![], None),
    })
    .await;
    assert_eq!(yielded, names(1..=60));
    assert!(error.is_none(), "{error:?}");
}

/// The recovery continues after r4, and its first page has only rows that were yielded before.
#[tokio::test]
async fn a_recovery_survives_a_maximum_that_falls() {
    let (yielded, error, requests) = list(40, 20, |page| match page {
        1 => (vec![20, 19, 18, 17, 16, 15, 14, 12, 11, 9, 7], Some(3)),
        _ => (vec![], None),
    })
    .await;
    assert_eq!(yielded, names(1..=40));
    assert!(error.is_none(), "{error:?}");
    // The first page, the deleted marker, 10 rows that are gone, r4 and two pages of 3 after it, and the rest.
    assert_eq!(requests, 1 + 1 + 10 + 2 + 7, "{requests}");
}

#[tokio::test]
async fn a_large_first_page_with_many_deleted_rows_is_recovered() {
    let (yielded, error, _) = list(60, 30, |page| match page {
        1 => (vec![30, 29, 28, 26, 22, 14, 1], None),
        _ => (vec![], None),
    })
    .await;
    assert_eq!(yielded, names(1..=60));
    assert!(error.is_none(), "{error:?}");
}

#[tokio::test]
async fn a_large_page_whose_backups_are_all_deleted_is_recovered_from_the_page_before_it() {
    let (yielded, error, requests) = list(3000, 1000, |page| match page {
        2 => ((1001..=2000).collect(), None),
        _ => (vec![], None),
    })
    .await;
    assert_eq!(yielded, names(1..=3000));
    assert!(error.is_none(), "{error:?}");
    // The marker, 12 rows of the page, and the last row of the one before it; an empty page follows the last one.
    assert_eq!(requests, 2 + 1 + 12 + 1 + 1);
}

/// All rows of two pages, and the one before them.
#[tokio::test]
async fn a_recovery_makes_at_most_25_requests() {
    let (yielded, error, requests) = list(500, 100, |page| match page {
        3 => ((100..=300).collect(), None),
        _ => (vec![], None),
    })
    .await;
    assert_eq!(yielded, names(1..=300));
    let error = error.unwrap();
    assert!(matches!(error, Error::Pagination { .. }), "{error:?}");
    assert!(error.to_string().contains("and so were the 25 before it that were tried"), "{error}");
    assert_eq!(error.cursor(), None);
    assert_eq!(requests, 3 + 1 + 12 + 12 + 1);
}

/// Tries every row as the only one that remains of two pages.
#[tokio::test]
async fn one_row_of_two_small_pages_is_enough_to_recover() {
    for limit in 1..=4 {
        let shown = 3 * limit;
        // Row `limit` is the one after which the two pages start.
        for stays in limit..shown {
            let (yielded, error, _) = list(20, limit.try_into().unwrap(), |page| match page {
                3 => ((limit..=shown).filter(|row| *row != stays).collect(), None),
                _ => (vec![], None),
            })
            .await;
            assert!(error.is_none(), "limit {limit}, row {stays}: {error:?}");
            assert_eq!(yielded, names(1..=20), "limit {limit}, row {stays}");
        }
        let (yielded, error, _) = list(20, limit.try_into().unwrap(), |page| match page {
            3 => ((limit..=shown).collect(), None),
            _ => (vec![], None),
        })
        .await;
        assert_eq!(yielded, names(1..=shown));
        let expected =
            format!("the marker's backup was deleted, and so were the {} before it that were tried", 2 * limit);
        assert!(error.unwrap().to_string().contains(&expected));
    }
}

/// Also the only row of the first page: then the listing continues at the start of the list.
#[tokio::test]
async fn one_deletion_never_ends_a_listing() {
    for limit in [1, 2, 14, 20] {
        for page in 1..=3 {
            let marker = page * limit as usize;
            let (yielded, error, requests) =
                list(60, limit, |number| (if number == page { vec![marker] } else { vec![] }, None)).await;
            assert!(error.is_none(), "limit {limit}, page {page}: {error:?}");
            assert_eq!(yielded, names(1..=60), "limit {limit}, page {page}");
            assert_eq!(requests, 60 / limit as usize + 2, "limit {limit}, page {page}: one more for the marker");
        }
    }
}

fn second(number: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 - number).unwrap()
}

/// A service with rows `r0` to `r40`, a hundred seconds apart, and 14 rows `b1` to `b14` after `r0` that are being
/// restored. After the first page, most of its rows are deleted, and this change happens. Then the rest is listed.
async fn rows_before_the_marker<T: Listed>(restoring: bool, then: impl Fn(&Cinder)) {
    let at = |id: &str, time| Row::new(id).created_at(second(time));
    let rows = (0..=40).map(|number| at(&format!("r{number}"), number * 100));
    let between = (1..=14).filter(|_| restoring).map(|number| at(&format!("b{number}"), number).status("restoring"));
    let cinder = Cinder::start(rows.chain(between)).await;
    let request = T::request(&cinder.client()).status("available").limit(14).prefetch(false);
    let mut pages = request.pages();
    let mut got: Vec<_> = pages.try_next().await.unwrap().unwrap().into_iter().map(Listed::id).collect();
    assert_eq!(got, names(0..=13));
    for number in 2..=13 {
        assert!(cinder.delete(format!("r{number}")));
    }
    then(&cinder);
    while let Some(page) = pages.try_next().await.unwrap() {
        got.extend(page.into_iter().map(Listed::id));
    }
    let stayed: Vec<_> = got.iter().filter(|id| id.starts_with('r')).cloned().collect();
    assert_eq!(stayed, names(0..=40), "each once, in order: {got:?}");
}

async fn backups_that_were_restored_bring_no_row_twice<T: Listed>() {
    rows_before_the_marker::<T>(true, |cinder| {
        for number in 1..=14 {
            assert!(cinder.set_status(format!("b{number}"), "available"));
        }
    })
    .await;
}

async fn backups_inserted_with_an_older_time_bring_no_row_twice<T: Listed>() {
    for number in [1, 13, 14, 15, 28, 50] {
        rows_before_the_marker::<T>(false, |cinder| {
            (1..=number).for_each(|n| cinder.insert(Row::new(format!("old-{n}")).created_at(second(n))));
        })
        .await;
    }
}

/// One page of rows that were not listed, and only then one that was.
async fn one_restored_backup_brings_no_row_twice<T: Listed>() {
    rows_before_the_marker::<T>(true, |cinder| {
        cinder.max_limit(1);
        assert!(cinder.set_status("b7", "available"));
    })
    .await;
}

test_both_lists!(
    backups_that_were_restored_bring_no_row_twice,
    backups_inserted_with_an_older_time_bring_no_row_twice,
    one_restored_backup_brings_no_row_twice,
);

/// The service reports that the marker's backup does not exist, and returns rows that lead there again.
#[tokio::test]
async fn a_service_that_contradicts_itself_ends_the_listing() {
    let gone = r#"{"itemNotFound":{"code":404,"message":"Backup c could not be found."}}"#;
    let server = Server::start(move |request, _| match request.get("marker") {
        None => request.page(&page(&["a", "b", "c"], Some("marker=c"))),
        Some("c") => request.reply(404, gone),
        _ => request.page(&page(&["c"], Some("marker=c"))),
    })
    .await;
    let mut items = server.client().list_backups().items();
    for _ in 0..3 {
        items.try_next().await.unwrap().unwrap();
    }
    let error = items.try_next().await.unwrap_err();
    assert!(matches!(error, Error::Pagination { .. }), "{error:?}");
    assert!(server.requests().len() <= 2 + 12, "{}", server.requests().len());
}

/// Unknown fields of a response are ignored, unless they are an error.
#[tokio::test]
async fn other_fields_next_to_a_list_are_ignored() {
    for more in [
        r#""error":{}"#,
        r#""error":null"#,
        r#""error":false"#,
        r#""error":"""#,
        r#""message":"OK""#,
        r#""meta":{"message":"deprecated"}"#,
    ] {
        let body = format!(r#"{{"backups":[{{"id":"a","name":null}}],{more}}}"#);
        let server = Server::start(move |request, _| request.reply(200, &body)).await;
        assert_eq!(ids(&server.client().list_backups().send().await.unwrap()), ["a"], "{more}");
    }
}

/// Some gateways refuse an offset after a marker.
#[tokio::test]
async fn a_refused_offset_is_fetched_by_marker() {
    let server = Server::start(|request, _| match (request.get("marker"), request.get("offset")) {
        (Some(_), Some(_)) => request.reply(400, r#"{"badRequest":{"code":400,"message":"no offset after a marker"}}"#),
        _ => request.model(&rows(1..=40)),
    })
    .await;
    for concurrency in [1, 2, 5] {
        let request = server.client().list_backups().limit(5).concurrency(concurrency);
        let backups: Vec<_> = request.items().try_collect().await.unwrap();
        assert_eq!(ids(&backups), names(1..=40), "{concurrency}");
    }
}
