//! [`Transport`]: a service's address and settings, and how a page or an object is fetched from it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use tokio::time::Instant;

use super::begun::Begun;
use super::call::{Call, Received, Traced};
use super::hooks::Server;
use super::operation::{Get, Operation, Route, Row};
use super::retry::{Failure, RetryPolicy};
use super::runtime::{Spawned, on_current_runtime};
use super::secrets::Secrets;
use super::token_cache::{Issued, Tokens};
use crate::generated::OPENSTACK_API_VERSION;
use crate::query::{Cursor, List, Microversion, One, Page, Query};
use crate::{Error, Link};

/// A service's address, and the settings of a client.
pub(crate) struct Transport {
    /// The address up to the contract's path, without a slash at the end.
    pub(crate) endpoint: String,
    pub(crate) project_id: String,
    pub(crate) settings: Settings,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) http: reqwest::Client,
}

/// The settings of a client's builder. `Debug` does not show the token.
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

/// The parameters of a request of an operation.
pub(crate) struct Request<B> {
    pub(crate) operation: Get<B>,
    pub(crate) query: Query,
    pub(crate) microversion: Option<Microversion>,
    /// The number of the page in its listing, from 1; none of a single object.
    pub(crate) page: Option<u64>,
}

impl<B> Clone for Request<B> {
    fn clone(&self) -> Self {
        Self { query: self.query.clone(), ..*self }
    }
}

/// A decoded body, and what the client checks of it.
pub(crate) trait Body: Send + Sized {
    type Response: Traced + Send + 'static;

    /// `microversion` is the one that was applied.
    fn read(
        received: Received<'_, Self>,
        microversion: Option<Microversion>,
        secrets: &Secrets,
    ) -> Result<Self::Response, Error>;
}

impl<T> Traced for Page<T> {
    fn rows(&self) -> Option<usize> {
        Some(self.backups.len())
    }

    fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

/// The outcome of one attempt.
pub(crate) type Outcome<T> = Result<T, Failure>;

/// A request to the service of a project.
struct InProject<'a, B> {
    request: &'a Request<B>,
    project_id: &'a str,
}

impl<B: Send> Operation for InProject<'_, B> {
    type Body = B;

    fn route(&self) -> Route {
        let Get { id, path, .. } = self.request.operation;
        Route { id, method: "GET", path }
    }

    fn send(&self, server: Server) -> impl Future<Output = Result<B, progenitor_client::Error>> + Send {
        (self.request.operation.send)(&self.request.query, self.project_id, server)
    }

    fn query(&self) -> Option<&Query> {
        self.request.page.map(|_| &self.request.query)
    }

    fn page(&self) -> Option<u64> {
        self.request.page
    }
}

impl Transport {
    /// Renews the token in the background, as long as a listing has pages to fetch.
    pub(crate) fn begin_listing(&self) -> Option<Spawned<()>> {
        self.settings.tokens.keep_fresh()
    }

    /// The deadline of a page or an object that is awaited from now on.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.settings.page_deadline.and_then(|deadline| Instant::now().checked_add(deadline))
    }

    /// The microversion of a request with this minimum: the lowest in which all works; none if all works in every one.
    pub(crate) fn microversion<B>(
        &self,
        operation: &Get<B>,
        query: &Query,
        minimum: Option<Microversion>,
    ) -> Option<Microversion> {
        query.microversion().max(operation.microversion).max(minimum).max(self.settings.microversion)
    }

    /// Fetches a page or an object in as many attempts as the policy allows. The first one may be in flight already.
    pub(crate) async fn fetch<B: Body>(
        &self,
        request: &Request<B>,
        policy: &RetryPolicy,
        deadline: Option<Instant>,
        in_flight: Option<Begun<Outcome<B::Response>>>,
    ) -> Result<B::Response, Error> {
        let mut in_flight = in_flight;
        on_current_runtime(|| {
            let start = |attempt, may_renew| self.attempt(request, attempt, may_renew);
            policy.run(request.page, deadline, in_flight.take(), start)
        })
        .await
    }

    /// Makes one attempt of a request. A token that the service rejects is renewed, and the request repeated, if it
    /// `may_renew`. A response that may not be in the microversion is an error.
    pub(crate) async fn attempt<B: Body>(
        &self,
        request: &Request<B>,
        attempt: u32,
        may_renew: bool,
    ) -> Outcome<B::Response> {
        let (operation, microversion) = (InProject { request, project_id: &self.project_id }, request.microversion);
        let send = async |token: &Issued, resends| {
            token.header.iter().for_each(|token| self.secrets.add_token(token));
            let call = Call {
                operation: &operation,
                endpoint: &self.endpoint,
                http: &self.http,
                body_limit: self.settings.body_limit,
                token: token.header.clone(),
                microversion,
                secrets: &self.secrets,
                attempt,
                resends,
            };
            call.send(|received| {
                let applied = self.applied(microversion, &received)?;
                B::read(received, applied, &self.secrets)
            })
            .await
        };
        let token = self.settings.tokens.current().await?;
        // If the token was renewed, there was one more request than attempts.
        let rejection = match send(&token, attempt.saturating_sub(u32::from(may_renew))).await {
            Err(failure) if may_renew && failure.error.is_unauthorized() => failure.error,
            outcome => return outcome,
        };
        let renewed = self.settings.tokens.renewed(&token, rejection).await?;
        send(&renewed, attempt).await.map_err(|failure| Failure { renewed: true, ..failure })
    }

    /// The microversion that the response states, which has to be at least the request's.
    fn applied<T>(
        &self,
        required: Option<Microversion>,
        received: &Received<'_, T>,
    ) -> Result<Option<Microversion>, Error> {
        let mut stated = received.head.headers.get_all(OPENSTACK_API_VERSION).iter().peekable();
        let trusted = self.settings.trust_microversion && stated.peek().is_none();
        let applied = Microversion::from_headers(stated.map(HeaderValue::as_bytes));
        let shown = applied.filter(|applied| !self.secrets.are_in(&applied.to_string()));
        match required {
            Some(required) if !applied.map_or(trusted, |applied| applied >= required) => {
                let request_id = received.request_id.clone();
                Err(Error::MicroversionNotHonored { required, answered: shown, request_id, attempts: 1 })
            }
            _ => Ok(shown),
        }
    }
}

impl<T: Row> Body for List<T> {
    type Response = Page<T>;

    fn read(
        received: Received<'_, Self>,
        microversion: Option<Microversion>,
        secrets: &Secrets,
    ) -> Result<Page<T>, Error> {
        let Received { body: List { backups, backups_links, count, error }, request_id, .. } = received;
        refuse(error, "a list", request_id.as_deref(), secrets)?;
        Ok(Page { backups, count, next: next_page(&backups_links, secrets), request_id, microversion })
    }
}

impl<T: Send + 'static> Body for One<T> {
    type Response = (T, Option<String>);

    fn read(received: Received<'_, Self>, _: Option<Microversion>, secrets: &Secrets) -> Result<Self::Response, Error> {
        let Received { body: One { object, error }, request_id, .. } = received;
        refuse(error, "an object", request_id.as_deref(), secrets)?;
        Ok((object, request_id))
    }
}

/// An object, and the id of its request.
impl<T> Traced for (T, Option<String>) {
    fn rows(&self) -> Option<usize> {
        None
    }

    fn request_id(&self) -> Option<&str> {
        self.1.as_deref()
    }
}

/// Refuses a response that has an error beside its content.
fn refuse(error: Option<String>, what: &str, request_id: Option<&str>, secrets: &Secrets) -> Result<(), Error> {
    let Some(error) = error else { return Ok(()) };
    let message = format!("the response has {what} and an error: {}", secrets.one_line(&error));
    Err(Error::undecodable(request_id.map(str::to_owned), message))
}

/// The cursor of the next link. It must not contain a secret: it gets into errors and traces.
fn next_page(links: &[Link], secrets: &Secrets) -> Result<Option<Cursor>, String> {
    match Cursor::from_links(links).map_err(|reason| secrets.one_line(&reason))? {
        Some(cursor) if secrets.are_in_name(&cursor.to_string()) => Err("it contains a secret".to_owned()),
        cursor => Ok(cursor),
    }
}
