//! Tracing: spans with OpenTelemetry's conventions, and one line for each attempt.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc;
use std::time::Duration;

use opentelemetry::trace::{SpanKind, Status, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use serde_json::{Value, json};
use tokio::time::sleep;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};
use vbs_client::mock::rows;

use crate::support::process::{in_own_process, runtime};
use crate::support::server::{Reply, Server, closing};
use crate::support::trace::Trace;
use crate::support::{TOKEN, page};

/// Lists two pages, with a token that is rejected, a fault and a connection that breaks off; then one that is no
/// list.
async fn list() -> Server {
    let reply = |status, body: &str| closing(status, "X-OpenStack-Request-Id: req-77\r\n", body);
    let server = Server::script(vec![
        reply(401, ""),
        reply(503, "{\"overLimit\":{\"code\":503,\"message\":\"come back later\"}}"),
        reply(200, &page(&["a", "b"], Some("marker=b")).to_string()),
        Reply::close([]),
        reply(200, &page(&["c"], None).to_string()),
        reply(200, "[]"),
    ])
    .await;
    let token = vbs_client::token_fn(|rejected| async move {
        Ok::<_, io::Error>(if rejected.is_none() { format!("{TOKEN}-1") } else { format!("{TOKEN}-2") })
    });
    let client = server.retrying_builder().token_provider(token).build().unwrap();
    let request = client.list_backups().name("na\"me").prefetch(false);
    assert_eq!(request.items().try_collect::<Vec<_>>().await.unwrap().len(), 3);
    request.send().await.unwrap_err();
    server
}

#[test]
fn a_span_has_the_attributes_of_an_http_client_in_opentelemetry() {
    in_own_process(|| runtime(true).block_on(spans()));
}

async fn spans() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    tracing_subscriber::registry().with(layer).with(EnvFilter::new("vbs_client=debug")).init();
    let server = list().await;

    let expected = |page: u64, attempt: u32, resends: u32, status: Option<u16>, error: Option<&str>| {
        let attributes = [
            ("http.request.method", Some(json!("GET"))),
            ("server.address", Some(json!("127.0.0.1"))),
            ("server.port", Some(json!(server.address.port()))),
            ("url.template", Some(json!("/v3/{project_id}/backups"))),
            ("http.request.resend_count", (resends > 0).then_some(json!(resends))),
            ("http.response.status_code", status.map(|status| json!(status))),
            ("error.type", error.map(|error| json!(error))),
            ("openstack.request_id", status.map(|_| json!("req-77"))),
            ("operation", Some(json!("list_backups"))),
            ("page", Some(json!(page))),
            ("attempt", Some(json!(attempt))),
        ];
        attributes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), text(&value?)))).collect()
    };
    let spans: Vec<_> = exporter.get_finished_spans().unwrap().iter().map(attributes).collect();
    assert_eq!(
        spans,
        [
            expected(1, 1, 0, Some(401), Some("401")),
            expected(1, 1, 1, Some(503), Some("503")),
            expected(1, 2, 2, Some(200), None),
            expected(2, 1, 0, None, Some("transport")),
            expected(2, 2, 1, Some(200), None),
            expected(1, 1, 0, Some(200), Some("undecodable")),
        ]
    );
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The attributes that the crate sets. Checks those that OpenTelemetry does not define.
fn attributes(span: &SpanData) -> BTreeMap<String, String> {
    assert_eq!((&*span.name, &span.span_kind), ("GET /v3/{project_id}/backups", &SpanKind::Client));
    // Those that the layer adds: the place in the code, the thread, and how long the span was busy.
    let added = ["code.", "thread.", "busy_ns", "idle_ns", "target"];
    let own = span.attributes.iter().filter(|pair| !added.iter().any(|added| pair.key.as_str().starts_with(added)));
    let own: BTreeMap<_, _> = own.map(|pair| (pair.key.to_string(), pair.value.to_string())).collect();
    assert_eq!(matches!(span.status, Status::Error { .. }), own.contains_key("error.type"), "{span:?}");
    own
}

#[test]
fn each_attempt_is_one_line_at_debug() {
    in_own_process(|| runtime(true).block_on(events()));
}

async fn events() {
    let trace = Trace::default();
    // A program's subscriber, without span events.
    tracing_subscriber::fmt()
        .with_env_filter("vbs_client=debug")
        .with_ansi(false)
        .without_time()
        .with_writer(trace.writer())
        .init();
    let server = list().await;

    let trace = trace.take();
    let attempts: Vec<_> = trace.lines().filter(|line| line.contains("vbs_client::request: ")).collect();
    assert_eq!(attempts.len(), server.requests().len(), "{trace}");
    let start = |outcome: &str, page: u32, attempt: u32| {
        format!(
            "DEBUG vbs_client::request: the attempt {outcome} operation=\"list_backups\" host={} page={page} \
             attempt={attempt} query={{\"name\": \"na\\\"me\"",
            server.address
        )
    };
    for (line, start, rest) in [
        (0, start("failed", 1, 1), "} status=401 request_id=\"req-77\" duration="),
        (1, start("failed", 1, 1), "} status=503 request_id=\"req-77\" duration="),
        (1, start("failed", 1, 1), " error=the service responded 503 Service Unavailable: come back later"),
        (2, start("succeeded", 1, 2), "} status=200 request_id=\"req-77\" rows=2 duration="),
        (3, start("failed", 2, 1), ", \"marker\": \"b\"} duration="),
        (3, start("failed", 2, 1), "error=the request to 127.0.0.1:"),
        (4, start("succeeded", 2, 2), ", \"marker\": \"b\"} status=200 request_id=\"req-77\" rows=1 duration="),
        (5, start("failed", 1, 1), "error=the response is not what was requested (line 1, column 0)"),
        (5, start("failed", 1, 1), ": invalid type: sequence, expected "),
    ] {
        let attempt = attempts[line].trim_start();
        assert!(attempt.starts_with(&start) && attempt.contains(rest), "{start} .. {rest}\n{attempt}");
    }
    assert!(!trace.contains(TOKEN), "{trace}");
    let others: Vec<_> = trace.lines().filter(|line| !attempts.contains(line)).map(str::trim_start).collect();
    let starts = ["INFO vbs_client::token: ", "WARN vbs_client::retry: ", "WARN vbs_client::retry: "];
    assert!(others.len() == 3 && others.iter().zip(starts).all(|(line, start)| line.starts_with(start)), "{others:?}");
}

/// A page that is waited for is decoded by who waits for it, one that nobody waits for yet by a task: a page is
/// traced where it is decoded.
#[test]
fn a_page_is_decoded_where_it_is_waited_for() {
    struct Places(mpsc::Sender<bool>);

    impl<S: Subscriber> Layer<S> for Places {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            if event.metadata().target() == "vbs_client::request" {
                self.0.send(tokio::task::try_id().is_some()).unwrap();
            }
        }
    }

    in_own_process(|| {
        let (sender, places) = mpsc::channel();
        tracing_subscriber::registry().with(Places(sender)).init();
        runtime(true).block_on(async {
            for (pause, by_tasks) in [(0, [false; 3]), (20, [false, true, true])] {
                let server = Server::slow_model(rows(25), Duration::from_millis(10)).await;
                let mut pages = server.client().list_backups().limit(10).pages();
                while pages.try_next().await.unwrap().is_some() {
                    sleep(Duration::from_millis(pause)).await;
                }
                assert_eq!(places.try_iter().collect::<Vec<_>>(), by_tasks, "after {pause} ms");
            }
        });
    });
}
