//! One backup, shown: the promises of a list.

use std::time::Duration;

use serde_json::{Value, json};
use vbs_client::mock::{self, Cinder, Row, rows};
use vbs_client::{BackupDetail, Client, Error, Microversion, RetryPolicy, Show, token_fn};

use crate::support::server::{Reply, Server, closing};
use crate::support::{Listed, PROJECT_ID, TOKEN, openapi};

const LATEST: Microversion = Microversion::new(3, 71);

/// The response with the details of a backup.
fn body(id: &str) -> Value {
    json!({"backup": BackupDetail::json(id)})
}

async fn error_of(reply: Reply) -> Error {
    let server = Server::script(vec![reply]).await;
    let error = server.client().show_backup("a").send().await.unwrap_err();
    assert_eq!(server.requests().len(), 1);
    error
}

#[test]
fn a_request_can_be_kept_cloned_and_sent_from_any_task() {
    fn shared<T: Clone + Send + Sync + std::fmt::Debug + 'static>(_: &T) {}
    let client = Client::builder("https://host").project_id("p").token(TOKEN).build().unwrap();
    let request: Show<BackupDetail> = client.show_backup("visible").retry(RetryPolicy::none());
    shared(&request);
    let text = format!("{request:?}");
    for part in ["show_backup", "visible", "max_attempts: 1"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains(TOKEN), "{text}");
}

#[tokio::test]
async fn it_is_what_the_list_with_details_has() {
    let cinder = Cinder::start(rows(20)).await;
    let client = cinder.client();
    for microversion in [Microversion::new(3, 0), Microversion::new(3, 43), LATEST] {
        let listed = client.list_backups_detail().microversion(microversion).send().await.unwrap();
        for backup in listed {
            let shown = client.show_backup(&backup.id).microversion(microversion).send().await.unwrap();
            assert_eq!(shown, backup);
        }
    }
    let last = cinder.requests().pop().unwrap();
    assert_eq!(last.path, format!("/v3/{PROJECT_ID}/backups/00000000-0000-4000-8000-000000000000"));
    assert_eq!((last.parameters, last.microversion), (vec![], Some(LATEST)));
    openapi::validate(openapi::SHOW, 200, &body("a"));
}

/// The backup was listed, has changed, and then is deleted.
#[tokio::test]
async fn a_backup_that_is_gone_is_not_found() {
    let cinder = Cinder::start([Row::new("id-1").status("available")]).await;
    let request = cinder.client().show_backup("id-1");
    assert_eq!(request.send().await.unwrap().status.as_str(), "available");
    cinder.set_status("id-1", "restoring");
    assert_eq!(request.send().await.unwrap().status.as_str(), "restoring");
    cinder.delete("id-1");
    let error = request.send().await.unwrap_err();
    assert!(error.is_not_found() && !error.is_retryable() && !error.is_marker_gone(), "{error:?}");
    let fault = error.fault().unwrap();
    assert_eq!((fault.kind.as_deref(), fault.code.as_deref()), (Some("itemNotFound"), Some("404")));
    assert_eq!(fault.message, "Backup id-1 could not be found.");
    assert!(error.request_id().is_some_and(|id| id.starts_with("req-")), "{error:?}");
    assert_eq!(cinder.requests().len(), 3);
}

#[tokio::test]
async fn a_rejected_token_is_renewed_once() {
    let rejected = r#"{"error":{"code":401,"title":"Unauthorized","message":"no"}}"#;
    for good in ["secret-token-1", "secret-token-2", "none"] {
        let server = Server::start(move |request, _| match request.headers["x-auth-token"] == good {
            true => request.page(&body("a")),
            false => request.reply(401, rejected),
        })
        .await;
        let calls = std::sync::atomic::AtomicUsize::new(1);
        let provider = token_fn(move |_| {
            let number = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            async move { Ok::<_, Error>(format!("secret-token-{number}")) }
        });
        let client = server.builder().token_provider(provider).build().unwrap();
        let shown = client.show_backup("a").send().await;
        let sent: Vec<_> = server.requests().iter().map(|request| request.headers["x-auth-token"].clone()).collect();
        match good {
            "secret-token-1" => assert_eq!((shown.unwrap().id.as_str(), sent), ("a", vec![good.to_owned()])),
            "secret-token-2" => assert_eq!((shown.unwrap().id.as_str(), sent.len()), ("a", 2)),
            _ => assert_eq!((shown.unwrap_err().is_unauthorized(), sent.len()), (true, 2)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn transient_faults_are_retried() {
    let faults = || vec![closing(503, "", ""), Reply::reset([]), closing(429, "Retry-After: 7\r\n", "")];
    let server = Server::start(move |request, number| match faults().get(number) {
        Some(fault) => fault.clone(),
        None => request.page(&body("a")),
    })
    .await;
    assert_eq!(server.retrying_client().show_backup("a").send().await.unwrap().id, "a");
    assert_eq!(server.requests().len(), 4);
    assert!(server.intervals()[2] >= Duration::from_secs(7));

    let server = Server::fixed(503, "").await;
    let request = server.retrying_client().show_backup("a");
    let error = request.send().await.unwrap_err();
    assert_eq!((error.attempts(), server.requests().len()), (4, 4));
    let error = request.retry(RetryPolicy::none()).send().await.unwrap_err();
    assert_eq!((error.attempts(), server.requests().len()), (1, 5));
}

#[tokio::test(start_paused = true)]
async fn it_ends_at_the_deadline() {
    let server = Server::script(vec![Reply::stall([])]).await;
    let client = server.retrying_builder().page_deadline(Duration::from_secs(90)).build().unwrap();
    let error = client.show_backup("a").send().await.unwrap_err();
    assert!(matches!(error, Error::PageDeadline { attempts: 2, .. }), "{error:?}");
}

#[tokio::test]
async fn a_microversion_is_sent_and_has_to_be_honoured() {
    for (stated, is_honoured) in
        [("volume 3.43", true), ("volume 3.71", true), ("volume 3.42", false), ("compute 3.43", false), ("", false)]
    {
        let headers = format!("OpenStack-API-Version: {stated}\r\n");
        let server = Server::script(vec![Reply::http(200, &headers, body("a").to_string())]).await;
        let by_request = server.client().show_backup("a").microversion(Microversion::new(3, 43));
        let client = server.builder().microversion(Microversion::new(3, 43)).build().unwrap();
        for request in [by_request, client.show_backup("a")] {
            match request.send().await {
                Ok(_) => assert!(is_honoured, "{stated}"),
                Err(Error::MicroversionNotHonored { required, .. }) => {
                    assert!(!is_honoured && required == Microversion::new(3, 43), "{stated}");
                }
                Err(other) => panic!("{other:?}"),
            }
        }
        assert!(server.requests().iter().all(|request| request.microversion() == Some("volume 3.43")));
        let without = server.client().show_backup("a").send().await;
        assert!(without.is_ok() && server.requests()[2].microversion().is_none(), "{stated}: {without:?}");
    }
}

#[tokio::test]
async fn what_can_not_be_in_a_path_is_refused_before_anything_is_sent() {
    let server = Server::fixed(200, "{}").await;
    let long = "x".repeat(256);
    for id in
        ["", ".", "..", "/", "a/b", "../backups", "a?b", "a#b", "a\\b", "a\0", "a\n", "\t", "\u{7f}", "\u{85}", &long]
    {
        let error = server.client().show_backup(id).send().await.unwrap_err();
        let Error::InvalidRequest { parameter, reason, .. } = &error else { panic!("{id:?}: {error:?}") };
        assert!(parameter == "backup_id" && !reason.is_empty(), "{id:?}: {error}");
        assert!(error.is_invalid_request());
    }
    assert!(server.requests().is_empty());
}

/// Also characters with a meaning in a URL, if they were not encoded.
#[tokio::test]
async fn any_other_id_arrives_as_it_is() {
    for id in ["a b", "%2e%2e", "%2F", "...", "a;b", "a&b=c+d", "a:b@c", "~'\"<>|"] {
        let cinder = Cinder::start([Row::new("other"), Row::new(id)]).await;
        assert_eq!(cinder.client().show_backup(id).send().await.unwrap().id, id);
    }
    let server = Server::start(|request, _| request.page(&body("\u{e9}"))).await;
    server.client().show_backup("\u{e9}").send().await.unwrap();
    assert_eq!(server.requests()[0].path, format!("/v3/{PROJECT_ID}/backups/%C3%A9"));
}

#[tokio::test]
async fn a_response_that_is_not_the_backup_is_an_error() {
    let row = BackupDetail::json("a");
    let fields = row.as_object().unwrap().values().cloned().collect::<Vec<_>>();
    for wrong in [
        json!({}),
        json!([]),
        json!([row]),
        json!(null),
        json!({"backup": null}),
        json!({"backup": []}),
        json!({"backup": [row]}),
        json!({"backup": fields}),
        json!({"backup": {}}),
        json!({"backup": "a"}),
        json!({"backups": [row]}),
        json!({"backup": {"id": "a", "name": "nightly", "links": []}}),
        row.clone(),
        // A gateway's own.
        json!({"backup": row, "error": {"code": 500, "message": "busy"}}),
        json!({"backup": row, "error_msg": "busy", "error_code": "APIGW.0301"}),
        json!({"backup": row, "code": "500", "message": "busy"}),
        json!({"backup": row, "computeFault": {"code": 500, "message": "busy"}}),
    ] {
        let error = error_of(Reply::http(200, "", wrong.to_string())).await;
        assert!(matches!(error, Error::Undecodable { .. }), "{wrong}: {error:?}");
        assert!(!error.is_retryable(), "{wrong}");
    }
    let twice = format!(r#"{{"backup":{row},"backup":{row}}}"#);
    let mut typed = BackupDetail::json("a");
    typed["size"] = json!("big");
    let of_type = json!({"backup": typed}).to_string();
    for (wrong, message) in [
        ("<html>log in</html>", "it starts with \"<html>log in</html>\""),
        ("", "(line 1, column 0)"),
        (twice.as_str(), "duplicate field `backup`"),
        (of_type.as_str(), "backup.size of the response is invalid"),
        (r#"{"backup":{"id":"a"}}"#, "backup of the response is invalid: missing field"),
        (r#"{"backup":[]}"#, "backup of the response is invalid: invalid type: sequence"),
    ] {
        let error = error_of(Reply::http(200, "", wrong)).await;
        assert!(format!("{error:?}").contains(message), "{wrong}: {error:?}");
    }
    // Unknown keys beside it, such as of a later service.
    let more = json!({"backup": row, "message": "welcome", "links": [], "error": null});
    let server = Server::script(vec![Reply::http(200, "", more.to_string())]).await;
    assert_eq!(server.client().show_backup("a").send().await.unwrap().id, "a");
}

#[tokio::test]
async fn another_backup_is_an_error() {
    for other in ["b", "A", "a ", "", "aa"] {
        let error = error_of(Reply::http(200, "X-OpenStack-Request-Id: req-7\r\n", body(other).to_string())).await;
        assert!(matches!(error, Error::Undecodable { .. }), "{other:?}: {error:?}");
        let message = format!("the response is {other:?}, where \"a\" was requested (request id req-7)");
        assert_eq!(error.to_string(), message);
    }
    // Nor is a secret shown in its place.
    let error = error_of(Reply::http(200, "", body(TOKEN).to_string())).await;
    assert!(!format!("{error:?} {error}").contains(TOKEN), "{error:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_a_body_is_bounded() {
    let error = error_of(Reply::http(302, "Location: /v3/login\r\n", "")).await;
    assert!(matches!(&error, Error::Redirect { location: Some(to), .. } if to == "/v3/login"), "{error:?}");

    let mut large = body("a");
    large["backup"]["description"] = json!("x".repeat(10_000));
    let server = Server::script(vec![Reply::http(200, "", large.to_string())]).await;
    let client = server.builder().body_limit(10_000).build().unwrap();
    let error = client.show_backup("a").send().await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit: 10_000, .. }), "{error:?}");
}

#[tokio::test]
async fn other_statuses_are_errors_with_what_the_service_states() {
    for status in [400, 403, 404, 406, 500, 204, 201] {
        let error = error_of(Reply::http(status, "", r#"{"badRequest":{"code":400,"message":"because"}}"#)).await;
        assert_eq!(error.status().unwrap().as_u16(), status);
        assert_eq!(error.is_not_found(), status == 404);
        assert_eq!(error.fault().map(|fault| fault.message.as_str()), Some("because").filter(|_| status != 204));
    }
}

/// As Cinder's router has it.
#[tokio::test]
async fn the_mock_has_a_path_for_each_operation() {
    let settings = mock::Settings::default();
    let respond = |path: &str| {
        let path = format!("/v3/{PROJECT_ID}/{path}");
        let response = mock::respond(&[Row::new("id-1")], &settings, &path, "", None);
        (response.status, response.body.as_object().unwrap().keys().next().unwrap().clone())
    };
    for (path, status, key) in [
        ("backups", 200, "backups"),
        ("backups/detail", 200, "backups"),
        ("backups/id-1", 200, "backup"),
        ("backups/id-2", 404, "itemNotFound"),
        ("backups/", 404, "code"),
        ("backups/id-1/", 404, "code"),
        ("backups/id-1/more", 404, "code"),
    ] {
        assert_eq!(respond(path), (status, key.to_owned()), "{path}");
    }
}
