//! [`Microversion`]: parse, order, print.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A microversion of the Block Storage API, such as `3.45`.
///
/// Ordered by number, not as text: `3.9` is before `3.31`.
///
/// ```
/// use vbs_client::Microversion;
///
/// let version: Microversion = "3.45".parse()?;
/// assert_eq!(version, Microversion::new(3, 45));
/// assert!(Microversion::new(3, 9) < Microversion::new(3, 31));
/// assert_eq!(version.to_string(), "3.45");
/// # Ok::<(), vbs_client::ParseMicroversionError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Microversion {
    major: u32,
    minor: u32,
}

impl Microversion {
    /// The microversion `major.minor`.
    #[must_use]
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// The number before the point.
    #[must_use]
    pub const fn major(self) -> u32 {
        self.major
    }

    /// The number after the point.
    #[must_use]
    pub const fn minor(self) -> u32 {
        self.minor
    }

    /// The header's value in a request: `volume 3.45`.
    pub(crate) fn to_header(self) -> String {
        format!("{SERVICE} {self}")
    }

    /// The microversion that a response's headers state: the lowest if they state several, none if an entry for this
    /// service is malformed.
    pub(crate) fn from_headers<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let mut applied: Option<Self> = None;
        for value in values {
            // One header may hold several services: `volume 3.45, compute 2.1`.
            for entry in std::str::from_utf8(value).ok()?.split(',') {
                let Some((SERVICE, version)) = entry.trim().split_once(' ') else {
                    continue;
                };
                let version = version.trim().parse().ok()?;
                applied = Some(applied.map_or(version, |lowest| lowest.min(version)));
            }
        }
        applied
    }
}

/// The service type of Block Storage in the microversion header.
pub(crate) const SERVICE: &str = "volume";

impl fmt::Display for Microversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}", self.major, self.minor))
    }
}

impl FromStr for Microversion {
    type Err = ParseMicroversionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // `u32::from_str` would accept a sign.
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| digits.parse().ok()).flatten()
        };
        text.split_once('.')
            .and_then(|(major, minor)| Some(Self::new(number(major)?, number(minor)?)))
            .ok_or_else(|| ParseMicroversionError(text.to_owned()))
    }
}

text_form!(Microversion, ParseMicroversionError, "a microversion", "X.Y, such as 3.45");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_by_number() {
        let mut versions = ["3.31", "3.9", "4.0", "3.0"].map(|v| v.parse::<Microversion>().unwrap());
        versions.sort();
        assert_eq!(versions.map(|v| v.to_string()), ["3.0", "3.9", "3.31", "4.0"]);
    }

    #[test]
    fn refuses_what_is_not_two_plain_numbers() {
        for text in ["", "3", "3.", ".31", "3.31.0", "+3.31", "3.-1", " 3.31", "latest", "volume 3.31", "3.99999999999"]
        {
            assert!(text.parse::<Microversion>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn survives_serde() {
        let json = serde_json::to_string(&Microversion::new(3, 31)).unwrap();
        assert_eq!(json, r#""3.31""#);
        assert_eq!(serde_json::from_str::<Microversion>(&json).unwrap(), Microversion::new(3, 31));
        assert!(serde_json::from_str::<Microversion>(r#""3""#).is_err());
    }

    fn applied(headers: &[&str]) -> Option<String> {
        Microversion::from_headers(headers.iter().map(|h| h.as_bytes())).map(|v| v.to_string())
    }

    #[test]
    fn the_lowest_applied_microversion_is_read() {
        assert_eq!(applied(&["volume 3.45"]).as_deref(), Some("3.45"));
        assert_eq!(applied(&["compute 2.1, volume 3.45"]).as_deref(), Some("3.45"));
        assert_eq!(applied(&["volume 3.45", "volume 3.9"]).as_deref(), Some("3.9"));
    }

    #[test]
    fn a_header_that_can_not_be_read_states_no_microversion() {
        for headers in
            [&[][..], &[""], &["3.45"], &["compute 2.1"], &["volume latest"], &["volume"], &["volume 3.45", "volume x"]]
        {
            assert_eq!(applied(headers), None, "{headers:?}");
        }
    }
}
