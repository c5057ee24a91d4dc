//! [`Token`], [`TokenProvider`], and the tokens of a client: one renewal for all requests that wait for it.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use futures_core::future::BoxFuture;
use futures_util::future::{Either, Shared, WeakShared, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::{Handle, Id};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::instrument::WithSubscriber;

use super::runtime::current_runtime;
use crate::Error;

type BoxError = Box<dyn StdError + Send + Sync>;

/// The longest time by which a token is renewed ahead of its expiry.
const MAX_MARGIN: Duration = Duration::from_secs(300);

/// The shortest delay before a renewal ahead of expiry.
const MIN_DELAY: Duration = Duration::from_secs(1);

/// A token, and when it expires. `Debug` does not show the secret.
///
/// Strings and secrets become tokens by `From`.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use vbs_client::Token;
///
/// let mut token = Token::from("secret");
/// token.expires_at = Some(SystemTime::now() + Duration::from_secs(3600));
/// assert!(!format!("{token:?}").contains("\"secret\""));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Token {
    /// What is sent as `X-Auth-Token`.
    pub secret: SecretString,
    /// When the token expires, by this machine's clock. Default: not known, and the token is renewed only when the
    /// service rejects it. A time that is in the past when the client receives the token is ignored.
    pub expires_at: Option<SystemTime>,
    /// From receipt to expiry, where the issuer's own clock gave it.
    pub(crate) life: Option<Duration>,
}

impl Token {
    /// The life that is left at the receipt of the token, unless that is not known.
    fn life(&self) -> Option<Duration> {
        let by_this_clock = || self.expires_at?.duration_since(SystemTime::now()).ok();
        self.life.or_else(by_this_clock).filter(|life| !life.is_zero())
    }
}

impl From<SecretString> for Token {
    fn from(secret: SecretString) -> Self {
        Self { secret, expires_at: None, life: None }
    }
}

macro_rules! token_from {
    ($($text:ty),*) => {
        $(impl From<$text> for Token {
            fn from(secret: $text) -> Self {
                SecretString::from(secret).into()
            }
        })*
    };
}

token_from!(String, &str, Box<str>);

impl From<&String> for Token {
    fn from(secret: &String) -> Self {
        secret.as_str().into()
    }
}

impl From<Cow<'_, str>> for Token {
    fn from(secret: Cow<'_, str>) -> Self {
        secret.into_owned().into()
    }
}

impl From<&SecretString> for Token {
    fn from(secret: &SecretString) -> Self {
        secret.clone().into()
    }
}

/// Provides tokens, and new ones in place of those that the service rejects.
///
/// The client requests a token before its first request, and keeps it. It requests another one when the service
/// has rejected it (status 401), and ahead of its expiry where that is known: by 5 minutes or a tenth of its
/// life, whichever is less. That happens in the background during a listing, so that no page waits for it.
///
/// All requests that wait for a token wait for the same one: whichever is polled drives the provider, and it is
/// cancelled only when all of them are dropped. A failure is the error of each. A renewal ahead of expiry that
/// fails is tried again as long as the token is valid.
///
/// A provider should have timeouts of its own: requests wait for it, up to their
/// [`page_deadline`](crate::ClientBuilder::page_deadline) where they have one.
///
/// `Arc<T>` and `Box<T>` of a provider are providers, too; [`token_fn`] makes one from a closure.
///
/// # Examples
///
/// ```
/// use std::error::Error;
/// use vbs_client::{Client, Token, TokenProvider};
///
/// struct Vault;
///
/// impl TokenProvider for Vault {
///     async fn token(&self, rejected: Option<Token>) -> Result<Token, Box<dyn Error + Send + Sync>> {
///         Ok("a token from the vault".into())
///     }
/// }
///
/// let client = Client::builder("https://host").project_id("p").token_provider(Vault).build()?;
/// # Ok::<(), vbs_client::Error>(())
/// ```
pub trait TokenProvider: Send + Sync {
    /// Returns the current token, with as much of its life left as can be; where one was rejected by the service
    /// or has expired, another one.
    ///
    /// # Errors
    ///
    /// Whatever went wrong: it is the source of [`Error::Token`].
    fn token(
        &self,
        rejected: Option<Token>,
    ) -> impl Future<Output = Result<Token, Box<dyn StdError + Send + Sync>>> + Send;
}

impl<T: TokenProvider + ?Sized> TokenProvider for Arc<T> {
    fn token(&self, rejected: Option<Token>) -> impl Future<Output = Result<Token, BoxError>> + Send {
        (**self).token(rejected)
    }
}

impl<T: TokenProvider + ?Sized> TokenProvider for Box<T> {
    fn token(&self, rejected: Option<Token>) -> impl Future<Output = Result<Token, BoxError>> + Send {
        (**self).token(rejected)
    }
}

/// Makes a [`TokenProvider`] from a closure that returns a future of a token: of a [`Token`], a string or a
/// secret.
///
/// # Examples
///
/// ```
/// # async fn log_in() -> Result<String, std::io::Error> { Ok("token".to_owned()) }
/// use vbs_client::Client;
///
/// let client = Client::builder("https://host")
///     .project_id("p")
///     .token_provider(vbs_client::token_fn(|_rejected| async { log_in().await }))
///     .build()?;
/// # Ok::<(), vbs_client::Error>(())
/// ```
pub fn token_fn<F, R, T, E>(function: F) -> TokenFn<F>
where
    F: Fn(Option<Token>) -> R + Send + Sync,
    R: Future<Output = Result<T, E>> + Send,
    T: Into<Token>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    TokenFn(function)
}

/// A closure as a [`TokenProvider`]: see [`token_fn`].
#[derive(Clone, Copy)]
pub struct TokenFn<F>(F);

impl<F> fmt::Debug for TokenFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenFn").finish_non_exhaustive()
    }
}

impl<F, R, T, E> TokenProvider for TokenFn<F>
where
    F: Fn(Option<Token>) -> R + Send + Sync,
    R: Future<Output = Result<T, E>> + Send,
    T: Into<Token>,
    E: Into<BoxError>,
{
    async fn token(&self, rejected: Option<Token>) -> Result<Token, BoxError> {
        self.0(rejected).await.map(Into::into).map_err(Into::into)
    }
}

/// What a [`TokenProvider`] can be boxed as.
trait DynProvider: Send + Sync {
    fn boxed_token(&self, rejected: Option<Token>) -> BoxFuture<'_, Result<Token, BoxError>>;
}

impl<T: TokenProvider> DynProvider for T {
    fn boxed_token(&self, rejected: Option<Token>) -> BoxFuture<'_, Result<Token, BoxError>> {
        Box::pin(self.token(rejected))
    }
}

/// A token as a header's value, or why no header can have it. `Debug` does not show it.
pub(crate) fn header(token: &Token) -> Result<HeaderValue, &'static str> {
    let token = token.secret.expose_secret();
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

/// A token in use, and the number of the renewal that it is from.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    pub(crate) header: Option<HeaderValue>,
    renewal: u64,
    validity: Option<Validity>,
}

impl Issued {
    fn is_expired(&self) -> bool {
        self.validity.is_some_and(|validity| Instant::now() >= validity.expires_at)
    }

    /// When the token is due for a renewal ahead of its expiry, if it is to be.
    fn renew_at(&self) -> Option<Instant> {
        self.validity.map(|validity| validity.renew_at).filter(|_| !self.is_expired())
    }
}

/// The life of a token, on a monotonic clock from its receipt.
#[derive(Clone, Copy, Debug)]
struct Validity {
    renew_at: Instant,
    expires_at: Instant,
}

impl Validity {
    fn new(life: Duration) -> Option<Self> {
        let margin = MAX_MARGIN.min(life / 10);
        // So that many clients that have begun together do not renew together.
        let margin = margin.mul_f64(1.0 + fastrand::f64() / 5.0);
        let now = Instant::now();
        let expires_at = now.checked_add(life)?;
        let delay = life.saturating_sub(margin).max(MIN_DELAY);
        Some(Self { renew_at: now.checked_add(delay)?, expires_at })
    }

    /// The same after a renewal that brought nothing new.
    fn postponed(self) -> Self {
        let now = Instant::now();
        let delay = (self.expires_at.saturating_duration_since(now) / 4).max(MIN_DELAY);
        Self { renew_at: now.checked_add(delay).unwrap_or(self.expires_at), ..self }
    }
}

type Renewed = Result<Issued, Arc<dyn StdError + Send + Sync>>;
type Renewal = BoxFuture<'static, Renewed>;

pub(crate) struct Provided {
    provider: Box<dyn DynProvider>,
    state: Mutex<State>,
    /// Whenever a renewal has ended.
    changed: Notify,
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

impl State {
    fn in_flight(&self) -> Option<Shared<Renewal>> {
        let same = self.in_flight.as_ref().filter(|(started_on, _)| *started_on == current_runtime());
        same.and_then(|(_, in_flight)| in_flight.upgrade())
    }
}

impl fmt::Debug for Provided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provided").finish_non_exhaustive()
    }
}

impl Tokens {
    pub(crate) fn provided(provider: impl TokenProvider + 'static) -> Self {
        Self::Provided(Arc::new(Provided {
            provider: Box::new(provider),
            state: Mutex::default(),
            changed: Notify::new(),
        }))
    }

    /// The token to begin with.
    pub(crate) async fn current(&self) -> Result<Issued, Error> {
        match self {
            Self::Fixed(header) => Ok(Issued { header: header.clone(), renewal: 0, validity: None }),
            Self::Provided(provided) => provided.current().await,
        }
    }

    /// The token in place of a rejected one, if there can be another.
    pub(crate) async fn renewed(&self, rejected: &Issued) -> Option<Result<Issued, Error>> {
        match self {
            Self::Provided(provided) => Some(provided.token(Some(rejected)).await),
            Self::Fixed(_) => None,
        }
    }

    /// Renews the tokens ahead of their expiry, in a task, as long as the returned value exists.
    pub(crate) fn keep_fresh(&self) -> Option<KeepFresh> {
        let (Self::Provided(provided), Ok(runtime)) = (self, Handle::try_current()) else { return None };
        let provided = Arc::clone(provided);
        let task = async move {
            loop {
                let changed = provided.changed.notified();
                match provided.renew_at() {
                    None => changed.await,
                    Some(at) => {
                        if let Either::Right(_) = select(pin!(changed), pin!(sleep_until(at))).await {
                            // The error is in the log, and a later request has it where it matters.
                            let _ = provided.renewal_ahead().await;
                        }
                    }
                }
            }
        };
        Some(KeepFresh(runtime.spawn(task.with_current_subscriber())))
    }
}

/// A task that renews tokens ahead of their expiry.
pub(crate) struct KeepFresh(JoinHandle<()>);

impl Drop for KeepFresh {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Provided {
    async fn current(self: &Arc<Self>) -> Result<Issued, Error> {
        let last = self.lock().last.clone();
        match last {
            Some(Ok(token)) if token.is_expired() => self.token(Some(&token)).await,
            Some(Ok(token)) => {
                if token.renew_at().is_some_and(|at| Instant::now() >= at) {
                    self.renew_in_background();
                }
                Ok(token)
            }
            _ => self.token(None).await,
        }
    }

    async fn token(self: &Arc<Self>, rejected: Option<&Issued>) -> Result<Issued, Error> {
        let failed = |source| Error::Token { source };
        let renewed = self.last_or_renewal(rejected).await.map_err(failed)?;
        match rejected {
            // A renewal ahead of expiry was in flight, and the provider knew nothing of the rejection.
            Some(rejected) if rejected.header == renewed.header => {
                self.last_or_renewal(Some(rejected)).await.map_err(failed)
            }
            _ => Ok(renewed),
        }
    }

    fn renew_at(&self) -> Option<Instant> {
        self.lock().last.as_ref()?.as_ref().ok()?.renew_at()
    }

    /// The last token where it is good enough, or else the next one.
    fn last_or_renewal(self: &Arc<Self>, rejected: Option<&Issued>) -> Shared<Renewal> {
        let mut state = self.lock();
        let is_newer = rejected.is_some_and(|rejected| state.renewals > rejected.renewal);
        match &state.last {
            // A failure is that of all requests whose token was rejected, and not of later ones.
            Some(last) if is_newer || (rejected.is_none() && last.is_ok()) => {
                return std::future::ready(last.clone()).boxed().shared();
            }
            _ => {}
        }
        if let Some(rejected) = rejected {
            let reason = if rejected.is_expired() { "has expired" } else { "was rejected" };
            tracing::info!(target: "vbs_client::token", "the token {reason}, renewing it");
            state.rejected.clone_from(&rejected.header);
        }
        state.in_flight().unwrap_or_else(|| self.start(&mut state, rejected.is_some()))
    }

    /// The renewal in flight or, where the token is still to be renewed, a new one.
    fn renewal_ahead(self: &Arc<Self>) -> Shared<Renewal> {
        let mut state = self.lock();
        if let Some(in_flight) = state.in_flight() {
            return in_flight;
        }
        match &state.last {
            Some(Ok(token)) if token.renew_at().is_none_or(|at| Instant::now() < at) => {
                std::future::ready(Ok(token.clone())).boxed().shared()
            }
            _ => self.start(&mut state, false),
        }
    }

    /// Renews the token in a task of its own.
    fn renew_in_background(self: &Arc<Self>) {
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(self.renewal_ahead().map(drop).with_current_subscriber());
        }
    }

    fn start(self: &Arc<Self>, state: &mut State, just_rejected: bool) -> Shared<Renewal> {
        // It is polled only when it was woken, not by each request that joins.
        let mut renewal: FuturesUnordered<_> =
            [Arc::clone(self).renew(state.rejected.clone(), just_rejected)].into_iter().collect();
        let renewal =
            async move { renewal.next().await.unwrap_or_else(|| Err(BoxError::from("there was no renewal").into())) };
        let renewal = renewal.boxed().shared();
        state.in_flight = renewal.downgrade().map(|in_flight| (current_runtime(), in_flight));
        renewal
    }

    /// A token that was rejected just now is not sent again; one that was before may be good by now.
    async fn renew(self: Arc<Self>, rejected: Option<HeaderValue>, just_rejected: bool) -> Renewed {
        let told = rejected.as_ref().and_then(|header| header.to_str().ok()).map(Token::from);
        let provided = AssertUnwindSafe(async { self.provider.boxed_token(told).await }).catch_unwind().await;
        let provided = provided.unwrap_or_else(|_| Err("the provider panicked".into()));
        let provided = provided.and_then(|token| match header(&token)? {
            same if just_rejected && Some(&same) == rejected.as_ref() => {
                Err("the provider returned the rejected token again".into())
            }
            header => Ok((header, token.life().and_then(Validity::new))),
        });
        let mut state = self.lock();
        state.in_flight = None;
        // One that is good for some time yet.
        let present = state.last.clone().and_then(Result::ok);
        let present = present.filter(|token| rejected.is_none() && !token.is_expired());
        let renewed = match (provided, present) {
            (Ok((header, validity)), Some(mut token)) if token.header.as_ref() == Some(&header) => {
                token.validity = validity.or(token.validity).map(Validity::postponed);
                state.last = Some(Ok(token.clone()));
                Ok(token)
            }
            (Ok((header, validity)), _) => {
                state.renewals += 1;
                state.rejected = None;
                let token = Issued { header: Some(header), renewal: state.renewals, validity };
                state.last = Some(Ok(token.clone()));
                Ok(token)
            }
            (Err(error), Some(mut token)) => {
                tracing::warn!(target: "vbs_client::token", %error, "the token could not be renewed ahead of its expiry");
                token.validity = token.validity.map(Validity::postponed);
                state.last = Some(Ok(token));
                Err(Arc::from(error))
            }
            (Err(error), None) => {
                state.renewals += 1;
                let renewed = Err(Arc::from(error));
                state.last = Some(renewed.clone());
                renewed
            }
        };
        drop(state);
        self.changed.notify_waiters();
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
        let header = header(&"secret".into()).unwrap();
        assert!(header.is_sensitive());
        assert_eq!(format!("{header:?}"), "Sensitive");
    }
}
