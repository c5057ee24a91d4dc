//! [`RetryPolicy`], what is retried, and the loop that follows them.

use std::error::Error as StdError;
use std::io;
use std::time::{Duration, SystemTime};

use futures_util::future::OptionFuture;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use tokio::time::{Instant, sleep};

use super::runtime::{Spawned, before};
use crate::Error;
use crate::error::causes;

/// How a page is fetched again after a transient fault.
///
/// Transient are connections that fail or break off, also within the body, timeouts, and the statuses 408,
/// 429, 500, 502, 503 and 504. Nothing else is retried.
///
/// The delay before the n-th retry is drawn at random from zero to the initial delay times 2ⁿ⁻¹, up to the
/// maximum delay ("full jitter"). A `Retry-After` header, in seconds or as a date, is followed where it is
/// longer.
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

    /// Sets how much of a `Retry-After` is followed. Default: 60 s.
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
        let jittered = longest.mul_f64(fastrand::f64());
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

impl Error {
    /// Whether the same request may succeed later: a connection that failed or broke off, a timeout, and the
    /// statuses 408, 429, 500, 502, 503 and 504. A certificate that is not trusted stays so.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Transport { .. } => {
                !self.by_reqwest().is_some_and(|source| source.is_builder() || stays_refused(source))
            }
            Self::PageDeadline { .. } => true,
            Self::Undecodable { truncated, .. } => *truncated,
            Self::Status { status, .. } => {
                matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
            }
            _ => self.cause().is_some_and(Self::is_retryable),
        }
    }
}

/// Whether the TLS library refuses the server's certificate, as rustls reports it, or the proxy is of a scheme that
/// is not supported.
fn stays_refused(error: &reqwest::Error) -> bool {
    let refused = |cause: &(dyn StdError + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::InvalidData)
            || cause.to_string().starts_with("unsupported scheme ")
    };
    error.is_connect() && causes(error).any(refused)
}

/// An attempt that failed.
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// The response's `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) at: Instant,
    /// Whether the attempt has used up the page's renewal of a rejected token.
    pub(crate) renewed: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, retry_after: None, at: Instant::now(), renewed: false }
    }
}

impl RetryPolicy {
    /// Makes as many attempts as the policy allows, each with its number and whether it may renew the token. The
    /// first one may be in flight already.
    pub(crate) async fn run<T: Send + 'static, F: Future<Output = Result<T, Failure>>>(
        &self,
        page: Option<u64>,
        deadline: Option<Instant>,
        mut in_flight: Option<Spawned<Result<T, Failure>>>,
        start: impl Fn(u32, bool) -> F,
    ) -> Result<T, Error> {
        let (mut attempt, mut renewed, mut last) = (0_u32, false, None);
        loop {
            attempt = attempt.saturating_add(1);
            let in_flight = in_flight.take();
            let outcome = before(deadline, async {
                let begun = OptionFuture::from(in_flight.map(Spawned::output)).await.flatten();
                match begun {
                    Some(outcome) => outcome,
                    None => start(attempt, !renewed).await,
                }
            });
            let Failure { error, retry_after, at, renewed: by_this_attempt } = match outcome.await {
                Some(Ok(response)) => return Ok(response),
                Some(Err(failure)) => failure,
                None => return Err(Error::PageDeadline { attempts: attempt, last }),
            };
            renewed |= by_this_attempt;
            let error = error.after(attempt);
            // A provider has retries of its own.
            let retried = error.is_retryable() && !matches!(error, Error::Token { .. });
            let Some(delay) = self.delay(attempt, retry_after).filter(|_| retried) else {
                return Err(error);
            };
            let delay = delay.saturating_sub(at.elapsed());
            // A delay that ends after the deadline need not begin.
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

/// Reads `Retry-After`. Of several values the first one counts, and fractions are rounded up.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    // Dates have a comma of their own.
    let date = value.find("GMT").and_then(|at| value.get(..at + 3)).unwrap_or(value);
    if let Ok(date) = httpdate::parse_http_date(date.trim()) {
        return date.duration_since(SystemTime::now()).ok();
    }
    let value = value.split([',', ';']).next().unwrap_or_default().trim();
    let (seconds, fraction) = value.split_once('.').unwrap_or((value, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(seconds) || !digits(fraction) {
        return None;
    }
    let rounded_up = u64::from(fraction.bytes().any(|digit| digit != b'0'));
    // More seconds than there can be are as many as there can be.
    Some(Duration::from_secs(seconds.parse().unwrap_or(u64::MAX).saturating_add(rounded_up)))
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
                assert!(*delay <= Duration::from_millis(longest), "{delays:?}");
            }
            sum += delays[10];
        }
        // Full jitter: on average half of the longest, anywhere from zero.
        let mean = sum / 200;
        assert!((Duration::from_secs(3)..Duration::from_secs(7)).contains(&mean), "{mean:?}");
    }

    #[test]
    fn odd_policies_do_no_harm() {
        assert!(delays(&RetryPolicy::none()).is_empty());
        let huge = RetryPolicy::default().max_attempts(u32::MAX).initial_delay(Duration::MAX).max_delay(Duration::MAX);
        assert_eq!(delays(&huge).len(), 100);
        let zero = RetryPolicy::default().max_attempts(0).initial_delay(Duration::ZERO).max_delay(Duration::ZERO);
        assert!(delays(&zero).is_empty());
        let second = Duration::from_secs(1);
        let upside_down = RetryPolicy::default().initial_delay(9 * second).max_delay(second);
        assert!(delays(&upside_down).iter().all(|delay| *delay <= second));
    }

    fn read(value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().unwrap());
        retry_after(&headers)
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_a_date() {
        let seconds = |number| Some(Duration::from_secs(number));
        for (value, expected) in [
            ("120", seconds(120)),
            (" 0 ", seconds(0)),
            ("5, 5", seconds(5)),
            ("5,10", seconds(5)),
            ("7; comment", seconds(7)),
            ("1.5", seconds(2)),
            ("2.0", seconds(2)),
            ("0.001", seconds(1)),
            ("99999999999999999999", seconds(u64::MAX)),
        ] {
            assert_eq!(read(value), expected, "{value}");
        }
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(90));
        let left = read(&date).unwrap();
        assert!((Duration::from_secs(80)..=Duration::from_secs(90)).contains(&left), "{left:?}");
        assert!(read(&format!("{date}, {date}")).is_some_and(|first| first <= left), "the first of several");
        for value in ["", "soon", "-1", "+1", ".5", "1.", "1.x", ", 5", "Wed, 21 Oct 2015 07:28:00 GMT"] {
            assert_eq!(read(value), None, "{value}");
        }
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
