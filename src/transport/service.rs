//! [`Transport`]: a service's address and settings, and how a page is fetched from it.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use tokio::time::Instant;

use super::call::{Call, Received};
use super::hooks::Server;
use super::operation::{Operation, Row};
use super::retry::{Failure, RetryPolicy};
use super::runtime::{Spawned, on_current_runtime};
use super::secrets::Secrets;
use super::signals::Traced;
use super::token_cache::{Issued, Tokens};
use crate::generated::OPENSTACK_API_VERSION;
use crate::query::{Cursor, List, Microversion, Page, Query};
use crate::{Error, Link};

/// A service's address, and the settings of a client.
pub(crate) struct Transport {
    /// Up to where the contract's path begins, without a slash at the end.
    pub(crate) endpoint: String,
    pub(crate) project_id: String,
    pub(crate) settings: Settings,
    pub(crate) secrets: Arc<Secrets>,
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

impl<T> Traced for Page<T> {
    fn rows(&self) -> Option<usize> {
        Some(self.backups.len())
    }

    fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

/// The outcome of one attempt to fetch a page.
pub(crate) type Outcome<T> = Result<Page<T>, Failure>;

/// The operation that fetches a page.
struct ListPage<'a, T> {
    request: &'a PageRequest,
    project_id: &'a str,
    row: PhantomData<fn() -> T>,
}

impl<T: Row> Operation for ListPage<'_, T> {
    const ID: &'static str = T::ID;
    const METHOD: &'static str = "GET";
    const PATH: &'static str = T::PATH;
    type Body = List<T>;

    fn send(&self, server: Server) -> impl Future<Output = Result<List<T>, progenitor_client::Error>> + Send {
        T::send(&self.request.query, self.project_id, server)
    }

    fn query(&self) -> Option<&Query> {
        Some(&self.request.query)
    }

    fn page(&self) -> Option<u64> {
        Some(self.request.page)
    }
}

impl Transport {
    /// What goes on in the background as long as a listing has pages to fetch: the token is kept fresh.
    pub(crate) fn begin_listing(&self) -> Option<Spawned<()>> {
        self.settings.tokens.keep_fresh()
    }

    /// Fetches a page in as many attempts as the policy allows. The first one may be in flight already.
    pub(crate) async fn fetch<T: Row>(
        &self,
        request: &PageRequest,
        policy: &RetryPolicy,
        deadline: Option<Instant>,
        in_flight: Option<Spawned<Outcome<T>>>,
    ) -> Result<Page<T>, Error> {
        let mut in_flight = in_flight;
        on_current_runtime(|| {
            let start = |attempt, may_renew| self.attempt(request, attempt, may_renew);
            policy.run(Some(request.page), deadline, in_flight.take(), start)
        })
        .await
    }

    /// Makes one attempt to fetch a page.
    pub(crate) async fn attempt<T: Row>(&self, request: &PageRequest, attempt: u32, may_renew: bool) -> Outcome<T> {
        let operation = ListPage { request, project_id: &self.project_id, row: PhantomData };
        self.call(&operation, request.microversion, attempt, may_renew, page).await
    }

    /// Makes one attempt of an operation, and `read`s its response. A token that the service rejects is renewed, and
    /// the request repeated, if it `may_renew`. A response that may not be in the microversion is an error.
    pub(crate) async fn call<O: Operation, T: Traced>(
        &self,
        operation: &O,
        microversion: Option<Microversion>,
        attempt: u32,
        may_renew: bool,
        read: impl Fn(Received<'_, O::Body>, Option<Microversion>, &Secrets) -> Result<T, Error> + Sync,
    ) -> Result<T, Failure> {
        let send = async |token: &Issued, resends| {
            token.header.iter().for_each(|token| self.secrets.add_token(token));
            let call = Call {
                operation,
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
                read(received, applied, &self.secrets)
            })
            .await
        };
        let token = self.settings.tokens.current().await?;
        // A page whose token was renewed has had one request more than attempts.
        let rejection = match send(&token, attempt.saturating_sub(u32::from(may_renew))).await {
            Err(failure) if may_renew && failure.error.is_unauthorized() => failure.error,
            outcome => return outcome,
        };
        let renewed = self.settings.tokens.renewed(&token, rejection).await?;
        send(&renewed, attempt).await.map_err(|failure| Failure { renewed: true, ..failure })
    }

    /// The microversion that the response states, which has to be that of the request at least.
    fn applied<T>(
        &self,
        required: Option<Microversion>,
        received: &Received<'_, T>,
    ) -> Result<Option<Microversion>, Error> {
        let mut stated = received.head.headers.get_all(OPENSTACK_API_VERSION).iter().peekable();
        let trusted = self.settings.trust_microversion && stated.peek().is_none();
        let applied = Microversion::from_headers(stated.map(HeaderValue::as_bytes));
        match required {
            Some(required) if !applied.map_or(trusted, |applied| applied >= required) => {
                let request_id = received.request_id.clone();
                Err(Error::MicroversionNotHonored { required, answered: applied, request_id, attempts: 1 })
            }
            _ => Ok(applied),
        }
    }
}

fn page<T>(
    received: Received<'_, List<T>>,
    microversion: Option<Microversion>,
    secrets: &Secrets,
) -> Result<Page<T>, Error> {
    let Received { body: List { backups, backups_links, count, error }, request_id, .. } = received;
    if let Some(error) = error {
        let message = format!("the response has a list and an error: {}", secrets.one_line(&error));
        return Err(Error::undecodable(request_id, message));
    }
    Ok(Page { backups, count, next: next_page(&backups_links, secrets), request_id, microversion })
}

/// Where the next link leads. A secret that is sent back as its marker would get into errors and traces.
fn next_page(links: &[Link], secrets: &Secrets) -> Result<Option<Cursor>, String> {
    match Cursor::from_links(links).map_err(|reason| secrets.one_line(&reason))? {
        Some(cursor) if secrets.are_in_name(&cursor.to_string()) => Err("it contains a secret".to_owned()),
        cursor => Ok(cursor),
    }
}
