//! The delay before a retry that a response states.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::{Map, Value};

/// Reads the header `Retry-After`. Of several values, the first one is used.
pub(crate) fn in_headers(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    // An HTTP date contains a comma: do not split it.
    let date = value.find("GMT").and_then(|at| value.get(..at + 3)).unwrap_or(value);
    if let Ok(date) = rfc2822::parse(date.trim()) {
        return date.timestamp().duration_since(Timestamp::now()).try_into().ok();
    }
    seconds(value.split([',', ';']).next().unwrap_or_default().trim())
}

/// Reads `retryAfter` from a fault, as Cinder's own rate limit writes it: `{"overLimitFault": {"retryAfter": "3"}}`.
pub(crate) fn in_body(body: &Map<String, Value>) -> Option<Duration> {
    match body.values().find_map(|fault| fault.get("retryAfter"))? {
        Value::String(text) => seconds(text.trim()),
        Value::Number(number) => seconds(&number.to_string()),
        _ => None,
    }
}

/// Seconds, rounded up.
fn seconds(text: &str) -> Option<Duration> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(seconds) || !digits(fraction) {
        return None;
    }
    let rounded_up = u64::from(fraction.bytes().any(|digit| digit != b'0'));
    // Saturates on overflow.
    Some(Duration::from_secs(seconds.parse().unwrap_or(u64::MAX).saturating_add(rounded_up)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<Duration> {
        in_headers(&HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]))
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
        let date = Timestamp::now() + Duration::from_secs(90);
        let date = rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap();
        let left = read(&date).unwrap();
        assert!((Duration::from_secs(80)..=Duration::from_secs(90)).contains(&left), "{left:?}");
        assert!(read(&format!("{date}, {date}")).is_some_and(|first| first <= left), "the first of several");
        for value in ["", "soon", "-1", "+1", ".5", "1.", "1.x", ", 5", "Wed, 21 Oct 2015 07:28:00 GMT"] {
            assert_eq!(read(value), None, "{value}");
        }
    }

    #[test]
    fn retry_after_is_read_from_the_fault_of_a_rate_limit() {
        let read = |body: &str| in_body(&serde_json::from_str(body).unwrap());
        for delay in ["3", "\"3\"", "\" 3 \"", "2.5"] {
            let body = format!(r#"{{"overLimitFault":{{"code":413,"message":"too many","retryAfter":{delay}}}}}"#);
            assert_eq!(read(&body), Some(Duration::from_secs(3)), "{delay}");
        }
        for body in ["{}", r#"{"overLimitFault":{"retryAfter":null}}"#, r#"{"overLimit":{"retryAfter":"soon"}}"#] {
            assert_eq!(read(body), None, "{body}");
        }
    }
}
