//! The trace of a request, at TRACE and from all libraries, has no secret.

use std::io;
use std::sync::{Arc, Mutex};

use crate::support::process::{in_own_process, runtime};
use crate::support::server::{Server, closing};
use crate::support::trace::Trace;
use crate::support::{TOKEN, page};

#[test]
fn the_trace_contains_everything_but_secrets() {
    in_own_process(|| runtime(true).block_on(trace()));
}

async fn trace() {
    let trace = Trace::begin();

    let headers = "X-OpenStack-Request-Id: req-77\r\nOpenStack-API-Version: volume 3.34\r\n";
    let reply = |status, body: String| closing(status, headers, body);
    let named = |id: &str| {
        page(&[id, &format!("{id}-last")], Some(&format!("marker={id}-last")))
            .to_string()
            .replace("null", "\"a-name-in-the-body\"")
    };
    let server = Server::script(vec![
        reply(401, format!("{{\"error\":{{\"code\":401,\"title\":\"no\",\"message\":\"bad token {TOKEN}-1\"}}}}")),
        reply(200, named("a")),
        reply(503, format!("echo {TOKEN}-2")),
        reply(200, named("b")),
        reply(404, "{\"itemNotFound\":{\"code\":404,\"message\":\"Backup b-last could not be found.\"}}".to_owned()),
        reply(200, page(&["c"], None).to_string()),
        reply(200, format!("{{\"backups\":\"{TOKEN}-2\"}}")),
        reply(500, format!("{{\"error_msg\":\"{TOKEN}-2\",\"error_code\":\"X\"}}")),
    ])
    .await;
    let number = Arc::new(Mutex::new(0));
    let provider = vbs_client::token_fn(move |_| {
        let mut number = number.lock().unwrap();
        *number += 1;
        let token = format!("{TOKEN}-{number}");
        async move { Ok::<_, io::Error>(token) }
    });
    let verbose = server.retrying_builder().http(|http| http.connection_verbose(true));
    let client = verbose.token_provider(provider).build().unwrap();
    let request = client.list_backups().name_like("x");
    assert_eq!(request.items().try_collect::<Vec<_>>().await.unwrap().len(), 5);
    request.send().await.unwrap_err();
    request.send().await.unwrap_err();

    let trace = trace.take();
    let lines = |containing: &str| trace.lines().filter(|line| line.contains(containing)).collect::<Vec<_>>();
    let spans = lines("vbs_client::request: close");
    let shows = |span: &str, fields: &[&str]| {
        for field in ["operation=\"list_backups\"", "openstack.request_id=\"req-77\""].iter().chain(fields) {
            assert!(span.contains(field), "{field} in {span}");
        }
    };
    assert_eq!(spans.len(), server.requests().len(), "{spans:#?}");
    shows(spans[0], &["page=1", "attempt=1", "http.response.status_code=401"]);
    shows(spans[1], &["page=1", "attempt=1", "http.response.status_code=200"]);
    shows(spans[2], &["page=2", "attempt=1", "http.response.status_code=503"]);
    shows(spans[3], &["page=2", "attempt=2", "http.response.status_code=200"]);
    shows(spans[4], &["page=3", "attempt=1", "http.response.status_code=404"]);
    shows(spans[5], &["page=3", "attempt=1", "http.response.status_code=200"]);
    // The response is not a list.
    shows(spans[6], &["page=1", "attempt=1", "http.response.status_code=200"]);

    assert_eq!(lines("INFO vbs_client::token: the token was rejected, renewing it").len(), 1);
    let retries = lines("WARN vbs_client::retry: retrying");
    assert!(
        retries[0].contains("page=2") && retries[0].contains("attempt=1") && retries[0].contains("503"),
        "{retries:?}"
    );
    let repairs = lines("the marker's backup was deleted");
    assert!(repairs.len() == 1 && repairs[0].contains("page=3"), "{repairs:?}");

    assert!(!lines("hyper").is_empty(), "the libraries below trace, too");
    assert_eq!(lines(TOKEN), [""; 0]);
    assert_eq!(lines("a-name-in-the-body"), [""; 0]);
}
