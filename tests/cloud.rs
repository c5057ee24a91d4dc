//! Against the real Cinder and the real Keystone: `tests/cloud/cloud.sh run cargo test --test cloud -- --ignored`.
//!
//! Every response passes a proxy that validates it against the contract's schemas.

#[path = "cloud/database.rs"]
mod database;
#[path = "support/http.rs"]
mod http;
#[path = "support/lists.rs"]
#[allow(dead_code, unused_macros, unused_imports, reason = "the suite uses all of it")]
mod lists;
#[path = "cloud/mock.rs"]
mod mock;
#[path = "support/openapi.rs"]
mod openapi;
#[path = "cloud/openstacksdk.rs"]
mod openstacksdk;
#[path = "cloud/sign_in.rs"]
mod sign_in;
#[path = "support/cloud.rs"]
mod support;

use futures::{StreamExt, TryStreamExt};
use lists::{Listed, test_both_lists};
use serde_json::{Value, json};
use support::{Cloud, http_client, token, var};
use vbs_client::jiff::Timestamp;
use vbs_client::{BackupDetail, Client, ClientBuilder, Cursor, Error, ListBackups, Microversion, Page};

const ROWS: usize = 2500;

/// How the cloud was seeded: the name of row `i`, of which the newest is listed first.
fn seeded_name(i: usize) -> Option<String> {
    match i % 7 {
        0 => None,
        _ if i % 2 == 1 => Some(format!("nightly-{i:05}")),
        _ => Some(format!("weekly-{i:05}")),
    }
}

fn seeded_status(i: usize) -> &'static str {
    match i % 3 {
        0 => ["available", "error", "restoring", "creating", "deleting", "error_deleting"][i / 3 % 6],
        _ => "available",
    }
}

struct Row {
    id: String,
    name: Option<String>,
    status: String,
    volume_id: String,
}

/// The service where fuzzy filters are not enabled for plain users, and links name an address where
/// nobody listens.
async fn strict() -> Cloud {
    Cloud::of(&var("CLOUD_STRICT_ENDPOINT")).await
}

async fn refused(builder: ClientBuilder) -> Error {
    builder.build().unwrap().list_backups().send().await.unwrap_err()
}

/// All rows with all their fields, requested from Cinder by hand and without a filter.
async fn truth() -> Vec<Row> {
    let token = token("demo", "demo").await;
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let marker = rows.last().map(|row| format!("&marker={}", row.id)).unwrap_or_default();
        let url = format!("{}/v3/{}/backups/detail?limit=1000{marker}", var("VBS_ENDPOINT"), var("OS_PROJECT_ID"));
        let response = http_client().get(url).header("X-Auth-Token", &token).send().await.unwrap();
        let page: Value = response.json().await.unwrap();
        let page = page["backups"].as_array().unwrap().clone();
        if page.is_empty() {
            break;
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        rows.extend(page.iter().map(|row| Row {
            id: text(&row["id"]).unwrap(),
            name: text(&row["name"]),
            status: text(&row["status"]).unwrap(),
            volume_id: text(&row["volume_id"]).unwrap(),
        }));
    }
    assert_eq!(rows.len(), ROWS);
    for (row, i) in rows.iter().zip((0..ROWS).rev()) {
        assert_eq!((row.name.clone(), row.status.as_str()), (seeded_name(i), seeded_status(i)));
    }
    rows
}

async fn ids<T: Listed>(request: &ListBackups<T>) -> Vec<String> {
    request.items().map_ok(Listed::id).try_collect().await.unwrap()
}

test_both_lists!(
    #[ignore = "needs the cloud"]
    every_row_comes_once_and_in_order_at_any_page_size,
    #[ignore = "needs the cloud"]
    an_offset_skips_rows_once,
    #[ignore = "needs the cloud"]
    pagination_starts_at_a_marker,
    #[ignore = "needs the cloud"]
    every_filter_and_its_fuzzy_twin_match_the_database,
);

async fn every_row_comes_once_and_in_order_at_any_page_size<T: Listed>() {
    let cloud = Cloud::plain().await;
    let client = cloud.client().await;
    let expected: Vec<_> = truth().await.into_iter().map(|row| row.id).collect();
    for limit in [37, 100, 999, 1000, 1250, 2500, 100_000] {
        for concurrency in [1, 4] {
            let request = T::request(&client).limit(limit).concurrency(concurrency);
            assert_eq!(ids(&request).await, expected, "limit {limit}, concurrency {concurrency}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn every_summary_row_has_its_name_and_links() {
    let cloud = Cloud::plain().await;
    let rows: Vec<_> = cloud.client().await.list_backups().items().try_collect().await.unwrap();
    let names: Vec<_> = rows.iter().map(|row| row.name.clone()).collect();
    assert_eq!(names, (0..ROWS).rev().map(seeded_name).collect::<Vec<_>>());
    assert!(rows.iter().all(|row| row.links.len() == 2 && row.links[0].rel == "self"));
}

/// All rows of the project with all their fields, as the database has them, in the order of the list.
fn database() -> Vec<Value> {
    serde_json::from_slice(&database::run(&["rows", &var("OS_PROJECT_ID")], &json!([]))).unwrap()
}

/// Each field of a backup is what the database has, where the microversion has the field.
fn check_details(backup: &BackupDetail, row: &Value, version: Microversion, shows_owner: bool) {
    let text = |field: &str| row[field].as_str().map(str::to_owned);
    let time = |field: &str| text(field).map(|time| (time.replace(' ', "T") + "Z").parse::<Timestamp>().unwrap());
    let number = |field: &str| row[field].as_u64().unwrap_or(0);
    let since = |minor| version >= Microversion::new(3, minor);
    assert_eq!(Some(&backup.id), text("id").as_ref());
    assert_eq!(backup.name, text("display_name"), "{row}");
    assert_eq!(Some(backup.status.as_str()), row["status"].as_str(), "{row}");
    assert_eq!(backup.size, number("size"), "{row}");
    assert_eq!(backup.object_count, number("object_count"), "{row}");
    assert_eq!(Some(backup.created_at), time("created_at"), "{row}");
    assert_eq!(backup.updated_at, time("updated_at"), "{row}");
    assert_eq!(backup.data_timestamp, time("data_timestamp"), "{row}");
    assert_eq!(Some(&backup.volume_id), text("volume_id").as_ref(), "{row}");
    assert_eq!(backup.description, text("display_description"), "{row}");
    assert_eq!(backup.availability_zone, text("availability_zone"), "{row}");
    assert_eq!(backup.container, text("container"), "{row}");
    assert_eq!(backup.fail_reason, text("fail_reason"), "{row}");
    assert_eq!(backup.is_incremental, text("parent_id").is_some(), "{row}");
    assert_eq!(backup.has_dependent_backups, number("num_dependent_backups") > 0, "{row}");
    assert_eq!(backup.snapshot_id, text("snapshot_id"), "{row}");
    let metadata = if since(43) { row["metadata"].clone() } else { serde_json::json!({}) };
    assert_eq!(serde_json::to_value(&backup.metadata).unwrap(), metadata, "{row}");
    // The key that a key manager without keys has for all volumes is not shown.
    let key = text("encryption_key_id").filter(|key| since(64) && key != "00000000-0000-0000-0000-000000000000");
    assert_eq!(backup.encryption_key_id, key, "{row}");
    assert_eq!(backup.user_id, text("user_id").filter(|_| shows_owner && since(56)), "{row}");
    assert_eq!(backup.project_id, text("project_id").filter(|_| shows_owner && since(18)), "{row}");
    let links: Vec<_> = backup.links.iter().map(|link| (link.rel.as_str(), link.href.ends_with(&backup.id))).collect();
    assert_eq!(links, [("self", true), ("bookmark", true)], "{row}");
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn every_detail_of_every_row_matches_the_database() {
    let rows = database();
    assert_eq!(rows.len(), ROWS);
    for (cloud, shows_owner) in [(Cloud::plain().await, false), (strict().await, true)] {
        let client = cloud.client().await;
        // The first microversion and the last one, and each that adds a field, with the one before it.
        for minor in [0, 71, 17, 18, 42, 43, 55, 56, 63, 64] {
            let version = Microversion::new(3, minor);
            let rows = if [0, 71].contains(&minor) { &rows[..] } else { &rows[..100] };
            let request = client.list_backups_detail().microversion(version);
            let page = request.clone().limit(100).send().await.unwrap();
            assert_eq!(page.microversion(), Some(version));
            let backups: Vec<_> = request.items().take(rows.len()).try_collect().await.unwrap();
            assert_eq!(backups.len(), rows.len());
            backups.iter().zip(rows).for_each(|(backup, row)| check_details(backup, row, version, shows_owner));
        }
        assert_eq!(client.list_backups_detail().count().await.unwrap(), ROWS as u64);
    }
    // Every field that can be null is in some rows, and is not in others.
    for field in [
        "display_name",
        "display_description",
        "updated_at",
        "data_timestamp",
        "availability_zone",
        "container",
        "fail_reason",
        "snapshot_id",
        "parent_id",
        "encryption_key_id",
    ] {
        assert!(rows.iter().any(|row| row[field].is_null()) && rows.iter().any(|row| !row[field].is_null()), "{field}");
    }
}

async fn an_offset_skips_rows_once<T: Listed>() {
    let cloud = Cloud::plain().await;
    let client = cloud.client().await;
    let all = ids(&T::request(&client)).await;
    for (limit, offset, left) in
        [(100, 30, 2470), (100, 0, 2500), (1000, 999, 1501), (1000, 2499, 1), (1000, 2500, 0), (1000, 2_147_483_647, 0)]
    {
        for concurrency in [1, 4] {
            let got = ids(&T::request(&client).limit(limit).offset(offset).concurrency(concurrency)).await;
            assert_eq!(got.len(), left, "limit {limit}, offset {offset}, concurrency {concurrency}");
            assert_eq!(got, all[ROWS - left..]);
        }
    }
}

async fn pagination_starts_at_a_marker<T: Listed>() {
    let cloud = Cloud::plain().await;
    let client = cloud.client().await;
    let all = ids(&T::request(&client)).await;
    assert_eq!(ids(&T::request(&client).limit(300).marker(&all[999])).await, all[1000..]);
    assert_eq!(ids(&T::request(&client).limit(300).marker(&all[999]).offset(7)).await, all[1007..]);
    assert_eq!(ids(&T::request(&client).limit(30).marker(&all[999]).offset(7).concurrency(5)).await, all[1007..]);
    assert!(ids(&T::request(&client).marker(&all[ROWS - 1])).await.is_empty());

    // Resumed where one page ended.
    let request = T::request(&client).limit(100).offset(30);
    let page = request.send().await.unwrap();
    assert_eq!(page.next_marker(), Some(all[129].as_str()));
    let cursor = page.cursor().unwrap().clone();
    assert_eq!(ids(&request.resume_at(cursor.clone())).await, all[130..]);
    // Also in the other list.
    assert_eq!(ids(&client.list_backups().resume_at(cursor.clone())).await, all[130..]);
    assert_eq!(ids(&client.list_backups_detail().resume_at(cursor)).await, all[130..]);
}

async fn every_filter_and_its_fuzzy_twin_match_the_database<T: Listed>() {
    let cloud = Cloud::plain().await;
    let client = cloud.client().await;
    let truth = truth().await;
    let volume = truth[7].volume_id.clone();
    let part = &volume[3..11];
    let contains = |name: &Option<String>, part: &str| name.as_ref().is_some_and(|name| name.contains(part));
    type Fits<'a> = Box<dyn Fn(&Row) -> bool + 'a>;
    let all = T::request(&client);
    let cases: Vec<(ListBackups<T>, Fits)> = vec![
        (all.clone().name("nightly-02499"), Box::new(|row| row.name.as_deref() == Some("nightly-02499"))),
        (all.clone().name("nightly"), Box::new(|_| false)),
        (all.clone().name_like("nightly"), Box::new(|row| contains(&row.name, "nightly"))),
        (all.clone().name_like("NIGHTLY"), Box::new(|row| contains(&row.name, "nightly"))),
        (all.clone().name_like("t%-01"), Box::new(|row| contains(&row.name, "nightly-01"))),
        (all.clone().name_like("-0_499"), Box::new(|row| row.name.as_ref().is_some_and(|name| name.ends_with("499")))),
        (all.clone().name_like(""), Box::new(|row| row.name.is_some())),
        (
            all.clone().name("weekly-00010").name_like("week"),
            Box::new(|row| row.name.as_deref() == Some("weekly-00010")),
        ),
        (all.clone().name("weekly-00010").name_like("night"), Box::new(|_| false)),
        (all.clone().status("available"), Box::new(|row| row.status == "available")),
        (all.clone().status("error"), Box::new(|row| row.status == "error")),
        (all.clone().status("restoring"), Box::new(|row| row.status == "restoring")),
        (all.clone().status("creating"), Box::new(|row| row.status == "creating")),
        (all.clone().status("deleting"), Box::new(|row| row.status == "deleting")),
        (all.clone().status("error_deleting"), Box::new(|row| row.status == "error_deleting")),
        (all.clone().status("error_restoring"), Box::new(|_| false)),
        (all.clone().status_like("err"), Box::new(|row| row.status.starts_with("error"))),
        (all.clone().status_like("deleting"), Box::new(|row| row.status.ends_with("deleting"))),
        (all.clone().volume_id(&volume), Box::new(|row| row.volume_id == volume)),
        (all.clone().volume_id(part), Box::new(|_| false)),
        (all.clone().volume_id_like(part), Box::new(|row| row.volume_id.contains(part))),
        (
            all.clone().name_like("night").status_like("err").volume_id_like("-4"),
            Box::new(|row| {
                contains(&row.name, "night") && row.status.starts_with("error") && row.volume_id.contains("-4")
            }),
        ),
        // Nothing of a value is lost or taken for more than a value.
        (all.clone().name("a b&limit=1;c=d+e#f/\u{e9}~%?"), Box::new(|_| false)),
        (all.clone().name_like("&status=error"), Box::new(|_| false)),
    ];
    for (request, fits) in cases {
        let expected: Vec<_> = truth.iter().filter(|row| fits(row)).map(|row| row.id.clone()).collect();
        assert_eq!(ids(&request.clone().limit(100)).await, expected, "{request:?}");
        assert_eq!(ids(&request.clone().limit(100).concurrency(3)).await, expected, "{request:?}");
        assert_eq!(request.count().await.unwrap(), expected.len() as u64, "{request:?}");
    }
}

/// What this client protects from: the same request by hand, without the header.
#[tokio::test]
#[ignore = "needs the cloud"]
async fn without_the_microversion_a_fuzzy_filter_is_ignored() {
    let url = format!("{}/v3/{}/backups?limit=1000&name~=no-such-name", var("VBS_ENDPOINT"), var("OS_PROJECT_ID"));
    let token = token("demo", "demo").await;
    for (version, rows) in [(None, 1000), (Some("volume 3.30"), 1000), (Some("volume 3.31"), 0)] {
        let mut request = http_client().get(&url).header("X-Auth-Token", &token);
        if let Some(version) = version {
            request = request.header("OpenStack-API-Version", version);
        }
        let page: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(page["backups"].as_array().unwrap().len(), rows, "{version:?}");
    }
    assert!(ids(&Cloud::plain().await.client().await.list_backups().name_like("no-such-name")).await.is_empty());
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn count_and_with_count_match_the_database() {
    let cloud = Cloud::plain().await;
    let client = cloud.client().await;
    assert_eq!(client.list_backups().count().await.unwrap(), 2500);
    assert_eq!(client.list_backups().limit(7).offset(100).count().await.unwrap(), 2500);

    let page = client.list_backups().with_count(true).limit(10).offset(5).name_like("night").send().await.unwrap();
    assert_eq!((page.count, page.backups.len()), (Some(1071), 10));
    assert_eq!(page.microversion(), Some(Microversion::new(3, 45)));
    let page = client.list_backups().with_count(true).limit(0).send().await.unwrap();
    assert_eq!((page.count, page.backups.len(), page.is_last()), (Some(2500), 0, true));

    let pages: Vec<_> = client.list_backups().with_count(true).limit(1000).pages().try_collect().await.unwrap();
    assert_eq!(pages.iter().map(|page| page.backups.len()).collect::<Vec<_>>(), [1000, 1000, 500]);
    assert!(pages.iter().all(|page| page.count == Some(2500)));
    // The first page has a link although it holds all rows.
    let pages: Vec<_> =
        client.list_backups().with_count(true).status("error").limit(139).pages().try_collect().await.unwrap();
    assert_eq!(pages.iter().map(|page| page.backups.len()).sum::<usize>(), 139);
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn microversions_up_to_the_maximum_are_honored() {
    let cloud = Cloud::plain().await;
    let page = cloud.client().await.list_backups().limit(1).send().await.unwrap();
    assert_eq!(page.microversion(), Some(Microversion::new(3, 0)));
    let floor = async |minor| cloud.signed_in().await.microversion(Microversion::new(3, minor)).build().unwrap();
    let page = floor(71).await.list_backups().limit(1).name_like("night").send().await.unwrap();
    assert_eq!(page.microversion(), Some(Microversion::new(3, 71)));
    let error = floor(72).await.list_backups().send().await.unwrap_err();
    assert_eq!(error.status().unwrap(), 406);
    let fault = error.fault().unwrap();
    assert_eq!((fault.kind.as_deref(), fault.code.as_deref()), (Some("computeFault"), Some("406")));
    assert!(
        error.to_string().contains("Version 3.72 is not supported by the API. Minimum is 3.0 and maximum is 3.71."),
        "{error}"
    );
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn refusals_of_the_services_are_reported() {
    let cloud = Cloud::plain().await;
    let demo = token("demo", "demo").await;

    for bad in ["not-a-token", &demo[..demo.len() - 8]] {
        let error = refused(cloud.builder().token(bad)).await;
        assert!(error.is_unauthorized(), "{error:?}");
        assert_eq!(error.fault().unwrap().kind.as_deref(), Some("Unauthorized"));
        assert!(error.request_id().unwrap().starts_with("req-"));
    }
    assert!(refused(cloud.builder()).await.is_unauthorized());

    let error = refused(cloud.credentials_of("roleless", "demo").sign_in().await.unwrap()).await;
    assert!(error.is_forbidden(), "{error:?}");
    assert_eq!(error.fault().unwrap().kind.as_deref(), Some("forbidden"));

    let error = refused(cloud.signed_in().await.project_id(var("CLOUD_OTHER_PROJECT_ID"))).await;
    assert_eq!(error.status().unwrap(), 400);
    assert_eq!(error.fault().unwrap().message, "Malformed request url");

    let credentials = cloud.credentials().endpoint(cloud.endpoint.clone() + "/v3");
    let error = refused(credentials.sign_in().await.unwrap().project_id("no_such-id")).await;
    assert!(error.is_not_found(), "{error:?}");
    let fault = error.fault().unwrap();
    assert_eq!((fault.code.as_deref(), fault.message.as_str()), (Some("404"), "The resource could not be found."));

    let other = cloud.credentials_of("outsider", "other").sign_in().await.unwrap();
    let others = ids(&other.build().unwrap().list_backups()).await;
    assert_eq!(others.len(), 10);
    let client = cloud.client().await;
    for marker in ["00000000-0000-4000-8000-000000000000", "x", &others[0]] {
        let error = client.list_backups().marker(marker).send().await.unwrap_err();
        assert!(error.is_not_found(), "{error:?}");
        assert_eq!(error.fault().unwrap().kind.as_deref(), Some("itemNotFound"));
        assert!(error.to_string().contains(&format!("Backup {marker} could not be found.")), "{error}");
    }
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn a_reader_and_a_catalog_endpoint_may_list() {
    let cloud = Cloud::plain().await;
    let reader = cloud.credentials_of("reader", "demo").sign_in().await.unwrap().build().unwrap();
    assert_eq!(reader.list_backups().count().await.unwrap(), 2500);
    // As a catalog has the endpoint.
    let endpoint = format!("{}/v3/{}", cloud.endpoint, var("OS_PROJECT_ID"));
    let client = cloud.credentials().endpoint(endpoint).sign_in().await.unwrap().build().unwrap();
    assert_eq!(client.list_backups().limit(3).send().await.unwrap().backups.len(), 3);
}

/// The operator has not listed `name~`: the error has to reach the user.
#[tokio::test]
#[ignore = "needs the cloud"]
async fn fuzzy_filters_that_the_operator_has_not_enabled_are_an_error() {
    let cloud = strict().await;
    let all = cloud.client().await.list_backups();
    for (request, name) in [
        (all.clone().name_like("x"), "name~"),
        (all.clone().status_like("x"), "status~"),
        (all.clone().volume_id_like("x"), "volume_id~"),
    ] {
        let error = request.send().await.unwrap_err();
        assert_eq!(error.status().unwrap(), 400);
        assert_eq!(error.fault().unwrap().kind.as_deref(), Some("badRequest"));
        assert!(error.to_string().contains(&format!("Invalid filters {name} are found in query options.")), "{error}");
    }
    assert_eq!(all.status("error").count().await.unwrap(), 139);
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn links_to_an_unreachable_address_do_not_matter() {
    let cloud = strict().await;
    let client = cloud.client().await;
    let rows: Vec<_> = client.list_backups().limit(300).items().try_collect().await.unwrap();
    assert!(rows[0].links[0].href.starts_with("http://127.0.0.1:1/"), "{:?}", rows[0].links);
    let got: Vec<_> = rows.into_iter().map(|row| row.id).collect();
    let plain = Cloud::plain().await;
    assert_eq!(got, ids(&plain.client().await.list_backups()).await);
    assert_eq!(ids(&client.list_backups().limit(100).offset(30)).await.len(), 2470);
}

/// Locked by each test that changes the database: they share a project.
static CHANGES: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Changes Cinder's database, with `project` in the place of `:project`.
fn sql(statement: &str) {
    let statements: Vec<_> = statements(statement).collect();
    database::run(&["execute", &var("CLOUD_CHANGING_PROJECT_ID")], &json!(statements));
}

fn statements(sql: &str) -> impl Iterator<Item = &str> {
    sql.split(';').map(str::trim).filter(|statement| !statement.is_empty())
}

/// The id of a row of the changing project: the higher its number, the newer it is.
fn row(number: usize) -> String {
    format!("{number:08}-0000-4000-8000-000000000000")
}

fn insert(number: usize) -> String {
    let at = format!("2026-02-01 {:02}:{:02}:{:02}.000001", number / 3600, number / 60 % 60, number % 60);
    format!(
        "insert into backups (created_at, deleted, id, volume_id, user_id, project_id, host, display_name, status, size,
         num_dependent_backups, object_count, service) values ('{at}', 0, '{}', 'v', 'u', :project, 'h', 'night', 'available',
         1, 0, 0, 'fake');",
        row(number)
    )
}

fn delete(number: usize) -> String {
    format!("update backups set deleted = 1, deleted_at = created_at where id = '{}';", row(number))
}

/// Lists rows 59 to 0 in pages of 10, and changes the database after the second one.
async fn list_while(change: &str, concurrency: usize) -> Result<Vec<String>, (Vec<String>, Error)> {
    sql(&format!("delete from backups where project_id = :project; {}", (0..60).map(insert).collect::<String>()));
    let cloud = Cloud::plain().await;
    let client = changing(&cloud).await;
    let mut pages = client.list_backups().name_like("night").limit(10).concurrency(concurrency).prefetch(false).pages();
    let mut got = Vec::new();
    let keep = |got: &mut Vec<String>, page: Page| got.extend(page.into_iter().map(|backup| backup.id));
    for number in 1.. {
        match pages.try_next().await {
            Ok(Some(page)) => keep(&mut got, page),
            Ok(None) => break,
            Err(error) => return Err((got, error)),
        }
        if number == 2 {
            sql(change);
        }
    }
    Ok(got)
}

async fn changing(cloud: &Cloud) -> Client {
    cloud.credentials_of("changer", "changing").sign_in().await.unwrap().build().unwrap()
}

fn rows(numbers: impl DoubleEndedIterator<Item = usize>) -> Vec<String> {
    numbers.rev().map(row).collect()
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn a_changing_database_is_listed_right() {
    let _one = CHANGES.lock().await;
    // The second page ends with row 40.
    assert_eq!(list_while(&delete(40), 1).await.unwrap(), rows(0..60), "the marker's backup is deleted");
    let gone: String = (40..49).map(delete).collect();
    assert_eq!(list_while(&gone, 1).await.unwrap(), rows(0..60), "all of the page but its first row");
    let around: String = (35..45).map(delete).collect();
    assert_eq!(list_while(&around, 1).await.unwrap(), rows((0..35).chain(40..60)), "rows on both sides");
    let new: String = (100..120).map(insert).collect();
    assert_eq!(list_while(&new, 1).await.unwrap(), rows(0..60), "new rows are not seen");
    let renamed = format!("update backups set display_name = 'day' where id in ('{}', '{}');", row(40), row(45));
    assert_eq!(list_while(&renamed, 1).await.unwrap(), rows(0..60), "the marker leaves the filter");
    let renamed = format!("update backups set display_name = 'day' where id = '{}';", row(20));
    assert_eq!(list_while(&renamed, 1).await.unwrap(), rows((0..20).chain(21..60)), "a row ahead leaves the filter");
    let all = [&new, &around, &renamed].map(String::as_str).concat();
    assert_eq!(list_while(&all, 1).await.unwrap(), rows((0..20).chain(21..35).chain(40..60)), "all of it at once");
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn deleting_all_rows_of_a_page_is_an_error_to_resume_from() {
    let _one = CHANGES.lock().await;
    let (got, error) = list_while(&(40..50).map(delete).collect::<String>(), 1).await.unwrap_err();
    assert_eq!(got, rows(40..60));
    assert!(matches!(error, Error::Pagination { .. }), "{error:?}");
    assert_eq!(error.cursor(), Some(&Cursor::after(row(50))));
    let cloud = Cloud::plain().await;
    let request = changing(&cloud).await.list_backups().limit(10);
    assert_eq!(ids(&request.clone().resume_at(Cursor::after(row(50)))).await, rows(0..40));

    let error = request.marker(row(45)).send().await.unwrap_err();
    assert!(error.is_not_found(), "the caller's own marker: {error:?}");
}

/// What was read before the change and what after it is not ours to say: all rows that stayed are there,
/// each once and in order.
fn holds(got: &[String], stayed: &[String], context: &str) {
    let mut newest_first = got.to_vec();
    newest_first.sort_by(|a, b| b.cmp(a));
    newest_first.dedup();
    assert_eq!(got, newest_first, "in order, and each once: {context}");
    let of_them: Vec<_> = got.iter().filter(|id| stayed.contains(id)).cloned().collect();
    assert_eq!(of_them, stayed, "{context}");
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn a_changing_database_is_listed_right_at_any_concurrency() {
    let _one = CHANGES.lock().await;
    let gone = |numbers: std::ops::Range<usize>| numbers.map(delete).collect::<String>();
    let new: String = (100..120).map(insert).collect();
    let renamed = format!("update backups set display_name = 'day' where id in ('{}', '{}');", row(40), row(20));
    let all = [&new, &gone(35..45), &renamed].map(String::as_str).concat();
    for (concurrency, (change, left)) in [2, 3, 5].into_iter().cycle().zip([
        (delete(40), 40..41),
        (delete(31), 31..32),
        (delete(5), 5..6),
        (gone(40..49), 40..49),
        (gone(35..45), 35..45),
        (gone(12..20), 12..20),
        (new.clone(), 0..0),
        (renamed.clone(), 20..41),
        (all.clone(), 20..45),
    ]) {
        let context = format!("concurrency {concurrency}, {change}");
        let got = list_while(&change, concurrency).await.unwrap_or_else(|error| panic!("{context}: {error:?}"));
        holds(&got, &rows((0..left.start).chain(left.end..60)), &context);
    }
}

/// Rows come and go all the time.
#[tokio::test]
#[ignore = "needs the cloud"]
async fn a_constantly_changing_database_is_listed_right() {
    const STATEMENTS: usize = 400;
    let _one = CHANGES.lock().await;
    sql(&format!("delete from backups where project_id = :project; {}", (0..300).map(insert).collect::<String>()));
    // Every third row goes, in an order that jumps about, and new ones come.
    let statements = (0..STATEMENTS).map(|i| match i % 4 {
        0 => insert(1000 + i).replace(';', ""),
        _ => delete(i * 37 % 100 * 3).replace(';', ""),
    });
    let arguments = ["execute", &var("CLOUD_CHANGING_PROJECT_ID"), "0.03"];
    let mut changes = database::start(&arguments, &json!(statements.collect::<Vec<_>>()));

    let cloud = Cloud::plain().await;
    let client = changing(&cloud).await;
    let stayed = rows((0..300).filter(|number| number % 3 != 0));
    let mut runs = 0;
    while changes.try_wait().unwrap().is_none() {
        let concurrency = 1 + runs % 5;
        let got = ids(&client.list_backups().limit(10).concurrency(concurrency)).await;
        holds(&got, &stayed, &format!("run {runs}, concurrency {concurrency}"));
        runs += 1;
    }
    assert!(changes.wait().unwrap().success());
    assert!(runs >= 3, "only {runs} runs");
}
