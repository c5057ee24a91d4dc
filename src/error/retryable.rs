//! Which errors may be retried, and after which delay.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use reqwest::StatusCode;

use super::{Error, causes};

impl Error {
    /// The delay before a retry that the response states: its `Retry-After`, or the `retryAfter` of its fault.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => self.cause()?.retry_after(),
        }
    }

    /// Whether there were too many requests: status 429, or 413 with a delay, which Cinder's own rate limit sends.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        match self.status() {
            Some(StatusCode::TOO_MANY_REQUESTS) => true,
            Some(StatusCode::PAYLOAD_TOO_LARGE) => self.retry_after().is_some(),
            _ => false,
        }
    }

    /// Whether the same request may succeed later: a connection that failed or broke off, a timeout, the statuses 408,
    /// 429, 500, 502, 503 and 504, and 413 if the response states a delay. A certificate that is not trusted and a
    /// proxy of an unknown scheme are not retryable.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Transport { .. } => !self.by_reqwest().is_some_and(is_permanent),
            Self::PageDeadline { .. } => true,
            Self::Undecodable { truncated, .. } => *truncated,
            Self::Status { status, .. } => {
                self.is_throttled() || matches!(status.as_u16(), 408 | 500 | 502 | 503 | 504)
            }
            _ => self.cause().is_some_and(Self::is_retryable),
        }
    }
}

/// The connectors' messages for a proxy of an unknown scheme.
const UNKNOWN_SCHEME: [&str; 2] = ["unsupported scheme", "invalid URL, scheme is not http"];

/// Whether every attempt fails: TLS refuses the server's certificate, or the server refuses this client's (rustls
/// reports both as invalid data), or the proxy's scheme is unknown.
fn is_permanent(error: &reqwest::Error) -> bool {
    let refused = |cause: &(dyn StdError + 'static)| {
        let error = cause.downcast_ref::<io::Error>();
        error.is_some_and(|error| error.kind() == io::ErrorKind::InvalidData)
            || UNKNOWN_SCHEME.iter().any(|text| cause.to_string().starts_with(text))
    };
    error.is_builder() || (!error.is_body() && !error.is_decode() && causes(error).any(refused))
}
