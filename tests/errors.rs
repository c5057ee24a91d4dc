//! What a request that fails says of it: every status, every shape of a fault, broken answers.

mod common;

use std::error::Error as _;
use std::time::Duration;

use common::{Service, TOKEN, contract};
use httpmock::HttpMockResponse;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use vbs_client::{Client, Error, Fault, RetryPolicy};

async fn failing(status: u16, body: &'static str) -> Error {
    Service::fixed(status, body).await.client().list_backups().send().await.unwrap_err()
}

/// The contract's list of statuses is the vendor's.
#[tokio::test]
async fn every_status_of_the_contract() {
    let operation = contract::operation();
    let mut statuses: Vec<u16> =
        operation["responses"].as_object().unwrap().keys().map(|status| status.parse().unwrap()).collect();
    assert_eq!(statuses, [200, 400, 401, 403, 404, 405, 406, 407, 408, 409, 500, 501, 502, 503, 504]);
    // And some that are in neither.
    statuses.extend([201, 202, 203, 204, 206, 413, 414, 418, 429, 431, 505, 599]);
    for status in statuses.into_iter().filter(|status| *status != 200) {
        let error = failing(status, r#"{"someFault":{"code":1,"message":"It went wrong."}}"#).await;
        assert_eq!(error.status().map(|status| status.as_u16()), Some(status));
        assert_eq!(error.request_id(), Some("req-1"));
        assert_eq!(error.is_unauthorized(), status == 401);
        assert_eq!(error.is_forbidden(), status == 403);
        assert_eq!(error.is_not_found(), status == 404);
        assert_eq!(error.is_retryable(), [408, 429, 500, 502, 503, 504].contains(&status), "{status}");
        assert!(!error.is_timeout());
        assert!(error.source().is_none());
        let message = error.to_string();
        assert!(message.starts_with(&format!("the service answered {status} ")), "{message}");
        assert!(message.ends_with(" (request id req-1)"), "{message}");
        // No body goes with a 204.
        if status != 204 {
            assert_eq!(error.fault().unwrap().message, "It went wrong.");
            assert!(message.contains(": It went wrong."), "{message}");
        }
    }
}

#[tokio::test]
async fn every_shape_of_a_fault() {
    let fault = |kind: Option<&str>, code: Option<&str>, message: &str| Fault {
        kind: kind.map(str::to_owned),
        code: code.map(str::to_owned),
        message: message.to_owned(),
    };
    for (status, body, expected) in [
        (
            400,
            r#"{"badRequest":{"code":400,"message":"Invalid filters name~ are found in query options."}}"#,
            fault(Some("badRequest"), Some("400"), "Invalid filters name~ are found in query options."),
        ),
        (
            406,
            r#"{"computeFault":{"code":406,"message":"Version 3.72 is not supported by the API. Minimum is 3.0 and maximum is 3.71."}}"#,
            fault(
                Some("computeFault"),
                Some("406"),
                "Version 3.72 is not supported by the API. Minimum is 3.0 and maximum is 3.71.",
            ),
        ),
        (
            401,
            r#"{"error":{"code":401,"title":"Unauthorized","message":"The request you have made requires authentication."}}"#,
            fault(Some("Unauthorized"), Some("401"), "The request you have made requires authentication."),
        ),
        (
            404,
            r#"{"message":"The resource could not be found.<br /><br />\n\n\n","code":"404 Not Found","title":"Not Found"}"#,
            fault(Some("Not Found"), Some("404"), "The resource could not be found."),
        ),
        (
            401,
            r#"{"error_msg":"Incorrect IAM authentication information","error_code":"APIGW.0301","request_id":"gw-1"}"#,
            fault(None, Some("APIGW.0301"), "Incorrect IAM authentication information"),
        ),
        (
            500,
            r#"{"error":{"message":"The backup service is busy.","code":"VolumeBackup.0123"}}"#,
            fault(None, Some("VolumeBackup.0123"), "The backup service is busy."),
        ),
    ] {
        let error = failing(status, body).await;
        assert_eq!(error.fault(), Some(&expected));
        contract::validate(status, &serde_json::from_str(body).unwrap());
    }
}

#[tokio::test]
async fn what_is_no_fault_keeps_its_text() {
    let html = "<html>\n <head><title>503</title><style>h1 { color: red }</style></head>\r\n<body><h1>Service&nbsp;Unavailable</h1>\n</body></html>";
    let error = failing(503, html).await;
    assert_eq!(error.fault(), None);
    assert_eq!(error.request_id(), Some("req-1"));
    assert_eq!(
        error.to_string(),
        "the service answered 503 Service Unavailable: 503 Service Unavailable (request id req-1)"
    );

    let error = failing(502, "upstream\tgone\n").await;
    assert_eq!(error.to_string(), "the service answered 502 Bad Gateway: upstream gone (request id req-1)");
    let error = failing(500, "").await;
    assert_eq!(error.to_string(), "the service answered 500 Internal Server Error (request id req-1)");
    let error = failing(500, "[1, 2]").await;
    assert_eq!(error.fault(), None);
    assert!(error.to_string().contains("[1, 2]"));
}

#[tokio::test]
async fn a_long_body_is_cut() {
    for body in
        [vec![b'x'; 10_000_000], [b"{\"error_msg\":\"".to_vec(), vec![b'x'; 10_000_000], b"\"}".to_vec()].concat()]
    {
        let service = Service::start(move |request, _| request.answer(500, &body)).await;
        let error = service.client().list_backups().send().await.unwrap_err();
        assert_eq!(error.status().unwrap(), 500);
        assert!(error.to_string().len() < 1000, "{}", error.to_string().len());
    }
}

#[tokio::test]
async fn bytes_that_are_not_text() {
    let service = Service::start(|request, _| request.answer(500, b"\xff\xfe<b>oh</b>\x00\x1b[31m")).await;
    let message = service.client().list_backups().send().await.unwrap_err().to_string();
    assert_eq!(message, "the service answered 500 Internal Server Error: \u{fffd}\u{fffd} oh [31m (request id req-1)");
}

/// Some gateways have the request id in the body only.
#[tokio::test]
async fn a_request_id_in_the_body() {
    let body = r#"{"error_msg":"no","error_code":"APIGW.0301","request_id":"gw-1"}"#;
    let service = Service::start(move |_, _| HttpMockResponse::builder().status(401).body(body).build()).await;
    let error = service.client().list_backups().send().await.unwrap_err();
    assert_eq!(error.request_id(), Some("gw-1"));
}

#[tokio::test]
async fn a_200_that_is_no_list_says_where_and_shows_the_start() {
    for body in [
        "",
        "null",
        "[]",
        "{}",
        "{\"backups\":null}",
        "{\"backups\":{}}",
        "<html>login</html>",
        "{\"backups\":[{\"id\":1,\"name\":null}]}",
        "{\"backups\":[{\"name\":\"no id\"}]}",
        "{\"backups\":[],\"count\":-1}",
        "{\"backups\":[],\"count\":\"1\"}",
        "{\"backups\":[",
        "{\"backups\":[]}}",
        "{\"backups\":[],\"backups\":[]}",
        "{\"backups\":[],\"backups_links\":[{\"rel\":\"next\"}]}",
    ] {
        let error = failing(200, body).await;
        let Error::Undecodable { text, source, .. } = &error else { panic!("{body}: {error:?}") };
        assert_eq!(text, body);
        assert_eq!(error.status(), None);
        assert_eq!(error.request_id(), Some("req-1"));
        assert!(!error.is_retryable());
        let message = error.to_string();
        assert!(message.contains(&format!("line {}, column {}", source.line(), source.column())), "{message}");
        assert!(message.contains(&format!("{body:?}")), "{message}");
        assert!(!message.contains(&error.source().unwrap().to_string()), "{message}");
    }
    let service =
        Service::start(|request, _| request.answer(200, b"{\"backups\":[{\"id\":\"\xff\",\"name\":null}]}")).await;
    assert!(matches!(service.client().list_backups().send().await, Err(Error::Undecodable { .. })));
    let service = Service::start(|request, _| request.answer(200, "[".repeat(1_000_000))).await;
    let error = service.client().list_backups().send().await.unwrap_err();
    assert!(matches!(error, Error::Undecodable { .. }) && error.to_string().len() < 1000);
}

/// A server of one connection that sends these bytes and then, perhaps, closes it.
async fn raw(answer: &'static str, close: bool) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            if !close {
                kept.push(stream);
            }
        }
    });
    Client::builder(format!("http://{address}"))
        .project_id("p")
        .token(TOKEN)
        .retry(RetryPolicy::none())
        .timeout(Duration::from_millis(300))
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_connection_that_fails() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let client = Client::builder(format!("http://127.0.0.1:{port}"))
        .project_id("p")
        .retry(RetryPolicy::none())
        .token(TOKEN)
        .build()
        .unwrap();
    let error = client.list_backups().send().await.unwrap_err();
    assert_eq!(error.to_string(), "could not connect to the service");
    assert!(error.is_retryable() && !error.is_timeout());
    assert!(error.source().unwrap().is::<reqwest::Error>());
}

#[tokio::test]
async fn an_answer_that_breaks_off() {
    let client =
        raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nX-OpenStack-Request-Id: req-7\r\n\r\n{\"backups\":[", true)
            .await;
    let error = client.list_backups().send().await.unwrap_err();
    assert!(matches!(error, Error::Transport { .. }), "{error:?}");
    assert_eq!(error.to_string(), "the answer broke off (request id req-7)");
    assert!(error.is_retryable());

    let client = raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"bac\r\n", true).await;
    assert!(matches!(client.list_backups().send().await, Err(Error::Transport { .. })));

    let client = raw("", true).await;
    let error = client.list_backups().send().await.unwrap_err();
    assert_eq!(error.to_string(), "the request failed");
    assert!(error.is_retryable());

    // An error's body is only an explanation.
    let client = raw("HTTP/1.1 503 Oh No\r\nContent-Length: 100\r\n\r\ntoo bu", true).await;
    let error = client.list_backups().send().await.unwrap_err();
    assert_eq!(error.to_string(), "the service answered 503 Service Unavailable: too bu");
}

#[tokio::test]
async fn a_server_that_does_not_answer_in_time() {
    for answer in ["", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"] {
        let error = raw(answer, false).await.list_backups().send().await.unwrap_err();
        assert!(error.is_timeout() && error.is_retryable(), "{error:?}");
        assert_eq!(error.to_string(), "the request timed out");
    }
}
