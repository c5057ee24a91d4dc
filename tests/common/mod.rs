//! A server that says what it is told to, and remembers what it was asked.

#![allow(dead_code)] // Each test file uses its own part of it.

pub mod cloud;
pub mod contract;
#[path = "../../examples/list_backups/demo.rs"]
pub mod model;
pub mod raw;
pub mod timed;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use httpmock::{HttpMockRequest, HttpMockResponse, MockServer};
use serde_json::{Value, json};
use vbs_client::{Backup, Client, ClientBuilder, RetryPolicy};

pub const TOKEN: &str = "gAAAAABl-not-a-real-token-but-as-secret";
pub const PROJECT_ID: &str = model::PROJECT_ID;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    pub query: String,
    /// The query's pairs, decoded, sorted.
    pub pairs: Vec<(String, String)>,
    /// By name in lower case.
    pub headers: HashMap<String, String>,
}

impl Seen {
    fn new(request: &HttpMockRequest) -> Self {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let mut pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        pairs.sort();
        let headers = request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        Self { path: request.uri().path().to_owned(), query, pairs, headers }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn microversion(&self) -> Option<&str> {
        self.headers.get("openstack-api-version").map(String::as_str)
    }

    /// An answer to it, in the microversion that it asked for.
    pub fn answer(&self, status: u16, body: impl AsRef<[u8]>) -> HttpMockResponse {
        HttpMockResponse::builder()
            .status(status)
            .header("content-type", "application/json")
            .header("openstack-api-version", self.microversion().unwrap_or("volume 3.0"))
            .header("x-openstack-request-id", "req-1")
            .body(body.as_ref())
            .build()
    }

    pub fn page(&self, page: &Value) -> HttpMockResponse {
        self.answer(200, page.to_string())
    }
}

pub struct Service {
    pub server: MockServer,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Service {
    /// Answers every request, the first one numbered 0.
    pub async fn start(respond: impl Fn(&Seen, usize) -> HttpMockResponse + Send + Sync + 'static) -> Self {
        let server = MockServer::start_async().await;
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let log = Arc::clone(&seen);
        server
            .mock_async(|_, then| {
                then.respond_with(move |request| {
                    let request = Seen::new(request);
                    let mut log = log.lock().unwrap();
                    log.push(request.clone());
                    respond(&request, log.len() - 1)
                });
            })
            .await;
        Self { server, seen }
    }

    /// Answers the same to everything.
    pub async fn fixed(status: u16, body: &'static str) -> Self {
        Self::start(move |request, _| request.answer(status, body)).await
    }

    /// Answers like Cinder with these rows.
    pub async fn model(rows: Vec<model::Row>) -> Self {
        Self::start(move |request, _| {
            let version = request.microversion().map_or("3.0", |version| version.trim_start_matches("volume "));
            let (status, body) = model::answer(&rows, &request.query, version.parse().unwrap());
            request.answer(status, body.to_string())
        })
        .await
    }

    /// A client that asks once.
    pub fn builder(&self) -> ClientBuilder {
        Client::builder(self.server.base_url()).project_id(PROJECT_ID).token(TOKEN).retry(RetryPolicy::none())
    }

    pub fn client(&self) -> Client {
        self.builder().build().unwrap()
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

/// A page with these ids and a next link with this query.
pub fn page(ids: &[&str], next: Option<&str>) -> Value {
    let backups: Vec<_> = ids.iter().map(|id| json!({"id": id, "name": null, "links": []})).collect();
    match next {
        None => json!({"backups": backups}),
        Some(query) => {
            json!({"backups": backups, "backups_links": [{"rel": "next", "href": format!("http://192.0.2.1/x?{query}")}]})
        }
    }
}

pub fn ids<'a>(backups: impl IntoIterator<Item = &'a Backup>) -> Vec<&'a str> {
    backups.into_iter().map(|backup| backup.id.as_str()).collect()
}
