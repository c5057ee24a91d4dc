//! [`Service`]: the state of a mock, and how it responds to the next request.

use std::cmp::Reverse;
use std::collections::{HashSet, VecDeque};

use httpmock::{HttpMockRequest, HttpMockResponse};
use jiff::SignedDuration;
use serde_json::json;

use super::fault::Fault;
use super::list::{Response, Settings, respond};
use super::row::{Row, hour};
use crate::Microversion;
use crate::generated::{OPENSTACK_API_VERSION, X_AUTH_TOKEN, X_OPENSTACK_REQUEST_ID};

/// A request that [`Cinder`](crate::mock::Cinder) has received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The path, such as `/v3/{project_id}/backups/detail`.
    pub path: String,
    /// The query's parameters by their names on the wire, such as `name~`, in the order of the request.
    pub parameters: Vec<(String, String)>,
    /// The microversion of its header, if any.
    pub microversion: Option<Microversion>,
}

impl Request {
    /// The value of a parameter by its name on the wire, such as `name~`.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

pub(crate) struct Service {
    pub(crate) settings: Settings,
    /// In the order of the list.
    rows: Vec<Row>,
    faults: VecDeque<Fault>,
    tokens: Tokens,
    requests: Vec<Request>,
}

/// All tokens are valid until they expire.
#[derive(Default)]
struct Tokens {
    used: HashSet<String>,
    expired: HashSet<String>,
    /// How often they have expired.
    generation: u64,
}

impl Tokens {
    fn own(&self) -> String {
        format!("mock-token-{}", self.generation)
    }
}

impl Service {
    pub(crate) fn new(rows: impl IntoIterator<Item = Row>) -> Self {
        let rows: Vec<_> = rows.into_iter().collect();
        let last = rows.len() as u64;
        let rows = (1..=last).rev().zip(rows).map(|(number, row)| row.dated(hour(number))).collect();
        let mut service = Self {
            settings: Settings::default(),
            rows,
            faults: VecDeque::new(),
            tokens: Tokens::default(),
            requests: Vec::new(),
        };
        service.sort();
        service
    }

    fn sort(&mut self) {
        self.rows.sort_by_cached_key(|row| Reverse((row.sort_time(), row.id().to_owned())));
    }

    pub(crate) fn insert(&mut self, row: Row) {
        let newest = self.rows.first().and_then(Row::sort_time).unwrap_or_else(|| hour(0));
        let newer = newest.saturating_add(SignedDuration::from_secs(1)).unwrap_or(newest);
        let replaced = self.rows.iter().find(|old| old.id() == row.id()).and_then(Row::sort_time);
        self.delete(row.id());
        self.rows.push(row.dated(replaced.unwrap_or(newer)));
        self.sort();
    }

    pub(crate) fn delete(&mut self, id: &str) -> bool {
        let before = self.rows.len();
        self.rows.retain(|row| row.id() != id);
        self.rows.len() < before
    }

    pub(crate) fn update(&mut self, id: &str, change: impl FnOnce(Row) -> Row) -> bool {
        let row = self.rows.iter_mut().find(|row| row.id() == id);
        row.map(|row| *row = change(row.clone())).is_some()
    }

    pub(crate) fn fail_next(&mut self, requests: usize, fault: &Fault) {
        self.faults.extend(std::iter::repeat_n(fault.clone(), requests));
    }

    pub(crate) fn expire_tokens(&mut self) {
        self.tokens.expired.insert(self.tokens.own());
        self.tokens.expired.extend(self.tokens.used.drain());
        self.tokens.generation += 1;
    }

    /// A valid token.
    pub(crate) fn token(&self) -> String {
        self.tokens.own()
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.clone()
    }

    pub(crate) fn respond(&mut self, request: &HttpMockRequest) -> HttpMockResponse {
        let (uri, headers) = (request.uri(), request.headers());
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let (path, query) = (uri.path(), uri.query().unwrap_or_default());
        let version = header(OPENSTACK_API_VERSION);
        self.requests.push(Request {
            path: path.to_owned(),
            parameters: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            microversion: Microversion::from_headers(version.map(str::as_bytes).into_iter()),
        });

        let response = HttpMockResponse::builder().header("content-type", "application/json").header(
            X_OPENSTACK_REQUEST_ID.as_str(),
            format!("req-00000000-0000-4000-8000-{:012}", self.requests.len()),
        );
        if let Some(fault) = self.faults.pop_front() {
            let response = match fault.retry_after {
                Some(seconds) => response.header("retry-after", seconds.to_string()),
                None => response,
            };
            return response.status(fault.status).body(fault.into_body()).build();
        }
        let token = header(X_AUTH_TOKEN).filter(|token| !token.is_empty() && !self.tokens.expired.contains(*token));
        let Some(token) = token else {
            let message = "The request you have made requires authentication.";
            let body = json!({"error": {"code": 401, "title": "Unauthorized", "message": message}});
            let response = response.status(401).header("www-authenticate", "Keystone uri=\"http://192.0.2.1:5000\"");
            return response.body(body.to_string()).build();
        };
        self.tokens.used.insert(token.to_owned());
        let Response { status, microversion, body } = respond(&self.rows, &self.settings, path, query, version);
        let response = match microversion {
            Some(microversion) => response.header(OPENSTACK_API_VERSION.as_str(), microversion.to_header()),
            None => response,
        };
        response.status(status).body(body.to_string()).build()
    }
}
