//! [`RetryPolicy`]: how often and after which waits a page is asked for again.

use std::time::{Duration, SystemTime};

use backon::{BackoffBuilder, ExponentialBuilder};
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// How a page is asked for again after a transient fault.
///
/// Transient are connections that fail or break off, also within the body, timeouts, and the
/// statuses 408, 429, 500, 502, 503 and 504. Nothing else is asked for again.
///
/// The waits grow exponentially, by a factor of 2, with full jitter: each is drawn at random from
/// zero up to that value. A `Retry-After` header of the answer, in seconds or as a date, is waited
/// for where it is longer.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use vbs_client::{Client, RetryPolicy};
///
/// let patient = RetryPolicy { attempts: 10, ..RetryPolicy::default() };
/// let client = Client::builder("https://host").project_id("p").retry(patient).build()?;
/// # Ok::<(), vbs_client::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a page is asked for in all. 4 by default; 0 is taken for 1.
    pub attempts: u32,
    /// The longest first wait. 200 ms by default.
    pub min_delay: Duration,
    /// The longest wait of all. 10 s by default.
    pub max_delay: Duration,
    /// How much of a `Retry-After` is waited for. 60 s by default.
    pub max_retry_after: Duration,
}

impl RetryPolicy {
    /// Nothing is asked for again.
    #[must_use]
    pub fn none() -> Self {
        Self { attempts: 1, ..Self::default() }
    }

    /// The waits between the attempts.
    pub(crate) fn delays(&self) -> impl Iterator<Item = Duration> + Send + use<> {
        let retries = self.attempts.saturating_sub(1);
        ExponentialBuilder::new()
            .with_min_delay(self.min_delay.min(self.max_delay))
            .with_max_delay(self.max_delay)
            .with_factor(2.0)
            .with_max_times(usize::try_from(retries).unwrap_or(usize::MAX))
            .build()
            .map(|longest| longest.mul_f64(fastrand::f64()))
    }

    /// The wait, where an answer asks for one.
    pub(crate) fn wait(&self, delay: Duration, retry_after: Option<Duration>) -> Duration {
        delay.max(retry_after.unwrap_or_default().min(self.max_retry_after))
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 4,
            min_delay: Duration::from_millis(200),
            max_delay: Duration::from_secs(10),
            max_retry_after: Duration::from_secs(60),
        }
    }
}

/// How long an answer asks to be left alone.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(SystemTime::now()).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_grow_up_to_the_longest() {
        let policy = RetryPolicy { attempts: 12, ..RetryPolicy::default() };
        let longest = [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000, 10_000, 10_000];
        let mut sum = Duration::ZERO;
        for _ in 0..200 {
            let delays: Vec<_> = policy.delays().collect();
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
        assert_eq!(RetryPolicy::none().delays().count(), 0);
        let huge = RetryPolicy {
            attempts: u32::MAX,
            min_delay: Duration::MAX,
            max_delay: Duration::MAX,
            ..RetryPolicy::default()
        };
        assert_eq!(huge.delays().take(100).count(), 100);
        let zero =
            RetryPolicy { attempts: 0, min_delay: Duration::ZERO, max_delay: Duration::ZERO, ..RetryPolicy::default() };
        assert_eq!(zero.delays().count(), 0);
        let upside_down = RetryPolicy {
            min_delay: Duration::from_secs(9),
            max_delay: Duration::from_secs(1),
            ..RetryPolicy::default()
        };
        assert!(upside_down.delays().all(|delay| delay <= Duration::from_secs(1)));
    }

    fn read(value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().unwrap());
        retry_after(&headers)
    }

    #[test]
    fn reads_seconds_and_dates() {
        assert_eq!(read("120"), Some(Duration::from_secs(120)));
        assert_eq!(read(" 0 "), Some(Duration::ZERO));
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(90));
        let left = read(&date).unwrap();
        assert!((Duration::from_secs(80)..=Duration::from_secs(90)).contains(&left), "{left:?}");
        for value in ["", "soon", "-1", "1.5", "Wed, 21 Oct 2015 07:28:00 GMT", "99999999999999999999"] {
            assert_eq!(read(value), None, "{value}");
        }
    }

    #[test]
    fn what_the_server_asks_for_has_a_ceiling() {
        let policy = RetryPolicy::default();
        let second = Duration::from_secs(1);
        assert_eq!(policy.wait(second, None), second);
        assert_eq!(policy.wait(second, Some(Duration::from_secs(5))), Duration::from_secs(5));
        assert_eq!(policy.wait(second, Some(Duration::ZERO)), second);
        assert_eq!(policy.wait(second, Some(Duration::from_secs(3600))), Duration::from_secs(60));
    }
}
