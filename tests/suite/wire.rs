//! What is sent: method, path, query, headers.

use std::sync::Arc;

use vbs_client::{BackupStatus, ListBackups, Microversion};

use crate::support::server::{Request, Server};
use crate::support::{PROJECT_ID, TOKEN, http};

/// Sends a request to a server without backups, and returns what arrived there.
async fn arrives(narrow: impl FnOnce(ListBackups) -> ListBackups) -> Arc<Request> {
    let server = Server::fixed(200, r#"{"backups":[]}"#).await;
    narrow(server.client().list_backups()).send().await.unwrap();
    let mut sent = server.requests();
    assert_eq!(sent.len(), 1);
    sent.remove(0)
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn a_request_without_parameters_sends_only_these_headers() {
    let sent = arrives(|request| request).await;
    assert_eq!(sent.path, format!("/v3/{PROJECT_ID}/backups"));
    assert_eq!(sent.query, "");
    assert_eq!(sent.headers["x-auth-token"], TOKEN);
    assert_eq!(sent.headers["accept"], "application/json");
    assert_eq!(sent.headers["user-agent"], concat!("vbs-client/", env!("CARGO_PKG_VERSION")));
    let mut names: Vec<_> = sent.headers.keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected = ["accept", "accept-encoding", "host", "user-agent", "x-auth-token"];
    assert_eq!(names, expected, "and nothing else");
    assert_eq!(sent.headers["accept-encoding"], "gzip", "the tests' feature");
}

/// Every setter by its name: a parameter's wire name, value and microversion.
#[tokio::test]
async fn each_setter_sends_its_parameter() {
    type Narrow = fn(ListBackups) -> ListBackups;
    let cases: [(Narrow, &str, &str, Option<&str>); 10] = [
        (|r| r.name("a b&c=d+e;f/\u{e9}~%"), "name", "a b&c=d+e;f/\u{e9}~%", None),
        (|r| r.name_like("night%_~"), "name~", "night%_~", Some("volume 3.34")),
        (|r| r.status("error"), "status", "error", None),
        (|r| r.status_like("err"), "status~", "err", Some("volume 3.34")),
        (
            |r| r.volume_id("7d7c6fbe-d7ee-4b4d-8bae-bdd08b5604bb"),
            "volume_id",
            "7d7c6fbe-d7ee-4b4d-8bae-bdd08b5604bb",
            None,
        ),
        (|r| r.volume_id_like("7d7c"), "volume_id~", "7d7c", Some("volume 3.34")),
        (|r| r.limit(100), "limit", "100", None),
        (|r| r.offset(20), "offset", "20", None),
        (|r| r.marker("b3cf7a16-decc-4beb-8077-682737d94a58"), "marker", "b3cf7a16-decc-4beb-8077-682737d94a58", None),
        (|r| r.with_count(true), "with_count", "true", Some("volume 3.45")),
    ];
    for (narrow, name, value, microversion) in cases {
        let sent = arrives(narrow).await;
        assert_eq!(sent.pairs, pairs(&[(name, value)]));
        assert_eq!(sent.microversion(), microversion, "{name}");
    }
}

/// Every parameter of the contract, including those that this file does not name.
#[tokio::test]
async fn each_parameter_of_the_contract_is_sent() {
    for parameter in crate::contract::query_parameters() {
        let name = parameter["name"].as_str().unwrap();
        let value = match &parameter["example"] {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Null => continue,
            other => other.to_string(),
        };
        let sent = arrives(|request| request.parameter(name, &value).unwrap()).await;
        assert_eq!(sent.pairs, pairs(&[(name, &value)]));
        let version = parameter["x-openstack"]["min-ver"].as_str().map(|version| format!("volume {version}"));
        assert_eq!(sent.microversion(), version.as_deref(), "{name}");
    }
}

#[tokio::test]
async fn all_parameters_are_sent_together() {
    let sent = arrives(|request| {
        request
            .name("a")
            .name_like("night")
            .status("error")
            .status_like("err")
            .volume_id("v")
            .volume_id_like("7d7c")
            .limit(100)
            .offset(20)
            .marker("m")
            .with_count(true)
    })
    .await;
    let expected = [
        ("limit", "100"),
        ("marker", "m"),
        ("name", "a"),
        ("name~", "night"),
        ("offset", "20"),
        ("status", "error"),
        ("status~", "err"),
        ("volume_id", "v"),
        ("volume_id~", "7d7c"),
        ("with_count", "true"),
    ];
    assert_eq!(sent.pairs, pairs(&expected));
    assert_eq!(sent.microversion(), Some("volume 3.45"));
}

#[tokio::test]
async fn the_last_value_of_a_parameter_wins() {
    let sent = arrives(|request| request.name("first").limit(1).name("last")).await;
    assert_eq!(sent.pairs, pairs(&[("limit", "1"), ("name", "last")]));
}

#[tokio::test]
async fn a_status_is_sent_as_its_text() {
    for (status, value) in [
        (BackupStatus::ErrorRestoring, "error_restoring"),
        ("available".into(), "available"),
        (String::from("half_done").into(), "half_done"),
    ] {
        assert_eq!(status.as_str(), value);
        assert_eq!(arrives(|request| request.status(status)).await.pairs, pairs(&[("status", value)]));
    }
    assert_eq!(BackupStatus::ErrorRestoring.as_ref(), "error_restoring");
    assert_eq!(BackupStatus::from("x").to_string(), "x");
}

#[tokio::test]
async fn numbers_may_be_parsed_in_place() {
    let sent = arrives(|request| request.limit("7".parse().unwrap()).offset("3".parse().unwrap())).await;
    assert_eq!(sent.pairs, pairs(&[("limit", "7"), ("offset", "3")]));
}

/// The lowest microversion that the request needs or the client has as its minimum.
#[tokio::test]
async fn a_minimum_raises_the_microversion_and_never_lowers_it() {
    for (floor, expected) in [((3, 50), ["volume 3.50"; 3]), ((3, 35), ["volume 3.35", "volume 3.35", "volume 3.45"])] {
        let server = Server::fixed(200, r#"{"backups":[]}"#).await;
        let client = server.builder().microversion(Microversion::new(floor.0, floor.1)).build().unwrap();
        client.list_backups().send().await.unwrap();
        client.list_backups().name_like("x").send().await.unwrap();
        client.list_backups().with_count(true).send().await.unwrap();
        let requests = server.requests();
        assert_eq!(requests.iter().map(|request| request.microversion().unwrap()).collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn endpoints_in_every_form_are_accepted() {
    for (path, project_id, expected) in [
        ("", Some("p"), "/v3/p/backups"),
        ("/", Some("p"), "/v3/p/backups"),
        ("/volume", Some("p"), "/volume/v3/p/backups"),
        ("/volume/", Some("p"), "/volume/v3/p/backups"),
        ("/v3", Some("p"), "/v3/p/backups"),
        ("/v3/", Some("p"), "/v3/p/backups"),
        ("/volume/v3/p-1_A", None, "/volume/v3/p-1_A/backups"),
        ("/v3/p", Some("p"), "/v3/p/backups"),
    ] {
        let server = Server::fixed(200, r#"{"backups":[]}"#).await;
        let mut builder = http::builder(server.endpoint() + path).token(TOKEN);
        if let Some(project_id) = project_id {
            builder = builder.project_id(project_id);
        }
        builder.build().unwrap().list_backups().send().await.unwrap();
        assert_eq!(server.requests()[0].path, expected, "{path:?}");
    }
}
