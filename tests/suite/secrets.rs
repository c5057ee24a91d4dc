//! The token: to the configured endpoint, and nowhere else.

use std::error::Error as _;
use std::fmt::Write;

use futures::{StreamExt, TryStreamExt};
use serde_json::json;
use vbs_client::{Client, Error};

use crate::support::server::{Reply, Server};
use crate::support::{PROJECT_ID, TOKEN, page};

/// A server that must not receive anything.
async fn stranger() -> Server {
    Server::fixed(200, r#"{"backups":[{"id":"stranger","name":null}]}"#).await
}

/// Everything that an error shows.
fn everything(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?} {:?} {:?}", error.fault(), error.request_id());
    let mut source = error.source();
    while let Some(cause) = source {
        write!(text, " {cause} {cause:?}").unwrap();
        source = cause.source();
    }
    text
}

#[tokio::test]
async fn a_link_to_another_host_is_not_followed() {
    let stranger = stranger().await;
    let elsewhere = stranger.endpoint();
    for link in [
        format!("{elsewhere}/v3/{PROJECT_ID}/backups?marker=a"),
        format!("//{}?marker=a", stranger.address),
        format!("http://user:secret@{}/?marker=a", stranger.address),
        format!("{elsewhere}\\@127.0.0.1/?marker=a"),
        format!("https://{}/v3/{PROJECT_ID}/backups?marker=a", stranger.address),
        "/v2/other-project/backups?marker=a".to_owned(),
        "file:///etc/passwd?marker=a".to_owned(),
        "?marker=a".to_owned(),
    ] {
        let server = Server::start(move |request, number| match number {
            0 => {
                let mut first = page(&["a"], None);
                first["backups_links"] = json!([{"rel": "next", "href": link}]);
                request.page(&first)
            }
            _ => request.page(&page(&["b"], None)),
        })
        .await;
        let rows: Vec<_> = server.client().list_backups().items().map_ok(|row| row.id).try_collect().await.unwrap();
        assert_eq!(rows, ["a", "b"]);
        let requests = server.requests();
        assert_eq!(requests.len(), 2);
        assert_eq!(
            (requests[1].path.as_str(), requests[1].query.as_str()),
            (&*format!("/v3/{PROJECT_ID}/backups"), "marker=a")
        );
    }
    assert!(stranger.requests().is_empty(), "{:?}", stranger.requests());
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let stranger = stranger().await;
    for status in [300, 301, 302, 303, 305, 307, 308] {
        let location = format!("{}/v3/{PROJECT_ID}/backups", stranger.endpoint());
        let target = location.clone();
        let server = Server::start(move |_, _| Reply::http(status, &format!("Location: {target}\r\n"), "")).await;
        let settings = server.builder().http(|http| http.redirect(reqwest::redirect::Policy::limited(10)));
        for client in [server.client(), settings.build().unwrap()] {
            let error = client.list_backups().send().await.unwrap_err();
            assert_eq!(error.status().map(|status| status.as_u16()), Some(status));
            assert!(!error.is_retryable());
            let Error::Redirect { location: target, .. } = &error else { panic!("{error:?}") };
            assert_eq!(target.as_ref(), Some(&location));
            let message = error.to_string();
            assert!(message.contains("redirect") && message.contains(&location), "{message}");
        }
        assert_eq!(server.requests().len(), 2);
    }
    assert!(stranger.requests().is_empty(), "{:?}", stranger.requests());
}

#[tokio::test]
async fn a_304_is_no_redirect() {
    let server = Server::start(|_, _| Reply::http(304, "Location: /login\r\n", "")).await;
    let error = server.client().list_backups().send().await.unwrap_err();
    assert!(matches!(error, Error::Status { .. }), "{error:?}");
    assert_eq!(error.to_string(), "the service responded 304 Not Modified");
}

#[tokio::test]
async fn a_redirect_to_the_same_host_is_not_followed_either() {
    let server = Server::start(|_, _| Reply::http(302, "Location: /login\r\n", "")).await;
    let error = server.client().list_backups().send().await.unwrap_err();
    assert!(error.to_string().contains("a redirect to /login"), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_reported_whatever_its_body_and_without_a_location() {
    let server = Server::fixed(302, r#"{"badRequest":{"code":302,"message":"moved"}}"#).await;
    let error = server.client().list_backups().send().await.unwrap_err();
    assert!(
        error.to_string().starts_with("the service responded 302 Found, a redirect, which is not followed"),
        "{error}"
    );
    assert_eq!(error.request_id(), Some("req-1"));
}

#[tokio::test]
async fn debug_output_contains_no_token() {
    let server = Server::model(Vec::new()).await;
    let builder = server.builder();
    let client = server.client();
    let text = format!("{builder:?} {builder:#?} {client:?} {client:#?} {:?}", client.list_backups().name("visible"));
    assert!(!text.contains(TOKEN), "{text}");
    assert!(text.contains("visible") && text.contains(PROJECT_ID) && text.contains("127.0.0.1"), "{text}");
}

/// Even a server that sends it back can't get it into an error.
#[tokio::test]
async fn no_error_contains_the_token() {
    for (status, body) in [
        (500, format!("X-Auth-Token: {TOKEN}")),
        (401, format!(r#"{{"error":{{"code":401,"title":"{TOKEN}","message":"bad token {TOKEN}"}}}}"#)),
        (400, format!(r#"{{"{TOKEN}":{{"code":400,"message":"x"}}}}"#)),
        (403, format!(r#"{{"error_msg":"{TOKEN}","error_code":"{TOKEN}","request_id":"{TOKEN}"}}"#)),
        (302, TOKEN.to_owned()),
        (200, TOKEN.to_owned()),
        (200, format!(r#"{{"backups":"{TOKEN}"}}"#)),
        (200, format!(r#"{{"backups":[{{"id":"a","name":null,"links":"{TOKEN}"}}]}}"#)),
        (200, format!(r#"{{"backups":[],"backups_links":[{{"rel":"next","href":"{TOKEN}"}}]}}"#)),
    ] {
        let server = Server::start(move |_, _| {
            let headers = format!(
                "X-OpenStack-Request-Id: req-{TOKEN}\r\nOpenStack-API-Version: {TOKEN}\r\nLocation: http://127.0.0.1:1/?token={TOKEN}\r\n"
            );
            Reply::http(status, &headers, &body)
        })
        .await;
        let client = server.client();
        let mut errors = vec![client.list_backups().send().await.unwrap_err()];
        errors
            .push(client.list_backups().pages().filter_map(|page| async { page.err() }).boxed().next().await.unwrap());
        errors.push(client.list_backups().name_like("x").send().await.unwrap_err());
        for error in errors {
            let text = everything(&error);
            assert!(!text.contains(TOKEN), "{text}");
        }
        assert!(server.requests().iter().all(|request| request.headers["x-auth-token"] == TOKEN));
    }
}

#[test]
fn an_invalid_token_is_not_shown() {
    let error = Client::builder("https://host").project_id("p").token(format!("{TOKEN}\n")).build().unwrap_err();
    assert!(!everything(&error).contains(TOKEN), "{error:?}");
}

/// Nor where an encoding has put escapes into it, as some do for `/` and `=`.
#[tokio::test]
async fn no_error_contains_an_escaped_token() {
    let token = "MIIFegYJKoZIhvcNAQcCoIIFazCC/abcdefghijklmnopqrstuv+0123456789ABCDEFGHIJ==";
    let part = "MIIFegYJKoZIhvcNAQcCoIIFazCC";
    let escapes = [("/", "\\/"), ("=", "\\u003d"), ("M", "\\u004d"), ("+", "%2B")];
    for escaped in escapes.map(|(character, escape)| token.replace(character, escape)) {
        for (status, body) in [
            (401, format!(r#"{{"error":{{"code":401,"title":"{escaped}","message":"bad {escaped}"}}}}"#)),
            (400, format!(r#"{{"error_msg":"{escaped}","error_code":"{escaped}","request_id":"{escaped}"}}"#)),
            (200, format!(r#"{{"backups":"{escaped}"}}"#)),
        ] {
            let server = Server::start(move |_, _| Reply::http(status, "", &body)).await;
            let client = server.builder().token(token).build().unwrap();
            let text = everything(&client.list_backups().send().await.unwrap_err());
            assert!(!text.contains(part) && !text.contains(token), "{text}");
        }
    }
}
