//! The mock: its rows and their changes, and responses that follow the contract. `tests/cloud.rs` compares it with a
//! real Cinder.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, advance};
use vbs_client::mock::{self, Cinder, ErrorBuilder, Fault, PageBuilder, Row, rows};
use vbs_client::{
    Backup, BackupDetail, BackupStatus, Client, ClientBuilder, Cursor, Error, Microversion, Page, RetryPolicy, jiff,
};

use crate::support::process::{in_own_process_with, runtime};
use crate::support::{ids, list_ids, openapi, row_ids};

const LATEST: Microversion = Microversion::new(3, 71);

async fn one_attempt(cinder: &Cinder) -> Error {
    let client = cinder.builder().retry(RetryPolicy::none()).build().unwrap();
    client.list_backups().send().await.unwrap_err()
}

#[tokio::test]
async fn rows_are_listed_in_their_order_or_by_their_time() {
    let cinder = Cinder::start(["b", "c", "a"].map(Row::new)).await;
    let request = cinder.client().list_backups();
    assert_eq!(list_ids(&request).await, ["b", "c", "a"]);
    cinder.insert(Row::new("d"));
    assert_eq!(list_ids(&request).await, ["d", "b", "c", "a"], "a new one is the newest");
    cinder.insert(Row::new("c").name("renamed"));
    let backups: Vec<_> = request.items().try_collect().await.unwrap();
    assert_eq!(ids(&backups), ["d", "b", "c", "a"], "one that is replaced keeps its place");
    assert_eq!(backups[2].name.as_deref(), Some("renamed"));

    let times = ["2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z", "2020-01-01T00:00:00Z"];
    let created = times.map(|time| time.parse::<jiff::Timestamp>().unwrap());
    let dated = ["a", "b", "c"].into_iter().zip(created).map(|(id, time)| Row::new(id).created_at(time));
    let cinder = Cinder::start(dated).await;
    let request = cinder.client().list_backups_detail();
    assert_eq!(list_ids(&request).await, ["b", "c", "a"]);
    cinder.insert(Row::new("old").created_at("2020-06-01T00:00:00Z".parse().unwrap()));
    assert_eq!(list_ids(&request).await, ["b", "old", "c", "a"]);
}

#[tokio::test]
async fn changes_are_seen_at_once() {
    let cinder = Cinder::start(["b", "a"].map(Row::new)).await;
    let request = cinder.client().list_backups().status("deleting");
    assert_eq!(request.count().await.unwrap(), 0);
    assert!(cinder.set_status("a", "deleting"));
    assert!(cinder.clone().set_status("b", BackupStatus::Deleting));
    assert_eq!(list_ids(&request).await, ["b", "a"]);
    assert!(cinder.delete("b"));
    assert_eq!(list_ids(&request).await, ["a"]);
    assert!(!cinder.delete("b") && !cinder.set_status("b", "error"), "there is none");
}

#[tokio::test]
async fn requests_are_recorded_in_their_order() {
    let cinder = Cinder::start(rows(3)).await;
    let client = cinder.client();
    client.list_backups().name_like("a&b").limit(2).send().await.unwrap();
    client.list_backups_detail().microversion(LATEST).send().await.unwrap();
    client.list_backups().send().await.unwrap();
    let [first, second, third] = &cinder.requests()[..] else { panic!("{:?}", cinder.requests()) };
    assert_eq!(first.parameters, [("limit", "2"), ("name~", "a&b")].map(|(name, value)| (name.into(), value.into())));
    assert_eq!((first.parameter("name~"), first.parameter("name")), (Some("a&b"), None));
    assert_eq!(first.path, format!("/v3/{}/backups", cinder.project_id()));
    assert_eq!(second.path, format!("/v3/{}/backups/detail", cinder.project_id()));
    let versions = [first, second, third].map(|request| request.microversion);
    assert_eq!(versions, [Some(Microversion::new(3, 34)), Some(LATEST), None]);
}

#[tokio::test]
async fn fail_next_fails_that_number_of_requests() {
    let cinder = Cinder::start(rows(3)).await;
    let policy = RetryPolicy::default().initial_delay(Duration::ZERO);
    let client = cinder.builder().retry(policy).build().unwrap();
    cinder.fail_next(2, Fault::status(503));
    assert_eq!(client.list_backups().send().await.unwrap().backups.len(), 3);
    assert_eq!(cinder.requests().len(), 3);

    cinder.fail_next(1, Fault::status(400).message("no"));
    cinder.fail_next(1, Fault::status(500).body("<html>busy</html>"));
    let error = one_attempt(&cinder).await;
    let fault = error.fault().unwrap();
    assert_eq!((fault.kind.as_deref(), fault.message.as_str()), (Some("badRequest"), "no"));
    assert!(error.request_id().is_some_and(|id| id.starts_with("req-")), "{error:?}");
    let error = one_attempt(&cinder).await;
    assert_eq!((error.status().unwrap().as_u16(), error.fault()), (500, None));
    assert!(error.to_string().contains("busy"), "{error}");
    assert_eq!(client.list_backups().count().await.unwrap(), 3);
}

/// Retry-After is longer than the policy's own delay of zero.
#[tokio::test]
async fn retry_after_is_followed() {
    let cinder = Cinder::start(rows(1)).await;
    let policy = RetryPolicy::default().initial_delay(Duration::ZERO);
    cinder.fail_next(1, Fault::status(429).retry_after(3600));
    let client = cinder.builder().retry(policy).page_deadline(Duration::from_secs(10)).build().unwrap();
    // It fails at once: Retry-After exceeds the deadline.
    let error = client.list_backups().send().await.unwrap_err();
    assert_eq!(cinder.requests().len(), 1, "{error:?}");
}

#[tokio::test]
async fn an_expired_token_is_refused_and_a_new_one_is_not() {
    let cinder = Cinder::start(rows(3)).await;
    let with_token = |token: &str| -> ClientBuilder {
        Client::builder(cinder.url()).project_id(cinder.project_id()).token(token).http(|http| http.no_proxy())
    };
    let (client, other) = (cinder.client(), with_token("of-my-own").build().unwrap());
    client.list_backups().send().await.unwrap();
    other.list_backups().send().await.unwrap();
    cinder.expire_token();
    for client in [client, other, with_token("of-my-own").build().unwrap()] {
        let error = client.list_backups().send().await.unwrap_err();
        assert!(error.is_unauthorized(), "{error:?}");
        assert_eq!(error.fault().unwrap().kind.as_deref(), Some("Unauthorized"));
    }
    cinder.client().list_backups().send().await.unwrap();
    with_token("another").build().unwrap().list_backups().send().await.unwrap();

    // An earlier token that was not used counts, too.
    let unused = cinder.client();
    cinder.expire_token();
    assert!(unused.list_backups().send().await.unwrap_err().is_unauthorized());

    let without = Client::builder(cinder.url()).project_id(cinder.project_id()).http(|http| http.no_proxy());
    assert!(without.build().unwrap().list_backups().send().await.unwrap_err().is_unauthorized());
}

#[tokio::test]
async fn a_maximum_limit_and_microversion_are_those_of_the_operator() {
    let rows = rows(35);
    let cinder = Cinder::start(rows.clone()).await;
    cinder.max_limit(10);
    let pages: Vec<_> = cinder.client().list_backups().limit(1000).pages().try_collect().await.unwrap();
    assert_eq!(pages.iter().map(|page| page.backups.len()).collect::<Vec<_>>(), [10, 10, 10, 5]);
    assert_eq!(pages.iter().flat_map(ids).collect::<Vec<_>>(), row_ids(&rows));

    cinder.max_microversion(3, 30);
    let error = cinder.client().list_backups().name_like("night").send().await.unwrap_err();
    assert_eq!(error.status().unwrap(), 406);
    let message = "Version 3.34 is not supported by the API. Minimum is 3.0 and maximum is 3.30.";
    assert_eq!(error.fault().unwrap().message, message);
    cinder.client().list_backups().name("nightly-00001").send().await.unwrap();
}

/// The maxima are those of Cinder 12, 15, 16, 19, 20 and 29.
#[tokio::test]
async fn the_maximum_microversion_selects_the_release() {
    let cinder = Cinder::start(rows(20)).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = async |path: String| {
        let request = http.get(cinder.url() + &path).header("X-Auth-Token", "token");
        let response = request.header("OpenStack-API-Version", "volume latest").send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let project = format!("/v3/{}", cinder.project_id());
    for (maximum, malformed, detail, filter) in [
        (50, 400, false, "Invalid filters \u{e9} are found in query options."),
        (59, 400, false, "Filter keys can only contain ASCII characters."),
        (60, 400, true, "Filter keys can only contain ASCII characters."),
        (66, 400, true, "Filter keys can only contain ASCII characters."),
        (68, 404, true, "Filter keys can only contain ASCII characters."),
        (71, 404, true, "Filter keys can only contain ASCII characters."),
    ] {
        cinder.max_microversion(3, maximum);
        let (status, body) = get("/v3/no_such-id/backups".to_owned()).await;
        assert_eq!((status, body["badRequest"]["message"] == "Malformed request url"), (malformed, malformed == 400));
        let (_, body) = get(format!("{project}/backups/detail?limit=5")).await;
        let next = body["backups_links"][0]["href"].as_str().unwrap();
        assert_eq!(next.contains("/backups/detail?limit=5&marker="), detail, "3.{maximum}: {next}");
        let (status, body) = get(format!("{project}/backups?%C3%A9=1")).await;
        assert_eq!((status, body["badRequest"]["message"].as_str()), (400, Some(filter)), "3.{maximum}");
        // The link's path does not matter.
        let got: Vec<_> = cinder.client().list_backups_detail().limit(7).items().try_collect().await.unwrap();
        assert_eq!(got.len(), 20);
    }
}

/// A mock written by hand does the same.
#[tokio::test]
async fn a_request_by_hand_is_downgraded_silently() {
    let cinder = Cinder::start(rows(20)).await;
    let url = format!("{}/v3/{}/backups?name~=no-such-name", cinder.url(), cinder.project_id());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for (version, rows) in [(None, 20), (Some("volume 3.30"), 20), (Some("volume 3.31"), 0)] {
        let mut request = http.get(&url).header("X-Auth-Token", "token");
        if let Some(version) = version {
            request = request.header("OpenStack-API-Version", version);
        }
        let page: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(page["backups"].as_array().unwrap().len(), rows, "{version:?}");
    }
}

/// The operator has enabled `name~` and its like, which is all that Cinder's documentation says is needed.
#[tokio::test]
async fn an_exact_filter_is_refused_where_only_fuzzy_ones_are_enabled() {
    let cinder = Cinder::start(rows(70)).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/v3/{}/backups?name~=night&status=error", cinder.url(), cinder.project_id());
    let by_hand = async |version: &str| {
        let request = http.get(&url).header("X-Auth-Token", "token").header("OpenStack-API-Version", version);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let client = cinder.client();
    let right: Vec<_> = client.list_backups().name_like("night").status("error").items().try_collect().await.unwrap();
    assert!(!right.is_empty() && right.iter().all(|backup| backup.name.as_ref().unwrap().contains("night")));
    for (version, status) in [("volume 3.31", 400), ("volume 3.33", 400), ("volume 3.34", 200)] {
        let (got, body) = by_hand(version).await;
        assert_eq!(got, status, "{version}");
        if status == 400 {
            let message = "Invalid filters status are found in query options.";
            assert_eq!(body["badRequest"]["message"], message, "{version}");
        } else {
            assert_eq!(body["backups"].as_array().unwrap().len(), right.len());
        }
    }
    // The service is too old, and reports it.
    cinder.max_microversion(3, 33);
    let error = client.list_backups().name_like("night").send().await.unwrap_err();
    assert_eq!(error.status().unwrap(), 406);
}

#[tokio::test]
async fn a_listing_with_offset_and_count_survives_a_fault() {
    let rows = rows(300);
    let cinder = Cinder::start(rows.clone()).await;
    let request = cinder.client().list_backups().limit(20).offset(15).with_count(true);
    for concurrency in [1, 4] {
        cinder.fail_next(1, Fault::status(503).retry_after(0));
        assert_eq!(list_ids(&request.clone().concurrency(concurrency)).await, row_ids(&rows[15..]));
    }
}

#[test]
fn every_response_follows_the_contract() {
    let rows = rows(30);
    let path = "/v3/b23b579f08c84228b9b4673c46f0c442";
    for (list, contract) in [("backups", openapi::SUMMARY), ("backups/detail", openapi::DETAIL)] {
        for (query, header, status) in [
            ("limit=20", None, 200),
            ("limit=20&with_count=true", Some("volume 3.45"), 200),
            ("limit=20&with_count=true", Some("volume 3.71"), 200),
            ("limit=x", None, 400),
            ("colour=red", Some("volume 3.31"), 400),
            ("", Some("volume 3"), 400),
            ("marker=gone", None, 404),
            ("", Some("volume 3.72"), 406),
        ] {
            let path = format!("{path}/{list}");
            let response = mock::respond(&rows, &mock::Settings::default(), &path, query, header);
            assert_eq!(response.status, status, "{query} {header:?}: {response:?}");
            openapi::validate(contract, status, &response.body);
            if status == 200 {
                assert_eq!(response.body["backups"].as_array().unwrap().len(), 20);
                let link = response.body["backups_links"][0]["href"].as_str().unwrap();
                assert!(link.contains(&format!("/{list}?")), "{link}");
            }
        }
    }
    let elsewhere = mock::respond(&rows, &mock::Settings::default(), "/v3/other/backups", "", None);
    openapi::validate(openapi::SUMMARY, elsewhere.status, &elsewhere.body);
}

/// A field that the contract has is a field of the row, and is listed from its microversion on.
#[tokio::test]
async fn every_field_of_the_contract_can_be_set_and_is_listed() {
    let time: jiff::Timestamp = "2026-01-02T03:04:05.678901Z".parse().unwrap();
    let row = Row::new("id")
        .name("name")
        .status("error")
        .size(4096)
        .created_at(time)
        .updated_at(time)
        .volume_id("volume")
        .description("description")
        .availability_zone("az")
        .container("container")
        .object_count(22)
        .fail_reason("reason")
        .is_incremental(true)
        .has_dependent_backups(true)
        .snapshot_id("snapshot")
        .data_timestamp(time)
        .metadata([("key", "value")])
        .user_id("user")
        .encryption_key_id("encryption key")
        .project_id("project");
    let made = serde_json::to_value(BackupDetail::from(row.clone())).unwrap();
    let cinder = Cinder::start([row]).await;
    let contract = openapi::load();
    let properties = contract["components"]["schemas"]["BackupDetail"]["properties"].as_object().unwrap();
    for minor in 0..=71 {
        let version = Microversion::new(3, minor);
        let listed = cinder.client().list_backups_detail().microversion(version).send().await.unwrap();
        let listed = serde_json::to_value(&listed.backups[0]).unwrap();
        for (name, property) in properties.iter().filter(|(name, _)| *name != "links") {
            let since = property["x-openstack"]["min-ver"].as_str().unwrap_or("3.0").parse().unwrap();
            let expected = (version >= since).then(|| &made[name]);
            assert_eq!(listed.get(name), expected, "{name} in {version}");
            assert!(made[name] != Value::Null && made[name] != Value::Bool(false), "{name} was not set");
        }
    }
}

#[test]
fn a_page_is_made_without_a_server() {
    let version = Microversion::new(3, 45);
    let page: Page = PageBuilder::new([Row::new("b").name("n"), Row::new("a")])
        .count(7)
        .cursor(Cursor::after("a"))
        .request_id("req-1")
        .microversion(version)
        .build();
    assert_eq!(ids(&page), ["b", "a"]);
    assert_eq!((page.count, page.next_marker(), page.is_last()), (Some(7), Some("a"), false));
    assert_eq!((page.request_id(), page.microversion()), (Some("req-1"), Some(version)));

    let backups: Vec<Backup> = page.into_iter().collect();
    let last = PageBuilder::new(backups).build();
    assert_eq!((ids(&last), last.is_last(), last.cursor()), (vec!["b", "a"], true, None));
}

#[test]
fn an_error_is_made_without_a_server() {
    let error = ErrorBuilder::status(404)
        .fault("itemNotFound", "404", "Backup x could not be found.")
        .text("text")
        .attempts(2)
        .request_id("req-1")
        .build();
    assert!(error.is_not_found() && !error.is_marker_gone());
    assert_eq!(
        error.to_string(),
        "the service responded 404 Not Found: Backup x could not be found. (2 attempts, request id req-1)"
    );
    assert!(ErrorBuilder::marker_gone("x").build().is_marker_gone());
    let wrong_project = ErrorBuilder::status(400).fault("badRequest", "400", "Malformed request url").build();
    assert!(wrong_project.is_wrong_project());
    let resumable = ErrorBuilder::pagination("deleted").cursor(Cursor::after("x")).build();
    assert_eq!(resumable.cursor(), Some(&Cursor::after("x")));
    let busy = ErrorBuilder::page_deadline(ErrorBuilder::status(503).build()).attempts(3).build();
    assert!(busy.is_timeout() && busy.attempts() == 3);
    assert!(std::error::Error::source(&busy).unwrap().to_string().contains("503"));
    let redirect = ErrorBuilder::redirect(302, "/login").build();
    assert!(redirect.to_string().contains("a redirect to /login"), "{redirect}");
    let html = ErrorBuilder::undecodable("<html>").truncated().request_id("req-1").build();
    assert_eq!(
        html.to_string(),
        "the response is not what was requested (line 1, column 1); it starts with \"<html>\" (request id req-1)"
    );
    let old = ErrorBuilder::microversion_not_honored(LATEST, Microversion::new(3, 0)).build();
    assert_eq!(old.to_string(), "the request needs microversion 3.71, but the service applied 3.0");
    let token = ErrorBuilder::token("no password").build();
    assert_eq!(std::error::Error::source(&token).unwrap().to_string(), "no password");
}

#[test]
fn a_mock_is_clone_debug_send_and_sync() {
    fn anywhere<T: Clone + std::fmt::Debug + Send + Sync + 'static>() {}
    anywhere::<Cinder>();
    anywhere::<Row>();
    anywhere::<Fault>();
    anywhere::<mock::Request>();
    fn sent(_: impl Future<Output = Cinder> + Send) {}
    sent(Cinder::start([]));
}

#[test]
fn too_many_mocks_are_a_panic_that_names_the_remedy() {
    in_own_process_with(
        |command| {
            command.env("HTTPMOCK_MAX_SERVERS", "2");
        },
        || runtime(true).block_on(start_too_many()),
    );
}

async fn start_too_many() {
    let cinders = [Cinder::start([]).await, Cinder::start([]).await];
    let waiting = tokio::spawn(Cinder::start([]));
    advance(Duration::from_secs(20)).await;
    drop(cinders);
    let _cinders = [waiting.await.unwrap(), Cinder::start([]).await];

    let start = Instant::now();
    let one_too_many = tokio::spawn(Cinder::start([]));
    while !one_too_many.is_finished() {
        advance(Duration::from_secs(1)).await;
    }
    assert!(start.elapsed() >= Duration::from_secs(30), "{:?}", start.elapsed());
    let panic = one_too_many.await.unwrap_err().into_panic();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("HTTPMOCK_MAX_SERVERS"), "{message}");
}
