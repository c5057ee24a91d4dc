//! Against the real Cinder and the real Keystone: `tests/cloud/cloud.sh run cargo test --test cloud -- --ignored`.
//! The module `releases` is for each of them; the other tests run on Cinder 22 and later.
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
#[path = "cloud/releases.rs"]
mod releases;
#[path = "support/cloud.rs"]
mod support;

use std::sync::LazyLock;

use futures::TryStreamExt;
use lists::{Listed, test_both_lists};
use releases::sign_in;
use serde_json::{Value, json};
use support::{Cloud, http_client, token, var};
use vbs_client::{Client, ClientBuilder, Cursor, Error, ListBackups, Page};

const ROWS: usize = 2500;

/// The service where fuzzy filters are not enabled for plain users, and links name an address where
/// nobody listens.
async fn strict() -> Cloud {
    Cloud::of(&var("CLOUD_STRICT_ENDPOINT")).await
}

async fn refused(builder: ClientBuilder) -> Error {
    builder.build().unwrap().list_backups().send().await.unwrap_err()
}

async fn ids<T: Listed>(request: &ListBackups<T>) -> Vec<String> {
    request.items().map_ok(Listed::id).try_collect().await.unwrap()
}

/// All rows of the project with all their fields, from the database, in the order of the list.
fn database() -> &'static [Value] {
    // No test changes them.
    static READ: LazyLock<Vec<Value>> =
        LazyLock::new(|| serde_json::from_slice(&database::run(&["rows", &var("OS_PROJECT_ID")], &json!([]))).unwrap());
    &READ
}

test_both_lists!(
    #[ignore = "needs the cloud"]
    every_row_comes_once_and_in_order_at_any_page_size,
);

async fn every_row_comes_once_and_in_order_at_any_page_size<T: Listed>() {
    let cloud = Cloud::plain().await;
    let client = cloud.client().await;
    let expected = releases::database_ids();
    for limit in [37, 999, 1250, 2500, 100_000] {
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
    let database = database();
    let expected = database.iter().map(|row| (row["id"].as_str().unwrap(), row["display_name"].as_str()));
    assert!(rows.iter().map(|row| (row.id.as_str(), row.name.as_deref())).eq(expected));
    assert!(rows.iter().all(|row| row.links.len() == 2 && row.links[0].rel == "self"));
}

/// The danger: the same request by hand, without the header.
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
async fn deleting_all_rows_of_two_pages_and_the_one_before_is_an_error() {
    let _one = CHANGES.lock().await;
    sql(&format!("delete from backups where project_id = :project; {}", (0..60).map(insert).collect::<String>()));
    let cloud = Cloud::plain().await;
    let request = changing(&cloud).await.list_backups().limit(10);
    let mut pages = request.clone().prefetch(false).pages();
    let mut got = Vec::new();
    for _ in 0..3 {
        got.extend(pages.try_next().await.unwrap().unwrap().into_iter().map(|backup| backup.id));
    }
    assert_eq!(got, rows(30..60));
    sql(&(30..=50).map(delete).collect::<String>());
    let error = pages.try_next().await.unwrap_err();
    assert!(matches!(error, Error::Pagination { .. }), "{error:?}");
    assert_eq!(ids(&request.clone().resume_at(Cursor::after(row(51)))).await, rows(0..30));

    let error = request.marker(row(45)).send().await.unwrap_err();
    assert!(error.is_not_found(), "the caller's own marker: {error:?}");
}

/// Which pages are read before the change is left open: all rows that stayed are there, each once and in order.
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

/// Rows are inserted and deleted all the time.
#[tokio::test]
#[ignore = "needs the cloud"]
async fn a_constantly_changing_database_is_listed_right() {
    const STATEMENTS: usize = 400;
    let _one = CHANGES.lock().await;
    sql(&format!("delete from backups where project_id = :project; {}", (0..300).map(insert).collect::<String>()));
    // Every third row is deleted, in mixed order, and new ones are inserted.
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
