//! [`Transport`]: a service's address and settings, and one attempt to fetch a page from it.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderValue;
use tokio::time::Instant;

use super::fault::{Exchange, Redactor};
use super::hooks::{Head, RequestContext};
use super::retry::{Failure, RetryPolicy, retry_after};
use super::runtime::Spawned;
use super::signals::{Attempt, Traced};
use super::token_cache::{Issued, Tokens};
use crate::Error;
use crate::generated::types::Link;
use crate::generated::{self, OPENSTACK_API_VERSION};
use crate::query::{Cursor, List, Microversion, Query, Row};

/// A service's address, and the settings of a client.
pub(crate) struct Transport {
    /// Up to where the contract's path begins, without a slash at the end.
    pub(crate) endpoint: String,
    pub(crate) project_id: String,
    pub(crate) settings: Settings,
    pub(crate) http: reqwest::Client,
}

/// What a client's builder sets. `Debug` does not show the token.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) tokens: Tokens,
    /// The minimum of every request.
    pub(crate) microversion: Option<Microversion>,
    pub(crate) trust_microversion: bool,
    pub(crate) retry: RetryPolicy,
    pub(crate) page_deadline: Option<Duration>,
    pub(crate) body_limit: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tokens: Tokens::Fixed(None),
            microversion: None,
            trust_microversion: false,
            retry: RetryPolicy::default(),
            page_deadline: None,
            body_limit: 64 * 1024 * 1024,
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("endpoint", &self.endpoint)
            .field("project_id", &self.project_id)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// A page to fetch.
#[derive(Clone)]
pub(crate) struct PageRequest {
    pub(crate) query: Query,
    pub(crate) microversion: Option<Microversion>,
    /// Its number in its listing, from 1.
    pub(crate) page: u64,
}

/// A page, decoded.
pub(crate) struct Response<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) count: Option<u64>,
    /// Where the next page starts, if there is one; or what is wrong with the link to it.
    pub(crate) next: Result<Option<Cursor>, String>,
    pub(crate) request_id: Option<String>,
    pub(crate) microversion: Option<Microversion>,
}

impl<T> Traced for Response<T> {
    fn rows(&self) -> Option<usize> {
        Some(self.rows.len())
    }

    fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

/// The outcome of one attempt.
pub(crate) type Outcome<T> = Result<Response<T>, Failure>;

impl Transport {
    /// Fetches a page in as many attempts as the policy allows. The first one may be in flight already.
    pub(crate) async fn fetch<T: Row>(
        &self,
        request: &PageRequest,
        policy: &RetryPolicy,
        deadline: Option<Instant>,
        in_flight: Option<Spawned<Outcome<T>>>,
    ) -> Result<Response<T>, Error> {
        let start = |attempt, may_renew| self.attempt(request, attempt, may_renew);
        policy.run(Some(request.page), deadline, in_flight, start).await
    }

    /// Makes one attempt. A token that the service rejects is renewed, and the request repeated, if it
    /// `may_renew`.
    pub(crate) async fn attempt<T: Row>(&self, request: &PageRequest, attempt: u32, may_renew: bool) -> Outcome<T> {
        let token = self.settings.tokens.current().await?;
        // A page whose token was renewed has had one request more than attempts.
        let resends = attempt.saturating_sub(u32::from(may_renew));
        let outcome = self.send(request, &token, attempt, resends).await;
        if !may_renew || !matches!(&outcome, Err(failure) if failure.error.is_unauthorized()) {
            return outcome;
        }
        match self.settings.tokens.renewed(&token).await {
            None => outcome,
            Some(renewed) => {
                let outcome = self.send(request, &renewed?, attempt, attempt).await;
                outcome.map_err(|failure| Failure { renewed: true, ..failure })
            }
        }
    }

    async fn send<T: Row>(&self, request: &PageRequest, token: &Issued, attempt: u32, resends: u32) -> Outcome<T> {
        let attempt = Attempt {
            operation: T::OPERATION,
            method: "GET",
            path: T::PATH,
            endpoint: &self.endpoint,
            page: Some(request.page),
            query: Some(&request.query),
            redactor: Redactor::new(token.header.as_ref(), None),
            number: attempt,
            resends,
        };
        attempt.trace(self.exchange(request, token)).await
    }

    /// One request and its response, decoded and checked to be in the microversion of the request. Also returns
    /// the response's status.
    async fn exchange<T: Row>(&self, request: &PageRequest, token: &Issued) -> (Option<StatusCode>, Outcome<T>) {
        let context = RequestContext {
            token: token.header.clone(),
            // Two numbers and a point: any header can have that.
            microversion: request.microversion.and_then(|version| version.to_header().try_into().ok()),
            body_limit: self.settings.body_limit,
            head: OnceLock::new(),
        };
        let client = generated::Client::new_with_client(&self.endpoint, self.http.clone(), context);
        let sent = T::send(&request.query, &client, &self.project_id).await;

        let redactor = Redactor::new(token.header.as_ref(), None);
        let head = client.inner.head.get();
        let request_id = head.and_then(|head| redactor.request_id(&head.headers));
        let result = match sent {
            Ok(list) => self.response(list, request, head, request_id, redactor),
            Err(error) => {
                let exchange = Exchange {
                    endpoint: &self.endpoint,
                    body_limit: self.settings.body_limit,
                    marker: request.query.marker(),
                };
                Err(redactor.error(error, head, request_id, &exchange).await)
            }
        };
        let outcome = result.map_err(|error| Failure {
            retry_after: head.and_then(|head| retry_after(&head.headers)),
            ..Failure::from(error)
        });
        (head.map(|head| head.status), outcome)
    }

    fn response<T>(
        &self,
        list: List<T>,
        request: &PageRequest,
        head: Option<&Head>,
        request_id: Option<String>,
        redactor: Redactor<'_>,
    ) -> Result<Response<T>, Error> {
        if let Some(error) = list.error.filter(|error| !error.is_empty()) {
            let message = format!("the response has a list and an error: {}", redactor.clean(&error.0));
            return Err(Error::undecodable(request_id, message));
        }
        let mut stated = head.into_iter().flat_map(|head| head.headers.get_all(OPENSTACK_API_VERSION)).peekable();
        let trusted = self.settings.trust_microversion && stated.peek().is_none();
        let applied = Microversion::from_headers(stated.map(HeaderValue::as_bytes));
        match request.microversion {
            Some(required) if !applied.map_or(trusted, |applied| applied >= required) => {
                Err(Error::MicroversionNotHonored { required, answered: applied, request_id, attempts: 1 })
            }
            _ => Ok(Response {
                rows: list.backups,
                count: list.count,
                next: next_page(&list.backups_links, redactor),
                request_id,
                microversion: applied,
            }),
        }
    }
}

/// Where the next link leads. A token that is sent back as its marker would get into errors and traces.
fn next_page(links: &[Link], redactor: Redactor<'_>) -> Result<Option<Cursor>, String> {
    match Cursor::from_links(links).map_err(|reason| redactor.clean(&reason))? {
        Some(cursor) if redactor.finds(&cursor.to_string()) => Err("its marker has the token".to_owned()),
        cursor => Ok(cursor),
    }
}
