//! [`Cursor`]: where the next page starts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Value;
use crate::Link;
use crate::generated::parameters::{MARKER, OFFSET};

/// Where a listing continues: after a backup or, where a server pages by offset only (Cinder does not),
/// at an offset.
///
/// [`Page::cursor`](crate::Page::cursor) has the one of a page; [`ListBackups::resume_at`] continues there,
/// also in another process: a cursor is printed, parsed and serialized as text.
///
/// [`ListBackups::resume_at`]: crate::ListBackups::resume_at
///
/// # Examples
///
/// ```
/// use vbs_client::Cursor;
///
/// let cursor = Cursor::after("b3cf7a16-decc-4beb-8077-682737d94a58");
/// assert_eq!(cursor.to_string(), "marker:b3cf7a16-decc-4beb-8077-682737d94a58");
/// assert_eq!(cursor.to_string().parse::<Cursor>()?, cursor);
/// # Ok::<(), vbs_client::ParseCursorError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cursor(Place);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Place {
    Marker(String),
    Offset(i64),
}

impl Cursor {
    /// The cursor after the backup with this id. The id is checked when a request is sent.
    pub fn after(id: impl Into<String>) -> Self {
        Self(Place::Marker(id.into()))
    }

    pub(crate) fn at(offset: i64) -> Self {
        Self(Place::Offset(offset))
    }

    pub(crate) fn marker(&self) -> Option<&str> {
        match &self.0 {
            Place::Marker(marker) => Some(marker),
            Place::Offset(_) => None,
        }
    }

    pub(crate) fn offset(&self) -> Option<i64> {
        match self.0 {
            Place::Marker(_) => None,
            Place::Offset(offset) => Some(offset),
        }
    }

    /// Reads the link with rel `next`, if there is one. Only its marker is used or, without one, its offset: its
    /// address is the operator's setting, and the rest copies the request. The error states what is wrong with the
    /// link.
    pub(crate) fn from_links(links: &[Link]) -> Result<Option<Self>, String> {
        let Some(link) = links.iter().find(|link| link.rel.eq_ignore_ascii_case("next")) else {
            return Ok(None);
        };
        let address = link.href.split_once('#').map_or(link.href.as_str(), |(address, _)| address);
        let query = address.split_once('?').map_or("", |(_, query)| query);
        // If a name occurs twice, the last value wins, as at the server.
        let value = |name| {
            form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name).last().map(|(_, value)| value)
        };

        if let Some(marker) = value(MARKER.name) {
            check_id(&marker).map_err(|reason| format!("its marker is invalid: {reason}"))?;
            return Ok(Some(Self::after(marker)));
        }
        let offset = value(OFFSET.name).ok_or("it has neither a marker nor an offset")?;
        let value = OFFSET.parse(&offset).and_then(|value| OFFSET.check(&value).map(|()| value));
        match value.map_err(|error| format!("its offset is invalid: {}", error.reason))? {
            Value::Integer(offset) => Ok(Some(Self::at(offset))),
            _ => Err("its offset is not a number".to_owned()),
        }
    }
}

/// Refuses what can't be the id of a backup.
pub(crate) fn check_id(id: &str) -> Result<(), String> {
    // Fast path: 1,000 ids a page.
    if !id.is_empty() && id.len() <= 64 && id.bytes().fold(true, |all, byte| all & byte.is_ascii_graphic()) {
        return Ok(());
    }
    MARKER.check_text(id).map_err(|error| error.reason)?;
    if id.contains(char::is_control) { Err("it has a control character".to_owned()) } else { Ok(()) }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Marker(marker) => write!(f, "marker:{marker}"),
            Place::Offset(offset) => write!(f, "offset:{offset}"),
        }
    }
}

impl FromStr for Cursor {
    type Err = ParseCursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let offset = |digits: &str| digits.parse().ok().filter(|offset| Self::at(*offset).to_string() == text);
        match text.split_once(':') {
            Some(("marker", marker)) if !marker.is_empty() => Some(Self::after(marker)),
            Some(("offset", digits)) => offset(digits).filter(|offset| *offset >= 0).map(Self::at),
            _ => None,
        }
        .ok_or_else(|| ParseCursorError(text.to_owned()))
    }
}

text_form!(Cursor, ParseCursorError, "a cursor", "marker:ID or offset:NUMBER");

#[cfg(test)]
mod tests {
    use super::*;

    fn next(href: &str) -> Result<Option<Cursor>, String> {
        let link = |href: &str, rel: &str| Link { href: href.to_owned(), rel: rel.to_owned() };
        Cursor::from_links(&[link("http://h/v3/p/backups?marker=self", "self"), link(href, "next")])
    }

    #[test]
    fn no_next_link_is_the_end() {
        assert_eq!(Cursor::from_links(&[]), Ok(None));
        let other = Link { href: "http://h?marker=m".to_owned(), rel: "bookmark".to_owned() };
        assert_eq!(Cursor::from_links(&[other]), Ok(None));
    }

    #[test]
    fn the_case_of_a_rel_does_not_matter() {
        let link = Link { href: "?marker=m".to_owned(), rel: "Next".to_owned() };
        assert_eq!(Cursor::from_links(&[link]), Ok(Some(Cursor::after("m"))));
    }

    #[test]
    fn only_the_marker_of_a_link_counts() {
        for href in [
            "http://192.168.82.222:8776/b23b/backups?limit=1&offset=1&marker=b3cf",
            "https://user:secret@other.example/?marker=b3cf&name~=x",
            "//other.example?marker=b3cf",
            "/v3/p/backups?marker=b3cf#marker=other",
            "?marker=b3cf",
            "not a url?marker=b3cf",
            "http://h/?marker=first&marker=b3cf",
        ] {
            assert_eq!(next(href), Ok(Some(Cursor::after("b3cf"))), "{href}");
        }
        assert_eq!(next("?marker=a%26b%2Bc+d%C3%A9"), Ok(Some(Cursor::after("a&b+c d\u{e9}"))));
    }

    #[test]
    fn without_a_marker_the_offset_counts() {
        assert_eq!(next("http://h/v3/p/backups?limit=10&offset=20"), Ok(Some(Cursor::at(20))));
    }

    #[test]
    fn a_link_without_a_usable_cursor_is_an_error() {
        for href in [
            "",
            "not a url",
            "http://h/v3/p/backups",
            "?",
            "?limit=1",
            "?marker=",
            "?offset=",
            "?offset=x",
            "?offset=-1",
            "?offset=99999999999",
            "http://h/#?marker=m",
            "?marker=%00",
            "?marker=a%0D%0Ab",
        ] {
            assert!(next(href).is_err(), "{href:?} gives {:?}", next(href));
        }
        assert!(next(&format!("?marker={}", "m".repeat(1000))).is_err());
    }

    #[test]
    fn a_cursor_survives_text_and_serde() {
        for cursor in [Cursor::after("a:b c"), Cursor::at(0), Cursor::at(2_147_483_647)] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor.clone()));
            let json = serde_json::to_string(&cursor).unwrap();
            assert_eq!(json, format!("\"{cursor}\""));
            assert_eq!(serde_json::from_str::<Cursor>(&json).unwrap(), cursor);
        }
    }

    #[test]
    fn a_text_that_is_no_cursor_is_refused() {
        for text in ["", "marker", "marker:", "offset:", "offset:-1", "offset:+1", "offset:01", "offset:x", "b3cf"] {
            assert!(text.parse::<Cursor>().is_err(), "{text:?}");
        }
    }
}
