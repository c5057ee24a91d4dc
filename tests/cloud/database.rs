//! Cinder's database, by tests/cloud/database.py, and how sqlite and MariaDB differ: a module of tests/cloud.rs.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use vbs_client::{Client, Error, RetryPolicy};

use crate::support::{Cloud, token, var};
use crate::{CHANGES, changing, ids, sql};

/// Starts a command of tests/cloud/database.py on Cinder's database.
pub fn start(arguments: &[&str], input: &Value) -> Child {
    let mut python = Command::new(var("CLOUD_VENV") + "/bin/python");
    python.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cloud/database.py")).arg(var("CLOUD_DATABASE_URL"));
    let mut child = python.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    serde_json::to_writer(child.stdin.take().unwrap(), input).unwrap();
    child
}

/// Runs it, and returns its output.
pub fn run(arguments: &[&str], input: &Value) -> Vec<u8> {
    let output = start(arguments, input).wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", output.status);
    output.stdout
}

fn on_mariadb() -> bool {
    match var("CLOUD_DATABASE").as_str() {
        "sqlite" => false,
        "mariadb" => true,
        other => panic!("{other}"),
    }
}

/// Replaces the backups of the changing project.
fn fill(rows: &Value) {
    sql("delete from backups where project_id = :project");
    run(&["insert", &var("CLOUD_CHANGING_PROJECT_ID")], rows);
}

const SECOND: &str = "2026-02-01 12:00:00.000000";

/// Unique ids in no order.
fn scattered(count: u64) -> Vec<String> {
    let mixed = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (1..=count).map(|i| format!("{:08x}-0000-4000-8000-{:012x}", mixed(i) >> 32, mixed(i) & 0xffff_ffff)).collect()
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn thousands_of_backups_of_one_second_are_listed_by_id() {
    let _one = CHANGES.lock().await;
    let mut expected = scattered(2000);
    let rows = expected.iter().map(|id| json!({"id": id, "display_name": "night", "created_at": SECOND}));
    fill(&rows.collect());
    expected.sort();
    expected.reverse();
    let cloud = Cloud::plain().await;
    let client = changing(&cloud).await;
    let all = client.list_backups();
    for (limit, concurrency) in [(100, 1), (100, 4), (999, 1), (999, 4)] {
        let got = ids(&all.clone().limit(limit).concurrency(concurrency)).await;
        assert_eq!(got, expected, "limit {limit}, concurrency {concurrency}");
    }
    assert_eq!(ids(&all.clone().limit(300).marker(&expected[1499]).offset(7)).await, expected[1507..]);
    assert_eq!(ids(&client.list_backups_detail().limit(800).concurrency(2)).await, expected);

    // The marker's backup, and nine before it, are deleted during the listing.
    for concurrency in [1, 4] {
        let mut pages = all.clone().limit(500).concurrency(concurrency).prefetch(false).pages();
        let mut got: Vec<String> = Vec::new();
        while let Some(page) = pages.try_next().await.unwrap() {
            got.extend(page.into_iter().map(|backup| backup.id));
            if got.len() == 1000 {
                let gone = expected[990..1000].join("', '");
                sql(&format!("update backups set deleted = 1 where id in ('{gone}')"));
            }
        }
        assert_eq!(got, expected, "concurrency {concurrency}");
        sql("update backups set deleted = 0 where project_id = :project");
    }
}

/// Backups with these names, the first one newest.
fn fill_names(names: &[&str]) {
    let row = |(i, name)| {
        json!({
            "id": format!("{i:08}-0000-4000-8000-000000000000"), "display_name": name,
            "created_at": format!("2026-02-01 12:00:{:02}.000000", 59 - i),
        })
    };
    fill(&names.iter().enumerate().map(row).collect());
}

/// The names of the listed backups: with this name, or with one that contains it.
async fn named(client: &Client, exactly: bool, value: &str) -> Result<Vec<String>, Error> {
    let request = client.list_backups().limit(7).concurrency(2);
    let request = if exactly { request.name(value) } else { request.name_like(value) };
    let backups: Vec<_> = request.items().try_collect().await?;
    assert_eq!(request.count().await?, backups.len() as u64, "{request:?}");
    Ok(backups.into_iter().filter_map(|backup| backup.name).collect())
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn names_match_as_the_contract_states_for_each_database() {
    let _one = CHANGES.lock().await;
    let (x, a) = ("x".repeat(255), "\u{e4}".repeat(255));
    #[rustfmt::skip]
    let names = [
        "Z\u{fc}rich", "zurich", "ZURICH", "100%", "100 percent", "a_b", "aXb", r"back\slash", "backslash", r"100\%",
        "trail ", "trail", "", "\u{e9}t\u{e9}", "ete", "e\u{301}te\u{301}", "\u{65e5}\u{672c}", &x, &a,
    ];
    fill_names(&names);
    let zurich = &["Z\u{fc}rich", "zurich", "ZURICH"][..];
    let summer = &["\u{e9}t\u{e9}", "ete"][..];
    let backslashes = &[r"back\slash", r"100\%"][..];
    let percents = &["100%", r"100\%"][..];
    let cloud = Cloud::plain().await;
    let client = changing(&cloud).await;
    // Exactly the name or a part of it, the value, the names on sqlite and on MariaDB.
    for (exactly, value, sqlite, mariadb) in [
        // Case and accents.
        (true, "Z\u{fc}rich", &zurich[..1], zurich),
        (true, "zurich", &zurich[1..2], zurich),
        (true, "ZURICH", &zurich[2..], zurich),
        (false, "z\u{fc}RI", &zurich[..1], zurich),
        (false, "ZURI", &zurich[1..], zurich),
        (true, "ete", &summer[1..], summer),
        (false, "\u{c9}T\u{c9}", &[], summer),
        (true, "e\u{301}te\u{301}", &["e\u{301}te\u{301}"], &["e\u{301}te\u{301}"]),
        // Wildcards.
        (true, "100%", &["100%"], &["100%"]),
        (false, "100%", &["100%", "100 percent", r"100\%"], &["100%", "100 percent", r"100\%"]),
        (true, "a_b", &["a_b"], &["a_b"]),
        (false, "a_b", &["a_b", "aXb"], &["a_b", "aXb"]),
        (true, "%", &[], &[]),
        (true, "_", &[], &[]),
        // A backslash matches itself on sqlite; on MariaDB, it escapes a wildcard.
        (true, r"back\slash", &[r"back\slash"], &[r"back\slash"]),
        (false, r"back\slash", &[r"back\slash"], &["backslash"]),
        (false, r"back\\slash", &[], &[r"back\slash"]),
        (false, r"100\%", &[r"100\%"], &["100%"]),
        (false, r"a\_b", &[], &["a_b"]),
        (false, r"\", backslashes, percents),
        // Blanks at the end.
        (true, "trail", &["trail"], &["trail ", "trail"]),
        (true, "trail ", &["trail "], &["trail ", "trail"]),
        (false, "trail ", &["trail "], &["trail "]),
        (true, "", &[""], &[""]),
        (true, "\u{65e5}\u{672c}", &["\u{65e5}\u{672c}"], &["\u{65e5}\u{672c}"]),
        (false, "\u{672c}", &["\u{65e5}\u{672c}"], &["\u{65e5}\u{672c}"]),
        // The longest name.
        (true, &x, &[&x[..]], &[&x[..]]),
        (false, &x, &[&x[..]], &[&x[..]]),
        (true, &a, &[&a[..]], &[&a[..]]),
        (false, &a, &[&a[..]], &[&a[..]]),
        (false, "", &names, &names),
        (false, "%", &names, &names),
    ] {
        let expected = if on_mariadb() { mariadb } else { sqlite };
        assert_eq!(named(&client, exactly, value).await.unwrap(), expected, "{exactly} {value:?}");
    }
    // The backup itself is always among those with its name.
    for name in names {
        assert!(named(&client, true, name).await.unwrap().iter().any(|found| found == name), "{name:?}");
    }
}

/// Cinder makes its tables in MariaDB with a character set that has no emoji: none can be stored, and
/// a filter with one is an error of the service. An operator can change that; then all emoji are equal.
#[tokio::test]
#[ignore = "needs the cloud"]
async fn emoji_are_listed_or_an_error() {
    let _one = CHANGES.lock().await;
    let cloud = Cloud::plain().await;
    let character_set = |name: &str| {
        sql("delete from backups where project_id = :project");
        sql(&format!("alter table backups modify display_name varchar(255) character set {name}"));
    };
    let names = ["\u{1f600}", "\u{1f4be} nightly", "night"];
    if on_mariadb() {
        character_set("utf8mb3");
        fill_names(&names[2..]);
        let retry = RetryPolicy::default().max_delay(Duration::ZERO);
        let client = cloud.builder().token(token("demo", "demo").await).retry(retry).build().unwrap();
        let error = client.list_backups().name_like("\u{1f600}").send().await.unwrap_err();
        assert_eq!((error.status().unwrap().as_u16(), error.attempts()), (500, 4), "{error:?}");
        assert_eq!(error.fault().unwrap().kind.as_deref(), Some("computeFault"));
        assert!(error.request_id().is_some());
        character_set("utf8mb4");
    }
    let client = changing(&cloud).await;
    let long = "\u{1f600}".repeat(255);
    fill_names(&[names[0], names[1], names[2], &long]);
    let both = &["\u{1f600}", "\u{1f4be} nightly", &long][..];
    let with = |sqlite: &[&str], mariadb: &[&str]| {
        (if on_mariadb() { mariadb } else { sqlite }).iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(named(&client, true, "\u{1f600}").await.unwrap(), ["\u{1f600}"]);
    assert_eq!(named(&client, true, "\u{1f4be}").await.unwrap(), with(&[], &["\u{1f600}"]));
    assert_eq!(named(&client, false, "\u{1f4be}").await.unwrap(), with(&["\u{1f4be} nightly"], both));
    // Encoded, it has 3060 bytes.
    let error = named(&client, true, &long).await.unwrap_err();
    assert!(matches!(error, Error::InvalidRequest { .. }), "{error:?}");
    if on_mariadb() {
        character_set("utf8mb3");
    }
}
