//! [`TokenCache`]: one renewal for all requests that wait for a token.

use std::error::Error as StdError;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_core::future::BoxFuture;
use futures_util::future::{Either, Shared, WeakShared, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use reqwest::header::HeaderValue;
use tokio::runtime::{Handle, Id};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::instrument::WithSubscriber;

use super::runtime::current_runtime;
use crate::Error;
use crate::token::{Token, TokenProvider};

type BoxError = Box<dyn StdError + Send + Sync>;

/// The longest time by which a token is renewed ahead of its expiry.
const MAX_MARGIN: Duration = Duration::from_secs(300);

/// The shortest delay before a renewal ahead of expiry.
const MIN_DELAY: Duration = Duration::from_secs(1);

/// What a [`TokenProvider`] can be boxed as.
trait DynProvider: Send + Sync {
    fn boxed_token(&self, rejected: Option<Token>) -> BoxFuture<'_, Result<Token, BoxError>>;
}

impl<T: TokenProvider> DynProvider for T {
    fn boxed_token(&self, rejected: Option<Token>) -> BoxFuture<'_, Result<Token, BoxError>> {
        Box::pin(self.token(rejected))
    }
}

/// The tokens of a client. A header's `Debug` does not show its value.
#[derive(Debug)]
pub(crate) enum Tokens {
    Fixed(Option<HeaderValue>),
    Provided(Arc<TokenCache>),
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

pub(crate) struct TokenCache {
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

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").finish_non_exhaustive()
    }
}

impl Tokens {
    pub(crate) fn provided(provider: impl TokenProvider + 'static) -> Self {
        Self::Provided(Arc::new(TokenCache {
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

impl TokenCache {
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
        let provided = provided.and_then(|token| match token.to_header()? {
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
