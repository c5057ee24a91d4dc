//! [`TokenProvider`], and the tokens of a client: one renewal for all requests that wait for it.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_core::future::BoxFuture;
use futures_util::future::{Shared, WeakShared};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use reqwest::header::HeaderValue;
use tokio::runtime::Id;

use super::runtime::current_runtime;
use crate::Error;

type BoxError = Box<dyn StdError + Send + Sync>;

/// Provides tokens, and new ones in place of those that the service rejects.
///
/// The client requests a token before its first request, keeps it, and requests another one when the service
/// has rejected it (status 401). All requests that wait for a token wait for the same one: whichever is polled
/// drives the provider, and it is cancelled only when all of them are dropped. A failure is the error of each.
///
/// A provider should have timeouts of its own: requests wait for it, up to their
/// [`page_deadline`](crate::ClientBuilder::page_deadline) where they have one.
///
/// A closure that returns a future is a provider, too. One that is shared or boxed is called from a closure:
/// `move |rejected| { let shared = Arc::clone(&shared); async move { shared.token(rejected).await } }`.
///
/// # Examples
///
/// ```
/// # async fn log_in() -> Result<String, std::io::Error> { Ok("token".to_owned()) }
/// use vbs_client::Client;
///
/// let client = Client::builder("https://host")
///     .project_id("p")
///     .token_provider(|_rejected: Option<String>| async { log_in().await })
///     .build()?;
/// # Ok::<(), vbs_client::Error>(())
/// ```
pub trait TokenProvider: Send + Sync {
    /// Returns the current token or, where one was rejected, a new one.
    ///
    /// # Errors
    ///
    /// Whatever went wrong: it is the source of [`Error::Token`].
    fn token(&self, rejected: Option<String>) -> BoxFuture<'_, Result<String, BoxError>>;
}

impl<F, R, E> TokenProvider for F
where
    F: Fn(Option<String>) -> R + Send + Sync,
    R: Future<Output = Result<String, E>> + Send + 'static,
    E: Into<BoxError>,
{
    fn token(&self, rejected: Option<String>) -> BoxFuture<'_, Result<String, BoxError>> {
        let token = self(rejected);
        Box::pin(async { token.await.map_err(Into::into) })
    }
}

/// A token as a header's value, or why no header can have it. `Debug` does not show it.
pub(crate) fn header(token: String) -> Result<HeaderValue, &'static str> {
    if token.is_empty() {
        return Err("it is empty");
    }
    // Blanks at its ends would be lost on the way, and then it could not be told from other text.
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("it has characters that no token can have in a header, such as a blank or a line break");
    }
    let mut header = HeaderValue::try_from(token).map_err(|_| "no header can have it")?;
    header.set_sensitive(true);
    Ok(header)
}

/// The tokens of a client. A header's `Debug` does not show its value.
#[derive(Debug)]
pub(crate) enum Tokens {
    Fixed(Option<HeaderValue>),
    Provided(Arc<Provided>),
}

/// A token, and the number of the renewal that it is from.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) header: Option<HeaderValue>,
    renewal: u64,
}

type Renewed = Result<Token, Arc<dyn StdError + Send + Sync>>;
type Renewal = BoxFuture<'static, Renewed>;

pub(crate) struct Provided {
    provider: Box<dyn TokenProvider>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How many renewals have ended.
    renewals: u64,
    last: Option<Renewed>,
    /// The token that was rejected, until there is another one.
    rejected: Option<HeaderValue>,
    /// The renewal in flight, and its runtime, which may not be driven any more. Those who wait for it own it.
    in_flight: Option<(Option<Id>, WeakShared<Renewal>)>,
}

impl fmt::Debug for Provided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provided").finish_non_exhaustive()
    }
}

impl Tokens {
    pub(crate) fn provided(provider: impl TokenProvider + 'static) -> Self {
        Self::Provided(Arc::new(Provided { provider: Box::new(provider), state: Mutex::default() }))
    }

    /// The token to begin with.
    pub(crate) async fn current(&self) -> Result<Token, Error> {
        match self {
            Self::Fixed(header) => Ok(Token { header: header.clone(), renewal: 0 }),
            Self::Provided(provided) => provided.token(None).await,
        }
    }

    /// The token in place of a rejected one, if there can be another.
    pub(crate) async fn renewed(&self, rejected: &Token) -> Option<Result<Token, Error>> {
        match self {
            Self::Provided(provided) => Some(provided.token(Some(rejected)).await),
            Self::Fixed(_) => None,
        }
    }
}

impl Provided {
    async fn token(self: &Arc<Self>, rejected: Option<&Token>) -> Result<Token, Error> {
        self.last_or_renewal(rejected).await.map_err(|source| Error::Token { source })
    }

    /// The last token where it is good enough, or else the next one.
    fn last_or_renewal(self: &Arc<Self>, rejected: Option<&Token>) -> Shared<Renewal> {
        let mut state = self.lock();
        let is_newer = rejected.is_some_and(|rejected| state.renewals > rejected.renewal);
        match &state.last {
            // A failure is that of all requests whose token was rejected, and not of later ones.
            Some(last) if is_newer || (rejected.is_none() && last.is_ok()) => {
                return std::future::ready(last.clone()).boxed().shared();
            }
            _ => {}
        }
        let runtime = current_runtime();
        let same = state.in_flight.as_ref().filter(|(started_on, _)| *started_on == runtime);
        if let Some(in_flight) = same.and_then(|(_, in_flight)| in_flight.upgrade()) {
            return in_flight;
        }
        if let Some(rejected) = rejected {
            tracing::info!("the token was rejected, renewing it");
            state.rejected.clone_from(&rejected.header);
        }
        // It is polled only when it was woken, not by each request that joins.
        let mut renewal: FuturesUnordered<_> =
            [Arc::clone(self).renew(state.rejected.clone(), rejected.is_some())].into_iter().collect();
        let renewal =
            async move { renewal.next().await.unwrap_or_else(|| Err(BoxError::from("there was no renewal").into())) };
        let renewal = renewal.boxed().shared();
        state.in_flight = renewal.downgrade().map(|in_flight| (runtime, in_flight));
        renewal
    }

    /// A token that was rejected just now is not sent again; one that was before may be good by now.
    async fn renew(self: Arc<Self>, rejected: Option<HeaderValue>, just_now: bool) -> Renewed {
        let told = rejected.as_ref().and_then(|header| header.to_str().ok()).map(str::to_owned);
        let provided = AssertUnwindSafe(async { self.provider.token(told).await }).catch_unwind().await;
        let token = provided.unwrap_or_else(|_| Err("the provider panicked".into()));
        let header = token.and_then(|token| match header(token)? {
            same if just_now && Some(&same) == rejected.as_ref() => {
                Err("the provider returned the rejected token again".into())
            }
            header => Ok(header),
        });
        let mut state = self.lock();
        state.renewals += 1;
        if header.is_ok() {
            state.rejected = None;
        }
        let renewed = header.map(|header| Token { header: Some(header), renewal: state.renewals }).map_err(Arc::from);
        state.last = Some(renewed.clone());
        state.in_flight = None;
        renewed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So that the libraries below keep it out of their logs.
    #[test]
    fn the_header_of_a_token_is_marked_as_a_secret() {
        let header = header("secret".to_owned()).unwrap();
        assert!(header.is_sensitive());
        assert_eq!(format!("{header:?}"), "Sensitive");
    }
}
