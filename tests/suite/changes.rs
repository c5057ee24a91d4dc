//! A list that changes during pagination: rows are inserted, deleted, or leave the filter.

use std::time::Duration;

use serde_json::json;
use vbs_client::mock::{Cinder, Row, rows};
use vbs_client::{Error, Page};

use crate::support::server::Server;
use crate::support::{ids, list_ids, page, row_ids};

/// A service with this number of rows, and their ids.
async fn cinder(number: usize) -> (Cinder, Vec<String>) {
    let rows = rows(number);
    let before = row_ids(&rows);
    (Cinder::start(rows).await, before)
}

fn delete(cinder: &Cinder, gone: &[String]) {
    gone.iter().for_each(|id| assert!(cinder.delete(id)));
}

/// Lists in pages of 10, and changes the list after the page with this number.
async fn list_while(
    cinder: &Cinder,
    after: usize,
    change: impl FnOnce(&Page),
) -> Result<Vec<String>, (Vec<String>, Error)> {
    let mut change = Some(change);
    let mut got = Vec::new();
    let mut pages = cinder.client().list_backups().limit(10).prefetch(false).pages();
    let mut number = 0;
    loop {
        match pages.try_next().await {
            Ok(None) => return Ok(got),
            Err(error) => return Err((got, error)),
            Ok(Some(page)) => {
                got.extend(ids(&page).into_iter().map(str::to_owned));
                number += 1;
                if number == after {
                    change.take().unwrap()(&page);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_deleted_marker_is_recovered() {
    let (cinder, before) = cinder(50).await;
    let got = list_while(&cinder, 2, |_| delete(&cinder, &before[19..20])).await.unwrap();
    assert_eq!(got, before, "each row once, in order");
    let requests = cinder.requests();
    let markers: Vec<_> = requests.iter().map(|request| request.parameter("marker").map(str::to_owned)).collect();
    let at = |row: usize| Some(before[row].clone());
    assert_eq!(markers, [None, at(9), at(19), at(18), at(29), at(39), at(49)], "one more request");
}

#[tokio::test]
async fn one_remaining_row_of_a_page_is_enough_to_recover() {
    for left in 0..9 {
        let (cinder, before) = cinder(50).await;
        // Only one row of the second page stays.
        let gone: Vec<_> = before[10..20].iter().filter(|id| **id != before[10 + left]).cloned().collect();
        let got = list_while(&cinder, 2, |_| delete(&cinder, &gone)).await.unwrap();
        assert_eq!(got, before, "left {left}");
    }
}

#[tokio::test]
async fn rows_deleted_around_the_marker_cost_no_other_rows() {
    let (cinder, before) = cinder(50).await;
    // The last rows of this page and the first of the next one.
    let got = list_while(&cinder, 2, |_| delete(&cinder, &before[15..25])).await.unwrap();
    assert_eq!(got, [&before[..20], &before[25..]].concat());
}

#[tokio::test]
async fn a_page_whose_rows_are_all_deleted_is_recovered() {
    for (first, last) in [(10, 20), (2, 20), (0, 20)] {
        let (cinder, before) = cinder(50).await;
        let got = list_while(&cinder, 2, |_| delete(&cinder, &before[first..last])).await.unwrap();
        assert_eq!(got, before, "{first} to {last}");
    }
}

#[tokio::test]
async fn deleting_all_rows_of_two_pages_is_an_error() {
    let (cinder, before) = cinder(50).await;
    // The pages start after row 9.
    let (got, error) = list_while(&cinder, 3, |_| delete(&cinder, &before[9..30])).await.unwrap_err();
    assert_eq!(got, before[..30], "what was fetched is delivered");
    assert!(matches!(error, Error::Pagination { .. }), "{error:?}");
    let expected = "the marker's backup was deleted, and so were the 20 before it that were tried";
    assert!(error.to_string().contains(expected), "{error}");
    assert_eq!(error.cursor(), None);
    assert_eq!(cinder.requests().len(), 3 + 1 + 20, "it never starts over");
}

/// From the start of the list: a backup that was inserted meanwhile comes late.
#[tokio::test]
async fn deleting_all_rows_of_the_first_page_is_recovered_from_the_start_of_the_list() {
    let (cinder, before) = cinder(50).await;
    let change = |_: &Page| {
        delete(&cinder, &before[..10]);
        cinder.insert(Row::new("new"));
    };
    let got = list_while(&cinder, 1, change).await.unwrap();
    assert_eq!(got, [&before[..10], &["new".to_owned()], &before[10..]].concat());
}

#[tokio::test]
async fn inserted_rows_and_rows_that_leave_the_filter_shift_nothing() {
    let (cinder, before) = cinder(50).await;
    let got = list_while(&cinder, 2, |_| (0..10).for_each(|n| cinder.insert(Row::new(format!("new-{n}")))));
    assert_eq!(got.await.unwrap(), before);

    let nightly = |number: usize| Row::new(format!("row-{number}")).name("nightly");
    let cinder = Cinder::start((0..30).map(nightly)).await;
    let mut pages = cinder.client().list_backups().name_like("nightly").limit(5).prefetch(false).pages();
    let mut got = Vec::new();
    while let Some(page) = pages.try_next().await.unwrap() {
        // A marker that leaves the filter is still a marker.
        if let Some(marker) = page.next_marker() {
            cinder.insert(Row::new(marker).name("renamed"));
        }
        got.extend(page.into_iter().map(|row| row.id));
    }
    assert_eq!(got, (0..30).map(|number| format!("row-{number}")).collect::<Vec<_>>());
}

/// Markers set by the caller are never recovered.
#[tokio::test]
async fn a_404_for_the_callers_own_marker_stays_a_404() {
    let (cinder, before) = cinder(50).await;
    delete(&cinder, &before[9..10]);
    let request = cinder.client().list_backups().limit(10).marker(&before[9]);
    let error = request.items().try_next().await.unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
    assert!(error.fault().unwrap().message.contains(&before[9]));
    assert_eq!(cinder.requests().len(), 1);
}

/// The route is gone, not the marker: no other marker is tried.
#[tokio::test]
async fn a_404_that_is_not_about_the_marker_stays_a_404() {
    for body in [
        r#"{"itemNotFound":{"code":404,"message":"Project p could not be found."}}"#,
        "",
        "<html>404</html>",
        r#"{"code":"404 Not Found","title":"Not Found","message":"The resource could not be found."}"#,
    ] {
        let server = Server::start(move |request, number| match number {
            0 => request.page(&page(&["a", "b", "c"], Some("marker=c"))),
            _ => request.reply(404, body),
        })
        .await;
        let error = server.client().list_backups().pages().try_collect::<Vec<_>>().await.unwrap_err();
        assert!(error.is_not_found(), "{error:?}");
        assert_eq!(server.requests().len(), 2, "{body}");
    }
}

/// The 404 of a gateway, which knows nothing of backups.
#[tokio::test]
async fn a_404_that_quotes_the_url_is_not_about_the_marker() {
    for fault in [
        json!({"itemNotFound": {"code": 404, "message": "GET /v3/p/backups?limit=1000&marker=MARKER not found"}}),
        json!({"error": {"code": 404, "title": "Not Found", "message": "No route to '/v3/p/backups?marker=MARKER'."}}),
        json!({"error_msg": "no such API: https://host/v3/p/backups/?marker=MARKER", "error_code": "APIGW.0101"}),
        json!({"message": "/v3/p/backups?marker=MARKER", "code": "404 Not Found", "title": "Not Found"}),
    ] {
        let server = Server::start(move |request, _| match request.get("marker") {
            None => {
                let ids: Vec<_> = (0..1000).map(|id| format!("row-{id}")).collect();
                let ids: Vec<_> = ids.iter().map(String::as_str).collect();
                request.page(&page(&ids, Some("marker=row-999")))
            }
            Some(marker) => request.reply(404, fault.to_string().replace("MARKER", marker)),
        })
        .await;
        let error = server.client().list_backups().pages().try_collect::<Vec<_>>().await.unwrap_err();
        assert!(error.is_not_found() && !error.is_marker_gone(), "{error:?}");
        assert_eq!(server.requests().len(), 2, "{error}");
    }
}

/// A service whose first page has this number of rows. The rows in `stay` remain; the others are deleted once the
/// page was read. Five more rows follow.
async fn large_page(rows: usize, stay: impl Fn(usize) -> bool + Send + Sync + 'static) -> Server {
    let id = |row: usize| format!("row-{row}");
    Server::start(move |request, number| {
        let body = |rows: Vec<usize>, next: Option<usize>| {
            let ids: Vec<_> = rows.into_iter().map(id).collect();
            let ids: Vec<_> = ids.iter().map(String::as_str).collect();
            page(&ids, next.map(|next| format!("marker=row-{next}")).as_deref())
        };
        let marker: Option<usize> = request.get("marker").map(|marker| marker["row-".len()..].parse().unwrap());
        match marker {
            None if number == 0 => request.page(&body((0..rows).collect(), Some(rows - 1))),
            Some(marker) if !stay(marker) && marker < rows => {
                let fault = json!({"itemNotFound": {"code": 404, "message": format!("Backup row-{marker} could not be found.")}});
                request.reply(404, fault.to_string())
            }
            marker => {
                let after = marker.map_or(0, |marker| marker + 1);
                request.page(&body((after..rows + 5).filter(|row| *row >= rows || stay(*row)).collect(), None))
            }
        }
    })
    .await
}

#[tokio::test]
async fn recovery_takes_few_requests_however_large_the_page() {
    const ROWS: usize = 40_000;
    let expected: Vec<_> = (0..ROWS + 5).map(|row| format!("row-{row}")).collect();
    for stays in [ROWS - 2, ROWS - 100, ROWS - 600, 0] {
        // This row, and all rows before it.
        let server = large_page(ROWS, move |row| row <= stays).await;
        let got = list_ids(&server.client().list_backups()).await;
        assert!(got == expected, "{} rows, {stays}", got.len());
        assert!(server.requests().len() <= 2 + 12, "{stays}: {}", server.requests().len());
    }
    // All of them are gone, and the list starts with the next one.
    let server = large_page(ROWS, |_| false).await;
    assert!(list_ids(&server.client().list_backups()).await == expected);
    assert_eq!(server.requests().len(), 2 + 12 + 1);
}

/// The ids of 100,000 rows are kept, and no more.
#[tokio::test]
async fn a_recovery_before_too_many_rows_is_an_error() {
    for (rows, fits) in [(100_001, true), (100_002, false)] {
        let server = large_page(rows, |row| row == 0).await;
        let mut items = server.client().list_backups().items();
        for row in 0..rows {
            assert_eq!(items.try_next().await.unwrap().unwrap().id, format!("row-{row}"));
        }
        match items.try_next().await {
            Ok(Some(row)) if fits => assert_eq!(row.id, format!("row-{rows}")),
            Err(error) if !fits => {
                assert!(error.to_string().contains("100000 listed backups may come again"), "{error}")
            }
            other => panic!("{rows}: {other:?}"),
        }
    }
}

/// The page after the earlier row has fewer rows than were yielded.
#[tokio::test]
async fn recovery_continues_where_the_maximum_page_size_falls() {
    for maximum in [1, 2, 5, 18] {
        let (cinder, before) = cinder(50).await;
        // Ten rows are left before the marker, and the last of them are not tried.
        let deleted = [&before[12..13], &before[15..16], &before[17..20]].concat();
        let mut pages = cinder.client().list_backups().limit(20).prefetch(false).pages();
        let mut got: Vec<_> = pages.try_next().await.unwrap().unwrap().into_iter().map(|row| row.id).collect();
        delete(&cinder, &deleted);
        cinder.max_limit(maximum);
        while let Some(page) = pages.try_next().await.unwrap() {
            got.extend(page.into_iter().map(|row| row.id));
        }
        assert_eq!(got, before, "maximum {maximum}");
    }
}

/// The second recovery reads rows again that were yielded before the first one.
#[tokio::test]
async fn a_recovery_after_a_recovery_yields_no_row_twice() {
    let (cinder, before) = cinder(80).await;
    let mut pages = cinder.client().list_backups().limit(20).prefetch(false).pages();
    let mut got: Vec<_> = pages.try_next().await.unwrap().unwrap().into_iter().map(|row| row.id).collect();
    // The fourth row from the end is the marker of the recovery.
    delete(&cinder, &before[17..20]);
    got.extend(pages.try_next().await.unwrap().unwrap().into_iter().map(|row| row.id));
    assert_eq!(got, before[..got.len()]);
    // All rows of the second page.
    delete(&cinder, &before[20..got.len()]);
    let rest = pages.try_collect::<Vec<_>>().await.unwrap();
    got.extend(rest.into_iter().flatten().map(|row| row.id));
    assert_eq!(got, before);
}

/// VBS has a format of its own, without Cinder's names.
#[tokio::test]
async fn a_404_about_the_marker_in_the_vendors_format_is_recovered() {
    let server = Server::start(|request, _| match request.get("marker") {
        None => request.page(&page(&["a", "b", "c"], Some("marker=c"))),
        Some("c") => request.reply(404, r#"{"error":{"message":"backup c not found","code":"VolumeBackup.0123"}}"#),
        Some("b") => request.page(&page(&["d"], None)),
        other => panic!("{other:?}"),
    })
    .await;
    let rows: Vec<_> = server.client().list_backups().items().try_collect().await.unwrap();
    assert_eq!(ids(&rows), ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn a_fault_during_recovery_ends_the_stream() {
    let server = Server::start(|request, _| match request.get("marker") {
        None => request.page(&page(&["a", "b", "c"], Some("marker=c"))),
        Some("c") => request.reply(404, r#"{"itemNotFound":{"code":404,"message":"Backup c could not be found."}}"#),
        _ => request.reply(403, ""),
    })
    .await;
    let error = server.client().list_backups().pages().try_collect::<Vec<_>>().await.unwrap_err();
    assert!(error.is_forbidden(), "{error:?}");

    let server = Server::start(|request, _| match request.get("marker") {
        None => request.page(&page(&["a", "b", "c"], Some("marker=c"))),
        Some("c") => request.reply(404, r#"{"itemNotFound":{"code":404,"message":"Backup c could not be found."}}"#),
        _ => request.reply(404, "<html>no such page</html>"),
    })
    .await;
    let error = server.client().list_backups().pages().try_collect::<Vec<_>>().await.unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
    assert_eq!(server.requests().len(), 3, "the response does not say that b is gone");
}

/// One replica no longer has the marker, another one still has it.
#[tokio::test]
async fn inconsistent_replicas_yield_no_row_twice() {
    let server = Server::start(|request, _| match request.get("marker") {
        None => request.page(&page(&["a", "b", "c"], Some("marker=c"))),
        Some("c") => request.reply(404, r#"{"itemNotFound":{"code":404,"message":"Backup c could not be found."}}"#),
        _ => request.page(&page(&["c", "d"], None)),
    })
    .await;
    let mut items = server.client().list_backups().items();
    for id in ["a", "b", "c"] {
        assert_eq!(items.try_next().await.unwrap().unwrap().id, id);
    }
    assert_eq!(items.try_next().await.unwrap().unwrap().id, "d");
    assert!(items.try_next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_marker_deleted_after_an_empty_page_is_recovered() {
    let gone = r#"{"itemNotFound":{"code":404,"message":"Backup b2 could not be found."}}"#;
    let server = Server::start(move |request, number| match (number, request.get("marker")) {
        (0, None) => request.page(&page(&["a", "b"], Some("marker=b"))),
        (1, Some("b")) => request.page(&page(&[], Some("marker=b2"))),
        (2, Some("b2")) => request.reply(404, gone),
        (3, Some("b")) => request.page(&page(&["c"], None)),
        other => panic!("{other:?}"),
    })
    .await;
    let rows: Vec<_> = server.client().list_backups().items().try_collect().await.unwrap();
    assert_eq!(ids(&rows), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn recovery_is_part_of_the_page_deadline() {
    let server = Server::start(|request, _| match request.get("marker").map(str::to_owned) {
        None => {
            let ids: Vec<_> = (0..200).map(|id| format!("row-{id}")).collect();
            request.page(&page(&ids.iter().map(String::as_str).collect::<Vec<_>>(), Some("marker=row-199")))
        }
        Some(marker) => {
            let fault = format!(r#"{{"itemNotFound":{{"code":404,"message":"Backup {marker} could not be found."}}}}"#);
            request.reply(404, fault).after(Duration::from_millis(100))
        }
    })
    .await;
    let client = server.builder().page_deadline(Duration::from_millis(400)).build().unwrap();
    let error = client.list_backups().pages().try_collect::<Vec<_>>().await.unwrap_err();
    assert!(matches!(error, Error::PageDeadline { .. }), "{error:?}");
    assert!(server.requests().len() < 10, "{}", server.requests().len());
}

/// The rows that an offset skips must not come back.
#[tokio::test]
async fn a_deleted_first_page_is_recovered_from_the_callers_marker_but_not_from_an_offset() {
    for offset in [0, 3] {
        let (cinder, before) = cinder(50).await;
        let request = cinder.client().list_backups().limit(10).marker(&before[4]).offset(offset).prefetch(false);
        let mut pages = request.pages();
        let first = pages.try_next().await.unwrap().unwrap();
        delete(&cinder, &ids(&first).into_iter().map(str::to_owned).collect::<Vec<_>>());
        let next = pages.try_next().await;
        if offset == 0 {
            assert_eq!(ids(&next.unwrap().unwrap()), before[15..25]);
        } else {
            let error = next.unwrap_err();
            assert!(error.to_string().contains("so were the 9 before it that were tried"), "{error}");
        }
    }
}

/// Where links have offsets only, every page is requested with the caller's marker.
#[tokio::test]
async fn a_deleted_marker_of_the_callers_is_not_replaced() {
    let gone = r#"{"itemNotFound":{"code":404,"message":"Backup m could not be found."}}"#;
    let server = Server::start(move |request, _| match (request.get("marker"), request.get("offset")) {
        (Some("m"), None) => request.page(&page(&["a", "b"], Some("limit=2&offset=2"))),
        (Some("m"), _) => request.reply(404, gone),
        _ => request.page(&page(&["e"], None)),
    })
    .await;
    let mut items = server.client().list_backups().limit(2).marker("m").items();
    assert_eq!(items.try_next().await.unwrap().unwrap().id, "a");
    assert_eq!(items.try_next().await.unwrap().unwrap().id, "b");
    assert!(items.try_next().await.unwrap_err().is_not_found());
    assert_eq!(server.requests().len(), 2);
}
