//! [`TokenCache`]: one renewal for all requests that wait for a token.

use std::error::Error as StdError;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_core::future::BoxFuture;
use futures_util::future::{Either, select};
use reqwest::header::HeaderValue;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tracing::Span;

use super::runtime::{Spawned, before};
use crate::Error;
use crate::token::{Token, TokenProvider};

type BoxError = Box<dyn StdError + Send + Sync>;

/// The maximum time by which a token is renewed ahead of its expiry.
const MAX_MARGIN: Duration = Duration::from_secs(300);

/// The minimum delay before a renewal ahead of expiry.
const MIN_DELAY: Duration = Duration::from_secs(1);

/// The tokens of a client. A header's `Debug` does not show its value.
#[derive(Debug)]
pub(crate) enum Tokens {
    Fixed(Option<HeaderValue>),
    Provided(Arc<TokenCache>),
}

impl Tokens {
    pub(crate) fn provided(provider: impl TokenProvider + 'static) -> Self {
        Self::Provided(Arc::new(TokenCache {
            provider: Arc::new(provider),
            state: Mutex::default(),
            changed: Notify::new(),
        }))
    }

    /// The current token.
    pub(crate) async fn current(&self) -> Result<Issued, Error> {
        match self {
            Self::Fixed(header) => Ok(Issued { header: header.clone(), renewal: 0, validity: None }),
            Self::Provided(cache) => cache.current().await,
        }
    }

    /// Another token in place of one that the service rejected with this error.
    pub(crate) async fn renewed(&self, rejected: &Issued, rejection: Error) -> Result<Issued, Error> {
        let Self::Provided(cache) = self else { return Err(rejection) };
        let renewed = cache.next(Some(rejected)).await?;
        if renewed.header == rejected.header {
            return Err(Error::Token { source: Arc::new(RejectedAgain(rejection)) });
        }
        Ok(renewed)
    }

    /// Renews the tokens ahead of their expiry, as long as the returned task exists.
    pub(crate) fn keep_fresh(&self) -> Option<Spawned<()>> {
        let Self::Provided(cache) = self else { return None };
        let cache = Arc::clone(cache);
        Some(Spawned::new(async move {
            loop {
                let changed = pin!(cache.changed.notified());
                match cache.renew_at() {
                    None => changed.await,
                    Some(at) => {
                        if let Either::Right(((), changed)) = select(changed, pin!(sleep_until(at))).await {
                            cache.renew_ahead();
                            changed.await;
                        }
                    }
                }
            }
        }))
    }
}

/// A provider returned the token that the service has rejected with this error.
#[derive(Debug)]
struct RejectedAgain(Error);

impl fmt::Display for RejectedAgain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the provider returned the rejected token again: {}", self.0)
    }
}

impl StdError for RejectedAgain {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
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
}

/// The life of a token, by a monotonic clock from its receipt.
#[derive(Clone, Copy, Debug)]
struct Validity {
    renew_at: Instant,
    expires_at: Instant,
}

impl Validity {
    fn new(life: Duration) -> Option<Self> {
        let margin = MAX_MARGIN.min(life / 10);
        // Random, so that many clients that started together do not renew together.
        let margin = margin.mul_f64(1.0 + fastrand::f64() / 5.0);
        let now = Instant::now();
        let expires_at = now.checked_add(life)?;
        let delay = life.saturating_sub(margin).max(MIN_DELAY);
        Some(Self { renew_at: now.checked_add(delay)?, expires_at })
    }

    /// The same after a renewal without a new token.
    fn postponed(self) -> Self {
        let now = Instant::now();
        let delay = (self.expires_at.saturating_duration_since(now) / 4).max(MIN_DELAY);
        Self { renew_at: now.checked_add(delay).unwrap_or(self.expires_at), ..self }
    }
}

/// [`TokenProvider`] as an object-safe trait.
trait DynProvider: Send + Sync {
    fn boxed_token(&self, rejected: Option<Token>) -> BoxFuture<'_, Result<Token, BoxError>>;
}

impl<T: TokenProvider> DynProvider for T {
    fn boxed_token(&self, rejected: Option<Token>) -> BoxFuture<'_, Result<Token, BoxError>> {
        Box::pin(self.token(rejected))
    }
}

/// The tokens of a provider, renewed by a single task.
pub(crate) struct TokenCache {
    provider: Arc<dyn DynProvider>,
    state: Mutex<State>,
    /// Signals the end of each renewal.
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// The outcome of the last renewal, and the number of renewals.
    last: Option<Result<Issued, Arc<dyn StdError + Send + Sync>>>,
    renewals: u64,
    /// The token that was rejected or has expired, until there is another one.
    rejected: Option<HeaderValue>,
    /// The renewal in flight. The requests that wait for it own it: it is cancelled when the last one is dropped.
    in_flight: Weak<Spawned<()>>,
    /// The same for a renewal ahead of expiry, which nobody has to wait for.
    ahead: Option<Arc<Spawned<()>>>,
}

impl State {
    /// The renewal in flight, unless its runtime may have stopped.
    fn in_flight(&self) -> Option<Arc<Spawned<()>>> {
        self.in_flight.upgrade().filter(|renewal| renewal.is_on_current_runtime())
    }

    /// Keeps the outcome of a renewal, which began for a rejected or expired token, or ahead of expiry.
    fn apply(&mut self, provided: Result<Token, BoxError>, rejected: Option<&HeaderValue>) {
        let provided = provided.and_then(|token| Ok((token.to_header()?, token.life().and_then(Validity::new))));
        if let (Some(Ok(token)), None) = (&mut self.last, rejected)
            && !token.is_expired()
        {
            match &provided {
                Ok((header, validity)) if token.header.as_ref() == Some(header) => {
                    // Its lease was extended, or the provider has a cache of its own.
                    token.validity = validity.or(token.validity.map(Validity::postponed));
                    return;
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(target: "vbs_client::token", %error, "the token could not be renewed ahead of its expiry");
                    token.validity = token.validity.map(Validity::postponed);
                    return;
                }
            }
        }
        self.renewals += 1;
        let renewal = self.renewals;
        self.rejected = self.rejected.take().filter(|_| provided.is_err());
        let issued = provided.map(|(header, validity)| Issued { header: Some(header), renewal, validity });
        self.last = Some(issued.map_err(Arc::from));
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").finish_non_exhaustive()
    }
}

impl TokenCache {
    /// The token in use, or the next one if that has expired. A token that is due is renewed in the background.
    async fn current(self: &Arc<Self>) -> Result<Issued, Error> {
        let last = self.lock().last.clone();
        match last {
            Some(Ok(token)) if token.is_expired() => self.next(Some(&token)).await,
            Some(Ok(token)) => {
                self.renew_ahead();
                Ok(token)
            }
            _ => self.next(None).await,
        }
    }

    /// The token of a later renewal than that of the old one, which was rejected or has expired.
    async fn next(self: &Arc<Self>, old: Option<&Issued>) -> Result<Issued, Error> {
        let mut since = old.map(|old| old.renewal);
        loop {
            let changed = self.changed.notified();
            let _renewal = {
                let mut state = self.lock();
                // All waiting requests get a failure; later requests do not.
                let since = *since.get_or_insert(state.renewals);
                match &state.last {
                    Some(last) if state.renewals > since || (old.is_none() && last.is_ok()) => {
                        return last.clone().map_err(|source| Error::Token { source });
                    }
                    _ => {}
                }
                if let Some(old) = old {
                    state.rejected.clone_from(&old.header);
                }
                // A renewal ahead of expiry may end without a new token: then the next one begins here.
                state.in_flight().unwrap_or_else(|| {
                    if let Some(old) = old {
                        let reason = if old.is_expired() { "has expired" } else { "was rejected" };
                        tracing::info!(target: "vbs_client::token", "the token {reason}, renewing it");
                    }
                    self.start(&mut state, None)
                })
            };
            changed.await;
        }
    }

    /// When to renew the token ahead of its expiry, if at all.
    fn renew_at(&self) -> Option<Instant> {
        let state = self.lock();
        let token = state.last.as_ref()?.as_ref().ok()?;
        token.validity.map(|validity| validity.renew_at).filter(|_| !token.is_expired())
    }

    /// Begins to renew a token that is due.
    fn renew_ahead(self: &Arc<Self>) {
        let mut state = self.lock();
        let Some(Ok(Issued { validity: Some(validity), .. })) = state.last else { return };
        let is_due = (validity.renew_at..validity.expires_at).contains(&Instant::now());
        if is_due && state.in_flight().is_none() {
            state.ahead = Some(self.start(&mut state, Some(validity.expires_at)));
        }
    }

    /// Begins a renewal, which ends by then at the latest. It does not keep the client alive.
    fn start(self: &Arc<Self>, state: &mut State, until: Option<Instant>) -> Arc<Spawned<()>> {
        let (cache, provider, rejected) = (Arc::downgrade(self), Arc::clone(&self.provider), state.rejected.clone());
        // In the background, it would keep the span of a finished request open.
        let span = if until.is_none() { Span::current() } else { Span::none() };
        let renewal = async move {
            let old = rejected.as_ref().and_then(|header| header.to_str().ok()).map(Token::from);
            // In a task of its own, so that a panic is an error.
            let call = Spawned::new(async move { provider.boxed_token(old).await });
            let output = before(until, call.output()).await;
            let output = output.map(|token| token.unwrap_or_else(|| Err("the provider panicked".into())));
            if let Some(cache) = cache.upgrade() {
                cache.finish(output, rejected.as_ref());
            }
        };
        let renewal = Arc::new(Spawned::within(span, renewal));
        state.in_flight = Arc::downgrade(&renewal);
        renewal
    }

    /// Ends a renewal with its outcome, if it ended before the token's expiry.
    fn finish(&self, provided: Option<Result<Token, BoxError>>, rejected: Option<&HeaderValue>) {
        let mut state = self.lock();
        (state.in_flight, state.ahead) = (Weak::new(), None);
        if let Some(provided) = provided {
            state.apply(provided, rejected);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
