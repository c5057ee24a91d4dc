//! The token: to the configured endpoint, and nowhere else.

mod common;

use std::error::Error as _;
use std::fmt::Write;

use common::{PROJECT_ID, Service, TOKEN, page};
use futures::{StreamExt, TryStreamExt};
use httpmock::HttpMockResponse;
use serde_json::json;
use vbs_client::{Client, Error};

/// A server that must not hear of anything.
async fn stranger() -> Service {
    Service::fixed(200, r#"{"backups":[{"id":"stranger","name":null}]}"#).await
}

/// All that an error says of itself.
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
async fn a_link_to_another_host_is_not_followed_there() {
    let stranger = stranger().await;
    let elsewhere = stranger.server.base_url();
    for link in [
        format!("{elsewhere}/v3/{PROJECT_ID}/backups?marker=a"),
        format!("//{}?marker=a", stranger.server.address()),
        format!("http://user:secret@{}/?marker=a", stranger.server.address()),
        format!("{elsewhere}\\@127.0.0.1/?marker=a"),
        format!("https://{}/v3/{PROJECT_ID}/backups?marker=a", stranger.server.address()),
        "/v2/other-project/backups?marker=a".to_owned(),
        "file:///etc/passwd?marker=a".to_owned(),
        "?marker=a".to_owned(),
    ] {
        let service = Service::start(move |request, number| match number {
            0 => {
                let mut first = page(&["a"], None);
                first["backups_links"] = json!([{"rel": "next", "href": link}]);
                request.page(&first)
            }
            _ => request.page(&page(&["b"], None)),
        })
        .await;
        let rows: Vec<_> = service.client().list_backups().items().map_ok(|row| row.id).try_collect().await.unwrap();
        assert_eq!(rows, ["a", "b"]);
        let seen = service.seen();
        assert_eq!(seen.len(), 2);
        assert_eq!(
            (seen[1].path.as_str(), seen[1].query.as_str()),
            (&*format!("/v3/{PROJECT_ID}/backups"), "marker=a")
        );
    }
    assert!(stranger.seen().is_empty(), "{:?}", stranger.seen());
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let stranger = stranger().await;
    for status in [300, 301, 302, 303, 304, 305, 307, 308] {
        let location = format!("{}/v3/{PROJECT_ID}/backups", stranger.server.base_url());
        let target = location.clone();
        let service =
            Service::start(move |_, _| HttpMockResponse::builder().status(status).header("location", &target).build())
                .await;
        let settings = service.builder().http(|http| http.redirect(reqwest::redirect::Policy::limited(10)));
        for client in [service.client(), settings.build().unwrap()] {
            let error = client.list_backups().send().await.unwrap_err();
            assert_eq!(error.status().map(|status| status.as_u16()), Some(status));
            assert!(!error.is_retryable());
            let message = error.to_string();
            assert!(message.contains("redirect") && message.contains(&location), "{message}");
        }
        assert_eq!(service.seen().len(), 2);
    }
    assert!(stranger.seen().is_empty(), "{:?}", stranger.seen());
}

#[tokio::test]
async fn a_redirect_to_the_same_host_is_not_followed_either() {
    let service =
        Service::start(|_, _| HttpMockResponse::builder().status(302).header("location", "/login").build()).await;
    let error = service.client().list_backups().send().await.unwrap_err();
    assert!(error.to_string().contains("a redirect to /login"), "{error}");
    assert_eq!(service.seen().len(), 1);
}

#[tokio::test]
async fn a_redirect_says_so_whatever_its_body_and_without_a_target_too() {
    let service = Service::fixed(302, r#"{"badRequest":{"code":302,"message":"moved"}}"#).await;
    let error = service.client().list_backups().send().await.unwrap_err();
    assert!(
        error.to_string().starts_with("the service answered 302 Found: a redirect: redirects are not followed"),
        "{error}"
    );
    assert_eq!(error.request_id(), Some("req-1"));
}

#[tokio::test]
async fn debug_shows_no_token() {
    let service = Service::model(Vec::new()).await;
    let builder = service.builder();
    let client = service.client();
    let text = format!("{builder:?} {builder:#?} {client:?} {client:#?} {:?}", client.list_backups().name("visible"));
    assert!(!text.contains(TOKEN), "{text}");
    assert!(text.contains("visible") && text.contains(PROJECT_ID) && text.contains("127.0.0.1"), "{text}");
}

/// Even a server that sends it back can't get it into an error.
#[tokio::test]
async fn no_error_has_the_token_in_it() {
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
        let service = Service::start(move |_, _| {
            HttpMockResponse::builder()
                .status(status)
                .header("x-openstack-request-id", format!("req-{TOKEN}"))
                .header("openstack-api-version", TOKEN)
                .header("location", format!("http://127.0.0.1:1/?token={TOKEN}"))
                .body(body.as_str())
                .build()
        })
        .await;
        let client = service.client();
        let mut errors = vec![client.list_backups().send().await.unwrap_err()];
        errors
            .push(client.list_backups().pages().filter_map(|page| async { page.err() }).boxed().next().await.unwrap());
        errors.push(client.list_backups().name_like("x").send().await.unwrap_err());
        for error in errors {
            let text = everything(&error);
            assert!(!text.contains(TOKEN), "{text}");
        }
        assert!(service.seen().iter().all(|seen| seen.headers["x-auth-token"] == TOKEN));
    }
}

#[test]
fn a_token_that_no_header_can_carry_is_not_shown() {
    let error = Client::builder("https://host").project_id("p").token(format!("{TOKEN}\n")).build().unwrap_err();
    assert!(!everything(&error).contains(TOKEN), "{error:?}");
}

/// Nor where an encoding has put escapes into it, as some do for `/` and `=`.
#[tokio::test]
async fn no_error_has_an_escaped_token_in_it() {
    let token = "MIIFegYJKoZIhvcNAQcCoIIFazCC/abcdefghijklmnopqrstuv+0123456789ABCDEFGHIJ==";
    let part = "MIIFegYJKoZIhvcNAQcCoIIFazCC";
    let escapes = [("/", "\\/"), ("=", "\\u003d"), ("M", "\\u004d"), ("+", "%2B")];
    for escaped in escapes.map(|(character, escape)| token.replace(character, escape)) {
        for (status, body) in [
            (401, format!(r#"{{"error":{{"code":401,"title":"{escaped}","message":"bad {escaped}"}}}}"#)),
            (400, format!(r#"{{"error_msg":"{escaped}","error_code":"{escaped}","request_id":"{escaped}"}}"#)),
            (200, format!(r#"{{"backups":"{escaped}"}}"#)),
        ] {
            let service =
                Service::start(move |_, _| HttpMockResponse::builder().status(status).body(body.as_str()).build())
                    .await;
            let client = service.builder().token(token).build().unwrap();
            let text = everything(&client.list_backups().send().await.unwrap_err());
            assert!(!text.contains(part) && !text.contains(token), "{text}");
        }
    }
}
