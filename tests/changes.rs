//! A world that changes under the walk: rows are inserted, deleted, or leave the filter.

mod common;

use std::sync::{Arc, Mutex};

use common::{Service, ids, model, page};
use futures::TryStreamExt;
use model::Row;
use vbs_client::{Error, Page};

type World = Arc<Mutex<Vec<Row>>>;

async fn world(rows: usize) -> (World, Service) {
    let world: World = Arc::new(Mutex::new(model::rows(rows).split_off(2)));
    let rows = Arc::clone(&world);
    let service = Service::start(move |request, _| {
        let version = request.microversion().map_or("3.0", |version| version.trim_start_matches("volume "));
        let (status, body) = model::answer(&rows.lock().unwrap(), &request.query, version.parse().unwrap());
        request.answer(status, body.to_string())
    })
    .await;
    (world, service)
}

fn all(world: &World) -> Vec<String> {
    world.lock().unwrap().iter().map(|row| row.id.clone()).collect()
}

fn delete(world: &World, gone: &[String]) {
    world.lock().unwrap().retain(|row| !gone.contains(&row.id));
}

/// Walks in pages of 10, and changes the world after the page with this number.
async fn walk(
    service: &Service,
    after: usize,
    change: impl FnOnce(&Page),
) -> Result<Vec<String>, (Vec<String>, Error)> {
    let mut change = Some(change);
    let mut got = Vec::new();
    let mut pages = service.client().list_backups().limit(10).prefetch(false).pages();
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
async fn the_markers_backup_is_deleted() {
    let (world, service) = world(50).await;
    let before = all(&world);
    let got = walk(&service, 2, |_| delete(&world, &before[19..20])).await.unwrap();
    assert_eq!(got, before, "each row once, in order");
    let markers: Vec<_> = service.seen().iter().map(|seen| seen.get("marker").map(str::to_owned)).collect();
    let at = |row: usize| Some(before[row].clone());
    assert_eq!(markers, [None, at(9), at(19), at(18), at(29), at(39), at(49)], "one more request");
}

#[tokio::test]
async fn many_of_the_pages_backups_are_deleted() {
    for left in 0..9 {
        let (world, service) = world(50).await;
        let before = all(&world);
        // Of the second page, only one row stays.
        let gone: Vec<_> = before[10..20].iter().filter(|id| **id != before[10 + left]).cloned().collect();
        let got = walk(&service, 2, |_| delete(&world, &gone)).await.unwrap();
        assert_eq!(got, before, "left {left}");
    }
}

#[tokio::test]
async fn rows_deleted_around_the_marker_are_not_missed_for_others() {
    let (world, service) = world(50).await;
    let before = all(&world);
    // The last rows of this page and the first of the next one.
    let got = walk(&service, 2, |_| delete(&world, &before[15..25])).await.unwrap();
    assert_eq!(got, [&before[..20], &before[25..]].concat());
}

#[tokio::test]
async fn all_of_the_pages_backups_are_deleted() {
    let (world, service) = world(50).await;
    let before = all(&world);
    let (got, error) = walk(&service, 2, |_| delete(&world, &before[10..20])).await.unwrap_err();
    assert_eq!(got, before[..20], "what was fetched is delivered");
    assert!(matches!(error, Error::Pagination { .. }), "{error:?}");
    assert!(error.to_string().contains("every backup of the page before it was deleted"), "{error}");
    assert_eq!(error.resume_marker(), Some(before[9].as_str()));
    assert_eq!(service.seen().len(), 12, "it never starts from the beginning");

    // And there the walk can be taken up.
    let request = service.client().list_backups().limit(10).resume_at(error.resume_marker().unwrap());
    let rest: Vec<_> = request.items().map_ok(|row| row.id).try_collect().await.unwrap();
    assert_eq!(rest, before[20..]);
}

#[tokio::test]
async fn all_of_the_first_pages_backups_are_deleted() {
    let (world, service) = world(50).await;
    let before = all(&world);
    let (got, error) = walk(&service, 1, |_| delete(&world, &before[..10])).await.unwrap_err();
    assert_eq!(got, before[..10]);
    assert!(matches!(error, Error::Pagination { .. }));
    assert_eq!(error.resume_marker(), None);
}

#[tokio::test]
async fn inserted_rows_and_rows_that_leave_the_filter_move_nothing() {
    let (world, service) = world(50).await;
    let before = all(&world);
    let got = walk(&service, 2, |_| {
        let mut rows = world.lock().unwrap();
        let mut new = model::rows(60).split_off(2);
        new.truncate(10);
        rows.splice(0..0, new);
    })
    .await
    .unwrap();
    assert_eq!(got, before);

    let (world, service) = self::world(50).await;
    let mut pages = service.client().list_backups().name_like("nightly").limit(5).prefetch(false).pages();
    let expected: Vec<_> = world
        .lock()
        .unwrap()
        .iter()
        .filter(|row| row.name.as_ref().is_some_and(|n| n.contains("nightly")))
        .map(|row| row.id.clone())
        .collect();
    let mut got = Vec::new();
    while let Some(page) = pages.try_next().await.unwrap() {
        // The marker itself is renamed: it still is a place to go on from.
        if let Some(row) = world.lock().unwrap().iter_mut().find(|row| Some(row.id.as_str()) == page.next_marker()) {
            row.name = Some("renamed".to_owned());
        }
        got.extend(page.into_iter().map(|row| row.id));
    }
    assert_eq!(got, expected);
}

/// A marker of the caller's is his own to mend.
#[tokio::test]
async fn a_404_for_the_callers_own_marker_stays_a_404() {
    let (world, service) = world(50).await;
    let before = all(&world);
    delete(&world, &before[9..10]);
    let request = service.client().list_backups().limit(10).marker(&before[9]);
    let error = request.items().try_next().await.unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
    assert!(error.fault().unwrap().message.contains(&before[9]));
    assert_eq!(service.seen().len(), 1);
}

/// The route is gone, not the marker: there is no looking for another one.
#[tokio::test]
async fn a_404_that_is_not_about_the_marker_stays_a_404() {
    for body in [
        r#"{"itemNotFound":{"code":404,"message":"Project p could not be found."}}"#,
        "",
        "<html>404</html>",
        r#"{"code":"404 Not Found","title":"Not Found","message":"The resource could not be found."}"#,
    ] {
        let service = Service::start(move |request, number| match number {
            0 => request.page(&page(&["a", "b", "c"], Some("marker=c"))),
            _ => request.answer(404, body),
        })
        .await;
        let error = service.client().list_backups().pages().try_collect::<Vec<_>>().await.unwrap_err();
        assert!(error.is_not_found(), "{error:?}");
        assert_eq!(service.seen().len(), 2, "{body}");
    }
}

/// VBS has its own faults, without Cinder's names.
#[tokio::test]
async fn a_404_about_the_marker_in_another_shape() {
    let service = Service::start(|request, _| match request.get("marker") {
        None => request.page(&page(&["a", "b", "c"], Some("marker=c"))),
        Some("c") => request.answer(404, r#"{"error":{"message":"backup c not found","code":"VolumeBackup.0123"}}"#),
        Some("b") => request.page(&page(&["d"], None)),
        other => panic!("{other:?}"),
    })
    .await;
    let rows: Vec<_> = service.client().list_backups().items().try_collect().await.unwrap();
    assert_eq!(ids(&rows), ["a", "b", "c", "d"]);
}

/// Faults on the way to another place are what they are.
#[tokio::test]
async fn a_fault_while_looking_for_the_place_ends_the_walk() {
    let service = Service::start(|request, _| match request.get("marker") {
        None => request.page(&page(&["a", "b", "c"], Some("marker=c"))),
        Some("c") => request.answer(404, r#"{"itemNotFound":{"code":404,"message":"Backup c could not be found."}}"#),
        _ => request.answer(403, ""),
    })
    .await;
    let error = service.client().list_backups().pages().try_collect::<Vec<_>>().await.unwrap_err();
    assert!(error.is_forbidden(), "{error:?}");

    let service = Service::start(|request, _| match request.get("marker") {
        None => request.page(&page(&["a", "b", "c"], Some("marker=c"))),
        Some("c") => request.answer(404, r#"{"itemNotFound":{"code":404,"message":"Backup c could not be found."}}"#),
        _ => request.answer(404, "<html>no such page</html>"),
    })
    .await;
    let error = service.client().list_backups().pages().try_collect::<Vec<_>>().await.unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
    assert_eq!(service.seen().len(), 3, "that b is gone was not said");
}

/// One part of the service says that the marker is gone, another one still has it.
#[tokio::test]
async fn a_service_of_two_minds_gives_no_row_twice() {
    let service = Service::start(|request, _| match request.get("marker") {
        None => request.page(&page(&["a", "b", "c"], Some("marker=c"))),
        Some("c") => request.answer(404, r#"{"itemNotFound":{"code":404,"message":"Backup c could not be found."}}"#),
        _ => request.page(&page(&["c", "d"], None)),
    })
    .await;
    let mut items = service.client().list_backups().items();
    for id in ["a", "b", "c"] {
        assert_eq!(items.try_next().await.unwrap().unwrap().id, id);
    }
    let error = items.try_next().await.unwrap_err();
    assert!(matches!(error, Error::Pagination { .. }), "{error:?}");
}

#[tokio::test]
async fn a_place_that_is_lost_behind_an_empty_page() {
    let gone = r#"{"itemNotFound":{"code":404,"message":"Backup b2 could not be found."}}"#;
    let service = Service::start(move |request, number| match (number, request.get("marker")) {
        (0, None) => request.page(&page(&["a", "b"], Some("marker=b"))),
        (1, Some("b")) => request.page(&page(&[], Some("marker=b2"))),
        (2, Some("b2")) => request.answer(404, gone),
        (3, Some("b")) => request.page(&page(&["c"], None)),
        other => panic!("{other:?}"),
    })
    .await;
    let rows: Vec<_> = service.client().list_backups().items().try_collect().await.unwrap();
    assert_eq!(ids(&rows), ["a", "b", "c"]);
}

/// The page's deadline holds for looking for the place, too.
#[tokio::test]
async fn looking_for_the_place_has_the_pages_deadline() {
    let service = Service::start(|request, _| match request.get("marker").map(str::to_owned) {
        None => {
            let ids: Vec<_> = (0..200).map(|id| format!("row-{id}")).collect();
            request.page(&page(&ids.iter().map(String::as_str).collect::<Vec<_>>(), Some("marker=row-199")))
        }
        Some(marker) => {
            std::thread::sleep(std::time::Duration::from_millis(20));
            request.answer(
                404,
                format!(r#"{{"itemNotFound":{{"code":404,"message":"Backup {marker} could not be found."}}}}"#),
            )
        }
    })
    .await;
    let client = service.builder().page_deadline(std::time::Duration::from_millis(400)).build().unwrap();
    let error = client.list_backups().pages().try_collect::<Vec<_>>().await.unwrap_err();
    assert!(matches!(error, Error::PageDeadline { .. }), "{error:?}");
    assert!(service.seen().len() < 50, "{}", service.seen().len());
}

/// From the caller's marker on, the rows that his offset skips would come back.
#[tokio::test]
async fn a_first_page_behind_an_offset_that_is_deleted_has_no_place_to_take_it_up_at() {
    for (offset, place) in [(0, true), (3, false)] {
        let (world, service) = world(50).await;
        let before = all(&world);
        let request = service.client().list_backups().limit(10).marker(&before[4]).offset(offset).prefetch(false);
        let mut pages = request.pages();
        let first = pages.try_next().await.unwrap().unwrap();
        delete(&world, &ids(&first).into_iter().map(str::to_owned).collect::<Vec<_>>());
        let error = pages.try_next().await.unwrap_err();
        assert!(matches!(error, Error::Pagination { .. }), "{error:?}");
        assert_eq!(error.resume_marker(), place.then_some(before[4].as_str()));
    }
}

/// Where links have offsets only, the marker stays the caller's, and so does its loss.
#[tokio::test]
async fn a_callers_marker_that_is_deleted_is_not_replaced() {
    let gone = r#"{"itemNotFound":{"code":404,"message":"Backup m could not be found."}}"#;
    let service = Service::start(move |request, _| match (request.get("marker"), request.get("offset")) {
        (Some("m"), None) => request.page(&page(&["a", "b"], Some("limit=2&offset=2"))),
        (Some("m"), _) => request.answer(404, gone),
        _ => request.page(&page(&["e"], None)),
    })
    .await;
    let mut items = service.client().list_backups().limit(2).marker("m").items();
    assert_eq!(items.try_next().await.unwrap().unwrap().id, "a");
    assert_eq!(items.try_next().await.unwrap().unwrap().id, "b");
    assert!(items.try_next().await.unwrap_err().is_not_found());
    assert_eq!(service.seen().len(), 2);
}
