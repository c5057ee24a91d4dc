//! The promises on every release of Cinder and Keystone, against Cinder's database: a module of tests/cloud.rs, in less
//! than two minutes. `CLOUD_CINDER=22 tests/cloud/cloud.sh run cargo test --test cloud releases:: -- --ignored`

#[path = "sign_in.rs"]
pub mod sign_in;

use futures::{StreamExt, TryStreamExt};
use serde_json::Value;
use vbs_client::jiff::Timestamp;
use vbs_client::{BackupDetail, Error, ListBackups, Microversion};

use crate::lists::{Listed, test_both_lists};
use crate::support::{Cloud, http_client, token, var};
use crate::{
    CHANGES, ROWS, changing, database, delete, holds, ids, insert, list_while, refused, row, rows, sql, strict,
};

/// The number of the release, such as 29.
pub fn release() -> u32 {
    var("CLOUD_CINDER").parse().unwrap()
}

/// The highest microversion of the release, as it states it.
pub async fn max_microversion() -> Microversion {
    let versions: Value = http_client().get(var("VBS_ENDPOINT")).send().await.unwrap().json().await.unwrap();
    let v3 = versions["versions"].as_array().unwrap().iter().find(|version| version["id"] == "v3.0").unwrap();
    v3["version"].as_str().unwrap().parse().unwrap()
}

/// Fails unless the release is too old for the request and the error states that.
async fn check_too_new(error: &Error) {
    let max = max_microversion().await;
    assert_eq!(error.status().unwrap(), 406, "{error:?}");
    let fault = error.fault().unwrap();
    assert_eq!((fault.kind.as_deref(), fault.code.as_deref()), (Some("computeFault"), Some("406")));
    let refused = fault.message.strip_prefix("Version ").unwrap().split(' ').next().unwrap();
    assert!(refused.parse::<Microversion>().unwrap() > max, "{error}");
    let message = format!("Version {refused} is not supported by the API. Minimum is 3.0 and maximum is {max}.");
    assert!(error.to_string().contains(&message), "{error}");
}

test_both_lists!(
    #[ignore = "needs the cloud"]
    every_row_comes_once_and_in_order,
    #[ignore = "needs the cloud"]
    an_offset_skips_rows_once,
    #[ignore = "needs the cloud"]
    pagination_starts_at_a_marker,
    #[ignore = "needs the cloud"]
    every_filter_and_its_fuzzy_twin_match_the_database,
);

pub fn database_ids() -> Vec<String> {
    database().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

async fn every_row_comes_once_and_in_order<T: Listed>() {
    let cloud = Cloud::plain().await;
    let client = cloud.client().await;
    let expected = database_ids();
    assert_eq!(expected.len(), ROWS);
    for limit in [100, 1000] {
        for concurrency in [1, 4, 8] {
            let request = T::request(&client).limit(limit).concurrency(concurrency);
            assert_eq!(ids(&request).await, expected, "limit {limit}, concurrency {concurrency}");
        }
    }
}

async fn an_offset_skips_rows_once<T: Listed>() {
    let cloud = Cloud::plain().await;
    let client = cloud.client().await;
    let all = database_ids();
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
    let all = database_ids();
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
    let rows = database();
    let text = |row: &'_ Value, field: &str| row[field].as_str().map(str::to_owned);
    let volume = text(&rows[7], "volume_id").unwrap();
    let part = &volume[3..11];
    /// Of a name, a status and a volume.
    type Fits<'a> = Box<dyn Fn(Option<&str>, &str, &str) -> bool + 'a>;
    let named = |wanted: &'static str| -> Fits<'_> { Box::new(move |name, _, _| name == Some(wanted)) };
    let name_has =
        |part: &'static str| -> Fits<'_> { Box::new(move |name, _, _| name.is_some_and(|name| name.contains(part))) };
    let status_has = |part: &'static str| -> Fits<'_> { Box::new(move |_, status, _| status.contains(part)) };
    let nothing = || -> Fits<'_> { Box::new(|_, _, _| false) };
    let all = T::request(&client);
    let mut cases: Vec<(ListBackups<T>, Fits)> = vec![
        (all.clone().name("nightly-02499"), named("nightly-02499")),
        (all.clone().name("nightly"), nothing()),
        (all.clone().name_like("nightly"), name_has("nightly")),
        (all.clone().name_like("NIGHTLY"), name_has("nightly")),
        (all.clone().name_like("t%-01"), name_has("nightly-01")),
        (all.clone().name_like("-0_499"), Box::new(|name, _, _| name.is_some_and(|name| name.ends_with("499")))),
        (all.clone().name_like(""), name_has("")),
        (all.clone().name("weekly-00010").name_like("week"), named("weekly-00010")),
        (all.clone().name("weekly-00010").name_like("night"), nothing()),
        (all.clone().status_like("err"), status_has("error")),
        (all.clone().status_like("deleting"), status_has("deleting")),
        (all.clone().volume_id(&volume), Box::new(|_, _, id| id == volume)),
        (all.clone().volume_id(part), nothing()),
        (all.clone().volume_id_like(part), Box::new(|_, _, id| id.contains(part))),
        (
            all.clone().name_like("night").status_like("err").volume_id_like("-4"),
            Box::new(|name, status, volume| {
                name.is_some_and(|name| name.contains("night")) && status.starts_with("error") && volume.contains("-4")
            }),
        ),
        // A value is sent completely, and as nothing but a value.
        (all.clone().name("a b&limit=1;c=d+e#f/\u{e9}~%?"), nothing()),
        (all.clone().name_like("&status=error"), nothing()),
    ];
    for wanted in ["available", "error", "restoring", "creating", "deleting", "error_deleting", "error_restoring"] {
        cases.push((all.clone().status(wanted), Box::new(move |_, status, _| status == wanted)));
    }
    for (number, (request, fits)) in cases.into_iter().enumerate() {
        let fits = |row: &&Value| {
            fits(row["display_name"].as_str(), row["status"].as_str().unwrap(), row["volume_id"].as_str().unwrap())
        };
        let expected: Vec<_> = rows.iter().filter(fits).filter_map(|row| text(row, "id")).collect();
        let (limit, concurrency) = [(300, 1), (100, 3)][number % 2];
        let request = request.limit(limit).concurrency(concurrency);
        match request.items().map_ok(Listed::id).try_collect::<Vec<_>>().await {
            Ok(got) => assert_eq!(got, expected, "{request:?}"),
            Err(error) => check_too_new(&error).await,
        }
        match request.count().await {
            Ok(count) => assert_eq!(count, expected.len() as u64, "{request:?}"),
            Err(error) => check_too_new(&error).await,
        }
    }
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
    assert_eq!(backup.object_count, Some(number("object_count")), "{row}");
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
    let metadata = if since(43) { row["metadata"].clone() } else { serde_json::Value::Null };
    assert_eq!(serde_json::to_value(&backup.metadata).unwrap(), metadata, "{row}");
    // Cinder does not show the all-zero key of a key manager without keys.
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
    let (rows, max) = (database(), max_microversion().await);
    assert_eq!(rows.len(), ROWS);
    for (cloud, shows_owner) in [(Cloud::plain().await, false), (strict().await, true)] {
        let client = cloud.client().await;
        // The first microversion and the last one, and each that adds a field, with the one before it.
        for minor in [0, max.minor(), 17, 18, 42, 43, 55, 56, 63, 64] {
            let version = Microversion::new(3, minor);
            let rows = if [0, max.minor()].contains(&minor) { rows } else { &rows[..100] };
            let request = client.list_backups_detail().microversion(version);
            let page = match request.clone().limit(100).send().await {
                Ok(page) => page,
                Err(error) => {
                    check_too_new(&error).await;
                    continue;
                }
            };
            assert_eq!(page.microversion(), Some(version));
            let backups: Vec<_> = request.items().take(rows.len()).try_collect().await.unwrap();
            assert_eq!(backups.len(), rows.len());
            backups.iter().zip(rows).for_each(|(backup, row)| check_details(backup, row, version, shows_owner));
        }
        assert_eq!(client.list_backups_detail().count().await.unwrap(), ROWS as u64);
    }
    // Every field that can be null is null in some rows only.
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
    ] {
        assert!(rows.iter().any(|row| row[field].is_null()) && rows.iter().any(|row| !row[field].is_null()), "{field}");
    }
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

/// Only `name~` and its like are enabled, which is all that Cinder's documentation says is needed. The vendor's
/// microversion for them is 3.31.
#[tokio::test]
#[ignore = "needs the cloud"]
async fn an_exact_filter_beside_a_fuzzy_one_needs_the_contract_s_microversion() {
    let token = token("demo", "demo").await;
    let url = format!("{}/v3/{}/backups?name~=night&status=error", var("VBS_ENDPOINT"), var("OS_PROJECT_ID"));
    let expected: Vec<_> = database()
        .iter()
        .filter(|row| {
            row["status"] == "error" && row["display_name"].as_str().is_some_and(|name| name.contains("night"))
        })
        .map(|row| row["id"].clone())
        .collect();
    for (version, status) in [("volume 3.31", 400), ("volume 3.33", 400), ("volume 3.34", 200)] {
        let request = http_client().get(&url).header("X-Auth-Token", &token).header("OpenStack-API-Version", version);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{version}");
        let body: Value = response.json().await.unwrap();
        if status == 400 {
            let message = "Invalid filters status are found in query options.";
            assert_eq!(body["badRequest"]["message"], message, "{version}");
        } else {
            let got: Vec<_> = body["backups"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect();
            assert_eq!(got, expected);
        }
    }
    let cloud = Cloud::plain().await;
    let request = cloud.client().await.list_backups().name_like("night").status("error");
    assert!(!expected.is_empty());
    assert_eq!(ids(&request).await, expected);
    assert_eq!(request.limit(1).send().await.unwrap().microversion(), Some(Microversion::new(3, 34)));
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn microversions_up_to_the_maximum_are_honored() {
    let (cloud, max) = (Cloud::plain().await, max_microversion().await);
    let page = cloud.client().await.list_backups().limit(1).send().await.unwrap();
    assert_eq!(page.microversion(), Some(Microversion::new(3, 0)));
    let least = async |minor| cloud.signed_in().await.microversion(Microversion::new(3, minor)).build().unwrap();
    let page = least(max.minor()).await.list_backups().limit(1).name_like("night").send().await.unwrap();
    assert_eq!(page.microversion(), Some(max));
    let error = least(max.minor() + 1).await.list_backups().send().await.unwrap_err();
    check_too_new(&error).await;
}

/// The second page ends with row 40.
#[tokio::test]
#[ignore = "needs the cloud"]
async fn a_listing_goes_on_where_the_marker_s_backup_is_deleted() {
    let _one = CHANGES.lock().await;
    for gone in [40..41, 40..49, 40..50, 40..60] {
        let change: String = gone.clone().map(delete).collect();
        assert_eq!(list_while(&change, 1).await.unwrap(), rows(0..60), "{gone:?}");
        let got = list_while(&change, 4).await.unwrap();
        holds(&got, &rows((0..gone.start).chain(gone.end..60)), &format!("{gone:?}"));
    }
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn one_backup_is_shown_as_the_database_and_the_list_have_it() {
    let max = max_microversion().await;
    let own = &database_ids()[0];
    for (cloud, shows_owner) in [(Cloud::plain().await, false), (strict().await, true)] {
        let client = cloud.client().await;
        for version in [Microversion::new(3, 0), Microversion::new(3, 43), max] {
            let list = client.list_backups_detail().microversion(version).limit(20).send().await.unwrap();
            assert_eq!(list.backups.len(), 20);
            for (backup, row) in list.into_iter().zip(database()) {
                let shown = client.show_backup(&backup.id).microversion(version).send().await.unwrap();
                check_details(&shown, row, version, shows_owner);
                assert_eq!((shown.links.len(), shown), (2, backup), "{version}");
            }
        }
        let error =
            client.show_backup(own).microversion(Microversion::new(3, max.minor() + 1)).send().await.unwrap_err();
        check_too_new(&error).await;
    }
    // Another project's, one that is no id, and one whose characters mean something in a URL.
    let cloud = Cloud::plain().await;
    let (client, theirs) = (cloud.client().await, changing(&cloud).await);
    for (client, id) in [(&theirs, own.as_str()), (&client, "no-such-id"), (&client, "a b;c%2f+~:@&=")] {
        let error = client.show_backup(id).send().await.unwrap_err();
        let fault = error.fault().unwrap();
        assert!(error.is_not_found() && !error.is_marker_gone() && error.request_id().is_some(), "{error:?}");
        assert_eq!(fault.kind.as_deref(), Some("itemNotFound"), "{error:?}");
        assert_eq!(fault.message, format!("Backup {id} could not be found."));
    }
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn a_backup_that_was_deleted_is_not_found_when_looked_at_again() {
    let _one = CHANGES.lock().await;
    sql(&format!("delete from backups where project_id = :project; {}", (0..2).map(insert).collect::<String>()));
    let cloud = Cloud::plain().await;
    let client = changing(&cloud).await;
    let listed: Vec<_> = client.list_backups().items().try_collect().await.unwrap();
    assert_eq!(listed.len(), 2);
    sql(&delete(1));
    assert!(client.show_backup(&listed[0].id).send().await.unwrap_err().is_not_found());
    assert_eq!(client.show_backup(&listed[1].id).send().await.unwrap().id, row(0));
}

/// The operator has not enabled `name~` and the like: the error has to reach the user. Links lead nowhere.
#[tokio::test]
#[ignore = "needs the cloud"]
async fn the_strict_service_lists_right_or_refuses_a_filter() {
    let cloud = strict().await;
    let client = cloud.client().await;
    let all = client.list_backups();
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
    assert_eq!(all.clone().status("error").count().await.unwrap(), 139);

    let got: Vec<_> = all.clone().limit(300).items().try_collect().await.unwrap();
    assert!(got[0].links[0].href.starts_with("http://127.0.0.1:1/"), "{:?}", got[0].links);
    let expected = database_ids();
    assert_eq!(got.into_iter().map(|row| row.id).collect::<Vec<_>>(), expected);
    assert_eq!(ids(&all.limit(100).offset(30)).await, expected[30..]);
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

    let roleless = cloud.credentials_of("roleless", "demo").sign_in().await.unwrap();
    if release() < 29 {
        assert_eq!(roleless.build().unwrap().list_backups().count().await.unwrap(), 2500);
    } else {
        let error = refused(roleless).await;
        assert!(error.is_forbidden(), "{error:?}");
        assert_eq!(error.fault().unwrap().kind.as_deref(), Some("forbidden"));
    }

    let error = refused(cloud.signed_in().await.project_id(var("CLOUD_OTHER_PROJECT_ID"))).await;
    assert_eq!(error.status().unwrap(), 400);
    assert_eq!(error.fault().unwrap().message, "Malformed request url");

    let credentials = cloud.credentials().endpoint(cloud.endpoint.clone() + "/v3");
    let error = refused(credentials.sign_in().await.unwrap().project_id("no_such-id")).await;
    let fault = error.fault().unwrap();
    // With Cinder 20, the pattern of a project id became a part of the route.
    let expected = if release() < 20 { "Malformed request url" } else { "The resource could not be found." };
    assert_eq!((error.is_not_found(), fault.message.as_str()), (release() >= 20, expected), "{error:?}");

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

mod mock {
    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs the cloud"]
    async fn responds_as_the_release_does() {
        crate::mock::compare(300).await;
    }
}
