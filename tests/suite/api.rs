//! The API that callers' code relies on: types, predicates, cursors, streams without a crate for streams.

use std::collections::HashSet;
use std::time::Duration;

use vbs_client::mock::{Cinder, rows};
use vbs_client::{Backup, BackupDetail, Client, Cursor, Error, Items, ListBackups, Page, Pages, RetryPolicy};

use crate::support::server::Server;
use crate::support::{ids, page};

#[test]
fn types_can_be_used_in_tasks_and_shared_state() {
    fn shared<T: Send + Sync + 'static>() {}
    fn in_task<T: Send + Unpin + 'static>() {}
    fn future<T: Send + 'static>(_: &T) {}
    shared::<Client>();
    shared::<ListBackups>();
    shared::<ListBackups<BackupDetail>>();
    shared::<Page>();
    shared::<Cursor>();
    shared::<Error>();
    shared::<RetryPolicy>();
    in_task::<Pages>();
    in_task::<Items>();
    in_task::<Items<BackupDetail>>();
    let client = Client::builder("https://host").project_id("p").build().unwrap();
    future(&client.list_backups().send());
    future(&client.list_backups().count());
    future(&client.list_backups().items().try_collect::<Vec<_>>());
}

#[test]
fn a_client_has_its_endpoint_and_its_project() {
    for endpoint in
        ["https://host/volume", "https://host/volume/", "https://host/volume/v3", "https://host/volume/v2/p-1"]
    {
        let client = Client::builder(endpoint).project_id("p-1").build().unwrap();
        assert_eq!((client.endpoint(), client.project_id()), ("https://host/volume", "p-1"));
    }
    let client = Client::builder("http://127.0.0.1:8776/v3/p-2").build().unwrap();
    assert_eq!((client.endpoint(), client.project_id()), ("http://127.0.0.1:8776", "p-2"));
}

#[tokio::test]
async fn a_stream_is_read_without_another_crate() {
    let cinder = Cinder::start(rows(27)).await;
    let request = cinder.client().list_backups().limit(10);
    let mut pages = request.pages();
    let first = pages.try_next().await.unwrap().unwrap();
    assert_eq!(first.backups.len(), 10);
    assert_eq!(pages.try_collect::<Vec<_>>().await.unwrap().len(), 2);

    let mut items = request.items();
    let one = items.try_next().await.unwrap().unwrap();
    let rest: Vec<Backup> = items.try_collect().await.unwrap();
    assert_eq!((one.id.as_str(), rest.len()), (ids(&first)[0], 26));
    let set: HashSet<Backup> = request.items().try_collect().await.unwrap();
    assert_eq!(set.len(), 27);
}

#[tokio::test]
async fn a_listing_is_resumed_by_another_process() {
    let cinder = Cinder::start(rows(27)).await;
    let request = cinder.client().list_backups().limit(10).offset(3);
    let first = request.send().await.unwrap();
    let printed = first.cursor().unwrap().to_string();
    let serialized = serde_json::to_string(first.cursor().unwrap()).unwrap();
    assert_eq!(serialized, format!("{printed:?}"));
    let rest: Vec<_> = request.resume_at(printed.parse().unwrap()).items().try_collect().await.unwrap();
    assert_eq!(ids(&first).len() + ids(&rest).len(), 24);
    assert!(rest.iter().all(|backup| !ids(&first).contains(&backup.id.as_str())));
}

#[tokio::test]
async fn a_page_with_a_broken_link_is_not_the_last() {
    let server = Server::start(|request, _| request.page(&page(&["a"], Some("limit=1")))).await;
    let mut pages = server.client().list_backups().pages();
    let first = pages.try_next().await.unwrap().unwrap();
    assert_eq!((ids(&first), first.is_last(), first.cursor(), first.next_marker()), (vec!["a"], false, None, None));
    assert!(matches!(pages.try_next().await, Err(Error::Pagination { .. })));
    assert!(pages.try_next().await.unwrap().is_none());
}

#[tokio::test]
async fn predicates_distinguish_the_kinds_of_404_and_400() {
    let gone = r#"{"itemNotFound":{"code":404,"message":"Backup b-1 could not be found."}}"#;
    let wrong_project = r#"{"badRequest":{"code":400,"message":"Malformed request url"}}"#;
    let filter = r#"{"badRequest":{"code":400,"message":"Invalid filters name~ are found in query options."}}"#;
    let other =
        r#"{"message":"The resource could not be found.<br /><br />","code":"404 Not Found","title":"Not Found"}"#;
    for (status, body, marker_gone, wrong, invalid) in [
        (404, gone, true, false, false),
        (404, other, false, false, false),
        (400, wrong_project, false, true, true),
        (400, filter, false, false, true),
    ] {
        let error = Server::fixed(status, body).await.client().list_backups().marker("b-1").send().await.unwrap_err();
        assert_eq!(
            (error.is_marker_gone(), error.is_wrong_project(), error.is_invalid_request(), error.is_not_found()),
            (marker_gone, wrong, invalid, status == 404),
            "{body}"
        );
    }
    // The fault names another backup.
    let error = Server::fixed(404, gone).await.client().list_backups().marker("b-2").send().await.unwrap_err();
    assert!(!error.is_marker_gone());
}

#[tokio::test]
async fn an_unknown_parameter_lists_the_known_ones() {
    let server = Server::fixed(200, "{}").await;
    let message = server.client().list_backups().parameter("nmae", "x").unwrap_err().to_string();
    for parameter in ListBackups::parameters() {
        assert!(message.contains(parameter.name()), "{message}");
    }
}

#[tokio::test]
async fn a_missing_count_is_reported() {
    let error = Server::fixed(200, r#"{"backups":[]}"#).await.client().list_backups().count().await.unwrap_err();
    assert!(matches!(error, Error::Undecodable { .. }), "{error:?}");
    assert_eq!(error.to_string(), "the response has no count (request id req-1)");
}

#[tokio::test(start_paused = true)]
async fn a_request_has_a_retry_policy_of_its_own() {
    let server = Server::fixed(503, "").await;
    let policy = RetryPolicy::default().max_attempts(3).initial_delay(Duration::ZERO);
    let error = server.retrying_client().list_backups().retry(policy).send().await.unwrap_err();
    assert_eq!((error.attempts(), server.requests().len()), (3, 3));
}

#[tokio::test]
async fn debug_names_the_request() {
    let server = Server::fixed(200, "{}").await;
    let text = format!("{:?}", server.client().list_backups().name("visible").concurrency(3));
    for part in ["visible", "127.0.0.1", "concurrency: 3"] {
        assert!(text.contains(part), "{text}");
    }
}

/// The example of the guide.
#[test]
fn without_async_a_listing_needs_a_runtime_that_is_driven() {
    let blocking = |items: Items| futures::executor::block_on_stream(items).map(Result::unwrap).count();
    let service = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let cinder = service.block_on(Cinder::start(rows(25)));
    let request = cinder.client().list_backups().limit(10);

    let outside = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| blocking(request.items())));
    assert!(outside.is_err());

    // This runtime has threads of its own.
    let entered = service.enter();
    assert_eq!(blocking(request.items()), 25);
    drop(entered);

    let mut items = request.items();
    let current = crate::support::process::runtime(false);
    let mut listed = 0;
    while current.block_on(items.try_next()).unwrap().is_some() {
        listed += 1;
    }
    assert_eq!(listed, 25);
}
