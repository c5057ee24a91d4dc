//! Bad arguments are refused before anything is sent, and named.

use futures::StreamExt;
use vbs_client::{Client, Cursor, Error, ListBackups};

use crate::support::TOKEN;
use crate::support::server::Server;

/// The parameter that is named, and the whole message.
async fn refused(narrow: impl FnOnce(ListBackups) -> ListBackups) -> (String, String) {
    let server = Server::fixed(200, r#"{"backups":[],"count":0}"#).await;
    let request = narrow(server.client().list_backups());
    let errors = [
        request.send().await.unwrap_err(),
        request.pages().next().await.unwrap().unwrap_err(),
        request.items().next().await.unwrap().unwrap_err(),
    ];
    assert!(server.requests().is_empty(), "something was sent");
    let [error, ..] = errors.map(|error| match &error {
        Error::InvalidRequest { parameter, .. } => (parameter.clone(), error.to_string()),
        other => panic!("{other:?}"),
    });
    error
}

#[tokio::test]
async fn a_text_that_is_too_long_is_refused() {
    let at_most = "x".repeat(255);
    let longer = "x".repeat(256);
    let (parameter, message) = refused(|request| request.name_like(&longer)).await;
    assert_eq!(parameter, "name~");
    assert_eq!(message, "invalid parameter name~: it has 256 characters, at most 255 are allowed");
    assert_eq!(refused(|request| request.name(&longer)).await.0, "name");
    assert_eq!(refused(|request| request.status(longer.as_str())).await.0, "status");
    assert_eq!(refused(|request| request.volume_id_like(&longer)).await.0, "volume_id~");

    let server = Server::fixed(200, r#"{"backups":[]}"#).await;
    server.client().list_backups().name(&at_most).send().await.unwrap();
    // Characters count, not bytes.
    server.client().list_backups().name("\u{e9}".repeat(255)).send().await.unwrap();
}

#[tokio::test]
async fn a_nul_character_is_refused() {
    assert_eq!(refused(|request| request.name_like("a\0b")).await.0, "name~");
    assert_eq!(refused(|request| request.status("\0")).await.0, "status");
}

#[tokio::test]
async fn a_number_out_of_range_is_refused() {
    assert_eq!(refused(|request| request.offset(2_147_483_648)).await.0, "offset");
    assert_eq!(refused(|request| request.offset(u32::MAX)).await.0, "offset");
    assert_eq!(refused(|request| request.limit(u32::MAX)).await.0, "limit");
}

#[tokio::test]
async fn an_empty_marker_is_refused() {
    assert_eq!(refused(|request| request.marker("")).await.0, "marker");
    assert_eq!(refused(|request| request.resume_at(Cursor::after(""))).await.0, "marker");
}

/// Some servers drop such a query silently, and respond with every backup.
#[tokio::test]
async fn a_query_that_is_too_long_when_encoded_is_refused() {
    let wide = "\u{20ac}".repeat(200); // 1,800 bytes when encoded, and the name comes on top
    let (parameter, message) = refused(|request| request.status("error").name_like(&wide)).await;
    assert_eq!(parameter, "name~");
    assert!(message.contains("1800"), "{message}");

    // `name=` and 1,795 bytes are just short enough.
    let server = Server::fixed(200, r#"{"backups":[]}"#).await;
    let just = format!("{}xxxx", "\u{20ac}".repeat(199));
    server.client().list_backups().name(&just).send().await.unwrap();
    assert_eq!(server.requests()[0].query.len(), 1800);
    assert_eq!(refused(|request| request.name(format!("{just}x"))).await.0, "name");
}

#[tokio::test]
async fn count_checks_all_parameters() {
    let server = Server::fixed(200, r#"{"backups":[],"count":0}"#).await;
    let request = server.client().list_backups();
    // Parameters that counting does not send are checked, too.
    for request in [
        request.clone().name_like("\0"),
        request.clone().limit(u32::MAX),
        request.clone().marker(""),
        request.offset(u32::MAX),
    ] {
        let error = request.count().await.unwrap_err();
        assert!(matches!(error, Error::InvalidRequest { .. }), "{error:?}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_parameter_by_name_is_checked() {
    let server = Server::fixed(200, r#"{"backups":[]}"#).await;
    let request = || server.client().list_backups();
    for (name, value) in [("limit", "ten"), ("limit", ""), ("limit", "1.5"), ("with_count", "yes"), ("no_such", "x")] {
        match request().parameter(name, value) {
            Err(Error::InvalidRequest { parameter, .. }) => assert_eq!(parameter, name),
            other => panic!("{name}={value}: {other:?}"),
        }
    }
    request().parameter("with_count", "false").unwrap().send().await.unwrap();
    // The default is not sent, and needs no microversion.
    assert_eq!((server.requests()[0].query.as_str(), server.requests()[0].microversion()), ("", None));
}

fn not_built(endpoint: &str, project_id: Option<&str>, token: &str) -> String {
    let mut builder = Client::builder(endpoint).token(token);
    if let Some(project_id) = project_id {
        builder = builder.project_id(project_id);
    }
    match builder.build().unwrap_err() {
        Error::InvalidConfig { setting, .. } => setting.to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn invalid_settings_build_no_client() {
    for endpoint in [
        "",
        "host",
        "host:8776",
        "ftp://host",
        "https://",
        "https://u@host",
        "https://host?q",
        "https://host#f",
        "https://host/v4",
    ] {
        assert_eq!(not_built(endpoint, Some("p"), TOKEN), "endpoint", "{endpoint}");
    }
    for project_id in ["", ".", "..", "a/b", "a\\b", "a b", "a%2Fb", "\u{e9}", "a?b", "%(project_id)s"] {
        assert_eq!(not_built("https://host", Some(project_id), TOKEN), "project_id", "{project_id}");
    }
    assert_eq!(not_built("https://host", None, TOKEN), "project_id");
    assert_eq!(not_built("https://host/v3/p", Some("other"), TOKEN), "project_id");
    assert_eq!(not_built("https://host/v3/%(project_id)s", None, TOKEN), "project_id");
    for token in ["", "a\nb", "a\r\nX-Evil: 1", "a\0", "a ", " a", "a\t", "\u{e9}"] {
        assert_eq!(not_built("https://host", Some("p"), token), "token");
    }
}

/// One page with a limit of zero is valid; a list of such pages would miss every row.
#[tokio::test]
async fn pagination_with_a_limit_of_zero_is_refused() {
    let server = Server::fixed(200, r#"{"backups":[]}"#).await;
    let request = server.client().list_backups().limit(0);
    let error = request.items().next().await.unwrap().unwrap_err();
    assert!(matches!(&error, Error::InvalidRequest { parameter, .. } if parameter == "limit"), "{error:?}");
    assert!(server.requests().is_empty());
    assert!(request.send().await.unwrap().backups.is_empty());
}
