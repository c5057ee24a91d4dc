//! What an error reports: every status, every format of a fault, broken responses.

use std::error::Error as _;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;
use vbs_client::mock::ErrorBuilder;
use vbs_client::{Error, Fault, RetryPolicy};

use crate::support::server::{Reply, Server};
use crate::support::{http, openapi};

async fn failing(status: u16, body: &'static str) -> Error {
    Server::fixed(status, body).await.client().list_backups().send().await.unwrap_err()
}

/// The contract's list of statuses is the vendor's.
#[tokio::test]
async fn every_error_status_is_reported() {
    let operation = openapi::operation(openapi::SUMMARY);
    let mut statuses: Vec<u16> =
        operation["responses"].as_object().unwrap().keys().map(|status| status.parse().unwrap()).collect();
    // Those of the vendor's page, Cinder's own rate limit (413), and three of the servers in front of it: 414, 429 and 431.
    let documented = [200, 400, 401, 403, 404, 405, 406, 407, 408, 409, 413, 414, 429, 431, 500, 501, 502, 503, 504];
    assert_eq!(statuses, documented);
    // Some statuses that are in neither list.
    statuses.extend([201, 202, 203, 204, 206, 304, 418, 505, 599]);
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
        assert!(message.starts_with(&format!("the service responded {status} ")), "{message}");
        assert!(message.ends_with(" (request id req-1)"), "{message}");
        // A 204 and a 304 have no body.
        if ![204, 304].contains(&status) {
            assert_eq!(error.fault().unwrap().message, "It went wrong.");
            assert!(message.contains(": It went wrong."), "{message}");
        }
    }
}

#[tokio::test]
async fn every_fault_format_is_decoded() {
    let fault = |kind: Option<&str>, code: Option<&str>, message: &str| {
        serde_json::from_value::<Fault>(json!({"kind": kind, "code": code, "message": message})).unwrap()
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
        openapi::validate(openapi::SUMMARY, status, &serde_json::from_str(body).unwrap());
    }
}

#[tokio::test]
async fn a_body_without_a_fault_is_reported_as_text() {
    let html = "<html>\n <head><title>503</title><style>h1 { color: red }</style></head>\r\n<body><h1>Service&nbsp;Unavailable</h1>\n</body></html>";
    let error = failing(503, html).await;
    assert_eq!(error.fault(), None);
    assert_eq!(error.request_id(), Some("req-1"));
    assert_eq!(
        error.to_string(),
        "the service responded 503 Service Unavailable: 503 Service Unavailable (request id req-1)"
    );

    let error = failing(502, "upstream\tgone\n").await;
    assert_eq!(error.to_string(), "the service responded 502 Bad Gateway: upstream gone (request id req-1)");
    let error = failing(500, "").await;
    assert_eq!(error.to_string(), "the service responded 500 Internal Server Error (request id req-1)");
    let error = failing(500, "[1, 2]").await;
    assert_eq!(error.fault(), None);
    assert!(error.to_string().contains("[1, 2]"));
}

#[tokio::test]
async fn a_long_error_body_is_truncated() {
    for body in
        [vec![b'x'; 10_000_000], [b"{\"error_msg\":\"".to_vec(), vec![b'x'; 10_000_000], b"\"}".to_vec()].concat()]
    {
        let server = Server::start(move |request, _| request.reply(500, &body)).await;
        let error = server.client().list_backups().send().await.unwrap_err();
        assert_eq!(error.status().unwrap(), 500);
        assert!(error.to_string().len() < 1000, "{}", error.to_string().len());
    }
}

#[tokio::test]
async fn an_error_body_of_invalid_utf8_is_readable() {
    let server = Server::start(|request, _| request.reply(500, b"\xff\xfe<b>oh</b>\x00\x1b[31m")).await;
    let message = server.client().list_backups().send().await.unwrap_err().to_string();
    assert_eq!(message, "the service responded 500 Internal Server Error: \u{fffd}\u{fffd} oh [31m (request id req-1)");
}

/// Some gateways have the request id in the body only.
#[tokio::test]
async fn a_request_id_in_the_body_is_reported() {
    let body = r#"{"error_msg":"no","error_code":"APIGW.0301","request_id":"gw-1"}"#;
    let server = Server::start(move |_, _| Reply::http(401, "", body)).await;
    let error = server.client().list_backups().send().await.unwrap_err();
    assert_eq!(error.request_id(), Some("gw-1"));
}

#[tokio::test]
async fn an_undecodable_200_reports_the_position_and_the_start_of_the_body() {
    for body in [
        "",
        "null",
        "[]",
        "{}",
        "[]",
        "<html>login</html>",
        "{\"backups\":[",
        "{\"backups\":[]}}",
        "{\"backups\":[],\"backups\":[]}",
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
    for (body, what) in [
        ("{\"backups\":null}", "backups of"),
        ("{\"backups\":{}}", "backups of"),
        ("{\"backups\":[{\"id\":\"a\",\"name\":null},{\"id\":1,\"name\":null}]}", "backups[1].id of"),
        ("{\"backups\":[{\"name\":\"no id\"}]}", "backups[0] of"),
        ("{\"backups\":[{\"id\":\"no name\"}]}", "backups[0] of"),
        ("{\"backups\":[],\"count\":-1}", "count of"),
        ("{\"backups\":[],\"count\":\"1\"}", "count of"),
        ("{\"backups\":[],\"backups_links\":[{\"rel\":\"next\"}]}", "backups_links[0] of"),
    ] {
        let error = failing(200, body).await;
        assert!(matches!(&error, Error::Undecodable { text, .. } if text == body), "{error:?}");
        let expected = format!("{what} the response is invalid: ");
        assert!(error.to_string().starts_with(&expected) && error.request_id() == Some("req-1"), "{error}");
        assert!(!error.is_retryable());
    }
    let server =
        Server::start(|request, _| request.reply(200, b"{\"backups\":[{\"id\":\"\xff\",\"name\":null}]}")).await;
    assert!(matches!(server.client().list_backups().send().await, Err(Error::Undecodable { .. })));
    let server = Server::start(|request, _| request.reply(200, "[".repeat(1_000_000))).await;
    let error = server.client().list_backups().send().await.unwrap_err();
    assert!(matches!(error, Error::Undecodable { .. }) && error.to_string().len() < 1000);
}

/// Such a list is not right.
#[tokio::test]
async fn a_list_with_an_error_next_to_it_is_an_error() {
    for (body, message) in [
        (
            r#"{"backups":[],"error":{"code":500,"title":"x","message":"The database is gone."}}"#,
            "The database is gone.",
        ),
        (r#"{"backups":[],"error":{"message":"no","code":"VolumeBackup.0123"}}"#, "no"),
        (r#"{"error":{"code":500},"backups":[]}"#, "500"),
        (r#"{"backups":[],"error":"no database"}"#, "no database"),
        (r#"{"backups":[],"error_msg":"denied","error_code":"APIGW.0301"}"#, "denied"),
        (r#"{"backups": [], "message": "backend down", "code": 500}"#, "backend down"),
        (r#"{"code":500,"title":"x","message":"backend down","backups":[{"id":"a","name":null}]}"#, "backend down"),
        (r#"{"backups":[],"computeFault":{"code":500,"message":"backend down"}}"#, "backend down"),
        (r#"{"backups":[],"errors":[{"status":500,"title":"backend down"}]}"#, "backend down"),
        (r#"{"backups":[],"fault":{"faultstring":"backend down"}}"#, "backend down"),
    ] {
        let error = failing(200, body).await;
        assert!(matches!(error, Error::Undecodable { .. }), "{error:?}");
        assert!(!error.is_retryable() && error.request_id() == Some("req-1"), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("the response has a list and an error: ") && text.contains(message), "{text}");
    }
    for body in [
        r#"{"backups":[],"error":null,"errors":[],"message":""}"#,
        r#"{"backups":[],"backups_links":[],"servers":{"a":1},"took":"3 ms"}"#,
        r#"{"backups":[],"request_id":"req-2","code":200,"hints":{"message":"use limit"}}"#,
    ] {
        let server = Server::fixed(200, body).await;
        assert!(server.client().list_backups().send().await.unwrap().is_last(), "{body}");
    }
}

#[tokio::test]
async fn an_error_states_the_path_and_the_type_of_a_wrong_value() {
    for (id, wrong) in [("1".to_owned(), "integer `1`"), (format!("[{}]", "1,".repeat(900)), "sequence")] {
        let body = format!(r#"{{"backups":[{{"id":{id},"name":null}}]}}"#);
        let server = Server::start(move |request, _| request.reply(200, &body)).await;
        let error = server.client().list_backups().send().await.unwrap_err();
        let cause = error.source().unwrap().to_string();
        let expected = "backups[0].id of the response is invalid: invalid type: ";
        assert_eq!(cause, format!("{expected}{wrong}, expected a string"));
    }
}

/// Up to 64 KiB of a body are read.
#[tokio::test]
async fn a_large_fault_is_decoded() {
    for (padding, decoded) in [(60_000, true), (70_000, false)] {
        let body = format!(r#"{{"padding":"{}","error_msg":"no","error_code":"APIGW.0301"}}"#, "x".repeat(padding));
        let server = Server::start(move |request, _| request.reply(500, &body)).await;
        let error = server.client().list_backups().send().await.unwrap_err();
        assert_eq!(error.fault().is_some(), decoded, "{padding}");
    }
}

/// The error of a client that waits 300 ms for this reply.
async fn failing_at(reply: Reply) -> Error {
    let server = Server::script(vec![reply]).await;
    let client = server.builder().timeout(Duration::from_millis(300)).build().unwrap();
    client.list_backups().send().await.unwrap_err()
}

/// The error's message, with `HOST` in place of the server's address.
fn without_port(error: &Error) -> String {
    let message = error.to_string();
    let (before, after) = message.split_once("127.0.0.1:").unwrap();
    format!("{before}HOST{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
}

#[tokio::test]
async fn a_refused_connection_is_a_retryable_error() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let client =
        http::builder(format!("http://127.0.0.1:{port}")).project_id("p").retry(RetryPolicy::none()).build().unwrap();
    let error = client.list_backups().send().await.unwrap_err();
    assert_eq!(error.to_string(), format!("could not connect to 127.0.0.1:{port}: Connection refused (os error 111)"));
    assert!(error.is_retryable() && !error.is_timeout());
    assert!(error.source().unwrap().is::<reqwest::Error>());
}

#[tokio::test]
async fn a_truncated_response_is_a_retryable_error() {
    let error = failing_at(Reply::close(
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nX-OpenStack-Request-Id: req-7\r\n\r\n{\"backups\":[",
    ))
    .await;
    assert!(matches!(error, Error::Transport { .. }), "{error:?}");
    assert_eq!(
        without_port(&error),
        "the response of HOST broke off: end of file before message length reached (request id req-7)"
    );
    assert!(error.is_retryable());

    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"bac\r\n";
    let error = failing_at(Reply::close(chunked)).await;
    assert!(matches!(error, Error::Transport { .. }), "{error:?}");

    let error = failing_at(Reply::close("")).await;
    assert_eq!(without_port(&error), "the request to HOST failed: connection closed before message completed");
    assert!(error.is_retryable());

    // An error's body is only an explanation.
    let error = failing_at(Reply::close("HTTP/1.1 503 Oh No\r\nContent-Length: 100\r\n\r\ntoo bu")).await;
    assert_eq!(error.to_string(), "the service responded 503 Service Unavailable: too bu");
}

#[tokio::test(start_paused = true)]
async fn a_stalled_response_is_a_timeout() {
    for bytes in ["", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"] {
        let error = failing_at(Reply::stall(bytes)).await;
        assert!(error.is_timeout() && error.is_retryable(), "{error:?}");
        assert_eq!(without_port(&error), "the request to HOST timed out");
    }
}

/// The listing's error has the cause of the failure of signing in or of a provider of tokens.
#[test]
fn the_error_of_signing_in_reports_what_its_cause_does() {
    let busy = || ErrorBuilder::status(503).fault("unavailable", "503", "Busy.").request_id("req-1").build();
    let late = || ErrorBuilder::page_deadline(ErrorBuilder::status(500).build()).build();
    let wrap: [fn(Error) -> Error; 2] = [
        |cause| ErrorBuilder::sign_in("https://iam", cause).build(),
        |cause| ErrorBuilder::token(ErrorBuilder::sign_in("https://iam", cause).build()).build(),
    ];
    for wrap in wrap {
        let (busy, late) = (wrap(busy()), wrap(late()));
        assert_eq!((busy.status().unwrap().as_u16(), busy.request_id()), (503, Some("req-1")));
        assert_eq!(busy.fault().unwrap().message, "Busy.");
        assert!(busy.is_retryable() && !busy.is_timeout());
        assert!(late.is_timeout() && late.fault().is_none());
        let mut causes = std::iter::successors(late.source(), |cause| (*cause).source());
        assert!(causes.any(|cause| cause.to_string().contains("500 Internal")), "{late:?}");
    }
}

/// The contract has an example for each shape.
#[tokio::test]
async fn every_shape_of_a_fault_next_to_a_list_is_an_error() {
    let contract = openapi::load();
    let shapes = contract["components"]["schemas"]["FaultBody"]["anyOf"].as_array().unwrap();
    assert_eq!(shapes.len(), 4);
    for shape in shapes {
        let mut body = shape["example"].clone();
        body["backups"] = json!([]);
        let server = Server::start(move |request, _| request.reply(200, body.to_string())).await;
        let error = server.client().list_backups().send().await.unwrap_err();
        assert!(error.to_string().starts_with("the response has a list and an error: "), "{error}");
    }
}

#[test]
fn debug_is_the_line_with_its_causes_below() {
    let busy = || ErrorBuilder::status(503).request_id("req-1").build();
    let line = "the service responded 503 Service Unavailable (request id req-1)";
    assert_eq!(format!("{:?}", busy()), line);
    assert_eq!(
        format!("{:?}", ErrorBuilder::page_deadline(busy()).build()),
        format!("page deadline exceeded\ncaused by: {line}")
    );
    let sign_in = ErrorBuilder::sign_in("https://iam", ErrorBuilder::undecodable("<html>").build()).build();
    let message = "could not sign in at https://iam: the response is not that of an identity service; it starts with";
    assert_eq!(format!("{sign_in:?}"), format!("{message} \"<html>\"\ncaused by: expected value at line 1 column 1"));
    let token = ErrorBuilder::token(sign_in).build();
    assert!(token.to_string().starts_with(&format!("could not obtain a token: {message}")), "{token}");
    let token = ErrorBuilder::token("the vault is sealed").build();
    assert_eq!((format!("{token:?}"), token.to_string()), (token.to_string(), format!("{token:#?}")));
    assert_eq!(token.to_string(), "could not obtain a token: the vault is sealed");
}

#[test]
fn an_invalid_setting_is_named_by_a_sentence() {
    let error = |endpoint: &str| vbs_client::Client::builder(endpoint).token("a").build().unwrap_err().to_string();
    assert_eq!(error("https://"), "the endpoint has no host");
    assert_eq!(error("https://host"), "the project id is missing, and the endpoint has none");
    let error = vbs_client::Client::builder("https://host").project_id("p").token("").build().unwrap_err();
    assert_eq!(error.to_string(), "the token is empty");
}
