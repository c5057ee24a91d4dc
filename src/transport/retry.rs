//! [`RetryPolicy`], and the loop that follows it.

use std::time::Duration;

use futures_util::future::OptionFuture;
use tokio::time::{Instant, sleep};

use super::begun::Begun;
use super::runtime::before;
use crate::Error;

/// How a page is fetched again after a transient fault.
///
/// Transient faults are connections that fail or break off, also within the body, timeouts, the statuses 408, 429, 500,
/// 502, 503 and 504, and 413 if the response states a delay. Nothing else is retried.
///
/// The longest delay before the n-th retry is the initial delay times 2ⁿ⁻¹, up to the maximum delay; the delay is drawn
/// at random from the upper half of it ("equal jitter"). The delay that a response states, as a `Retry-After` header
/// (in seconds or as a date) or as the `retryAfter` of its fault, is used if it is longer.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use vbs_client::{Client, RetryPolicy};
///
/// let policy = RetryPolicy::default().max_attempts(10).max_delay(Duration::from_secs(30));
/// let client = Client::builder("https://host").project_id("p").retry(policy).build()?;
/// # Ok::<(), vbs_client::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    max_attempts: u32,
    initial_delay: Duration,
    max_delay: Duration,
    max_retry_after: Duration,
}

impl RetryPolicy {
    /// A policy without retries.
    #[must_use]
    pub fn none() -> Self {
        Self::default().max_attempts(1)
    }

    /// Sets the maximum number of attempts per page, the first one included. Default: 4. 0 means 1.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// Sets the longest delay before the first retry. Default: 200 ms.
    #[must_use]
    pub fn initial_delay(mut self, delay: Duration) -> Self {
        self.initial_delay = delay;
        self
    }

    /// Sets the longest delay before any retry. Default: 10 s.
    #[must_use]
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// Sets the maximum of the delay that a response states. Default: 60 s.
    #[must_use]
    pub fn max_retry_after(mut self, delay: Duration) -> Self {
        self.max_retry_after = delay;
        self
    }

    /// The delay before the retry that follows this attempt, counted from 1; `None` after the last attempt.
    fn delay(&self, attempt: u32, retry_after: Option<Duration>) -> Option<Duration> {
        if attempt >= self.max_attempts {
            return None;
        }
        let factor = 2_u32.saturating_pow(attempt.saturating_sub(1));
        let longest = self.initial_delay.saturating_mul(factor).min(self.max_delay);
        // Never close to zero: otherwise all retries could be used up at once behind a rate limit that states no delay.
        let jittered = longest.mul_f64(0.5 + fastrand::f64() / 2.0);
        Some(jittered.max(retry_after.unwrap_or_default().min(self.max_retry_after)))
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 4,
            initial_delay: Duration::from_millis(200),
            max_delay: Duration::from_secs(10),
            max_retry_after: Duration::from_secs(60),
        }
    }
}

/// An attempt that failed.
pub(crate) struct Failure {
    pub(crate) error: Error,
    pub(crate) at: Instant,
    /// Whether the attempt has used up the page's renewal of a rejected token.
    pub(crate) renewed: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, at: Instant::now(), renewed: false }
    }
}

impl RetryPolicy {
    /// Makes as many attempts as the policy allows, each with its number and whether it may renew the token. The
    /// first one may be in flight already.
    pub(crate) async fn run<T: Send + 'static, F: Future<Output = Result<T, Failure>>>(
        &self,
        page: Option<u64>,
        deadline: Option<Instant>,
        mut in_flight: Option<Begun<Result<T, Failure>>>,
        start: impl Fn(u32, bool) -> F,
    ) -> Result<T, Error> {
        let (mut attempt, mut renewed, mut last) = (0_u32, false, None);
        loop {
            attempt = attempt.saturating_add(1);
            let in_flight = in_flight.take();
            let outcome = before(deadline, async {
                let begun = OptionFuture::from(in_flight.map(Begun::output)).await.flatten();
                match begun {
                    Some(outcome) => outcome,
                    None => start(attempt, !renewed).await,
                }
            });
            let Failure { error, at, renewed: by_this_attempt } = match outcome.await {
                Some(Ok(response)) => return Ok(response),
                Some(Err(failure)) => failure,
                None => return Err(Error::PageDeadline { attempts: attempt, last }),
            };
            renewed |= by_this_attempt;
            let error = error.with_attempts(attempt);
            // A provider has retries of its own.
            let retried = error.is_retryable() && !matches!(error, Error::Token { .. });
            let Some(delay) = self.delay(attempt, error.retry_after()).filter(|_| retried) else {
                return Err(error);
            };
            let delay = delay.saturating_sub(at.elapsed());
            // A delay beyond the deadline is useless.
            if deadline.is_some_and(|deadline| delay >= deadline.saturating_duration_since(Instant::now())) {
                return Err(error);
            }
            let status = error.status().map(|status| status.as_u16());
            tracing::warn!(target: "vbs_client::retry", page, attempt, ?delay, status, %error, "retrying");
            sleep(delay).await;
            last = Some(Box::new(error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(policy: &RetryPolicy) -> Vec<Duration> {
        (1..=100).map_while(|attempt| policy.delay(attempt, None)).collect()
    }

    #[test]
    fn delays_grow_up_to_the_maximum() {
        let policy = RetryPolicy::default().max_attempts(12);
        let longest = [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000, 10_000, 10_000];
        let mut sum = Duration::ZERO;
        for _ in 0..200 {
            let delays = delays(&policy);
            assert_eq!(delays.len(), 11);
            for (delay, longest) in delays.iter().zip(longest) {
                let longest = Duration::from_millis(longest);
                assert!((longest / 2..=longest).contains(delay), "{delays:?}");
            }
            sum += delays[10];
        }
        // Equal jitter: three quarters of the longest delay on average.
        let mean = sum / 200;
        assert!((Duration::from_secs(7)..Duration::from_secs(8)).contains(&mean), "{mean:?}");
    }

    #[test]
    fn extreme_policies_neither_panic_nor_exceed_their_bounds() {
        assert!(delays(&RetryPolicy::none()).is_empty());
        let huge = RetryPolicy::default().max_attempts(u32::MAX).initial_delay(Duration::MAX).max_delay(Duration::MAX);
        assert_eq!(delays(&huge).len(), 100);
        let zero = RetryPolicy::default().max_attempts(0).initial_delay(Duration::ZERO).max_delay(Duration::ZERO);
        assert!(delays(&zero).is_empty());
        let second = Duration::from_secs(1);
        let upside_down = RetryPolicy::default().initial_delay(9 * second).max_delay(second);
        assert!(delays(&upside_down).iter().all(|delay| *delay <= second));
    }

    #[test]
    fn retry_after_has_a_maximum() {
        let second = Duration::from_secs(1);
        let policy = RetryPolicy::default().initial_delay(Duration::ZERO);
        assert_eq!(policy.delay(1, Some(5 * second)), Some(5 * second));
        assert_eq!(policy.delay(1, Some(Duration::ZERO)), Some(Duration::ZERO));
        assert_eq!(policy.delay(1, Some(3600 * second)), Some(60 * second));
    }
}
