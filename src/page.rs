//! [`Page`], and what its next link says about where to go on.

use crate::fetch::Answer;
use crate::generated::parameters::{MARKER, OFFSET};
use crate::microversion::Microversion;
use crate::parameter::Value;
use crate::{Backup, Error, Link};

/// One page of the list.
///
/// It iterates over its backups, owned and borrowed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// The backups, newest first. A page in the middle of a list can be empty.
    pub backups: Vec<Backup>,
    /// How many backups match the filters in all, where
    /// [`with_count`](crate::ListBackups::with_count) asked for it. The pages of a walk all show
    /// the count that its first page came with.
    pub count: Option<u64>,
    pub(crate) next: Option<Next>,
    pub(crate) request_id: Option<String>,
    pub(crate) microversion: Option<Microversion>,
}

impl Page {
    /// The page of an answer, and whether there is a way on from it: a page whose next link is
    /// broken is still one.
    pub(crate) fn of(answer: Answer) -> (Self, Result<(), Error>) {
        let Answer { list, request_id, microversion } = answer;
        let (next, way_on) = match Next::from_links(&list.backups_links) {
            Ok(next) => (next, Ok(())),
            Err(reason) => {
                let reason = format!("the link to it is broken: {reason}");
                (None, Err(Error::pagination(request_id.as_deref(), reason)))
            }
        };
        (Self { backups: list.backups, count: list.count, next, request_id, microversion }, way_on)
    }

    /// Where the next page starts: what [`resume_at`](crate::ListBackups::resume_at) takes.
    ///
    /// `None` on the last page, and where the server pages by offset only (Cinder does not).
    #[must_use]
    pub fn next_marker(&self) -> Option<&str> {
        match &self.next {
            Some(Next::Marker(marker)) => Some(marker),
            _ => None,
        }
    }

    /// Where the next page starts, if the server pages by offset only (Cinder does not).
    #[must_use]
    pub fn next_offset(&self) -> Option<u64> {
        match &self.next {
            Some(Next::Offset(offset)) => Some(*offset),
            _ => None,
        }
    }

    /// Whether the list ends here.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.next.is_none()
    }

    /// The id under which the service has logged the request, to quote to its operator.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// The microversion that the service says it has applied.
    #[must_use]
    pub fn microversion(&self) -> Option<Microversion> {
        self.microversion
    }
}

impl IntoIterator for Page {
    type Item = Backup;
    type IntoIter = std::vec::IntoIter<Backup>;

    fn into_iter(self) -> Self::IntoIter {
        self.backups.into_iter()
    }
}

// `page.backups.iter()` is there already.
#[allow(clippy::into_iter_without_iter)]
impl<'a> IntoIterator for &'a Page {
    type Item = &'a Backup;
    type IntoIter = std::slice::Iter<'a, Backup>;

    fn into_iter(self) -> Self::IntoIter {
        self.backups.iter()
    }
}

/// Where to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Marker(String),
    Offset(u64),
}

impl Next {
    /// Reads the link with rel `next`, if there is one. Only its marker counts or, without one,
    /// its offset: the rest is the operator's idea of the service's address, and a copy of the
    /// request. The error says what is wrong with the link.
    pub(crate) fn from_links(links: &[Link]) -> Result<Option<Self>, String> {
        let Some(link) = links.iter().find(|link| link.rel == "next") else {
            return Ok(None);
        };
        let address = link.href.split_once('#').map_or(link.href.as_str(), |(address, _)| address);
        let query = address.split_once('?').map_or("", |(_, query)| query);
        // The last one counts where a name is there twice, as it does at the server.
        let value = |name| {
            form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name).last().map(|(_, value)| value)
        };

        if let Some(marker) = value(MARKER.name) {
            let marker = marker.into_owned();
            MARKER.check(&Value::Text(marker.clone())).map_err(reason)?;
            return Ok(Some(Self::Marker(marker)));
        }
        let offset = value(OFFSET.name).ok_or("it has neither a marker nor an offset")?;
        let parsed = OFFSET.parse(&offset).and_then(|value| OFFSET.check(&value).map(|()| value));
        match parsed.map_err(reason)? {
            Value::Integer(offset) => u64::try_from(offset)
                .map(|offset| Some(Self::Offset(offset)))
                .map_err(|_| "its offset is negative".to_owned()),
            _ => Err("its offset is not a number".to_owned()),
        }
    }
}

fn reason(error: Error) -> String {
    match error {
        Error::InvalidRequest { parameter, reason } => format!("of its {parameter}, {reason}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(href: &str) -> Result<Option<Next>, String> {
        let link = |href: &str, rel: &str| Link { href: href.to_owned(), rel: rel.to_owned() };
        Next::from_links(&[link("http://h/v3/p/backups?marker=self", "self"), link(href, "next")])
    }

    fn marker(marker: &str) -> Result<Option<Next>, String> {
        Ok(Some(Next::Marker(marker.to_owned())))
    }

    #[test]
    fn no_next_link_is_the_end() {
        assert_eq!(Next::from_links(&[]), Ok(None));
        let other = Link { href: "http://h?marker=m".to_owned(), rel: "bookmark".to_owned() };
        assert_eq!(Next::from_links(&[other]), Ok(None));
    }

    #[test]
    fn only_the_marker_counts() {
        for href in [
            "http://192.168.82.222:8776/b23b/backups?limit=1&offset=1&marker=b3cf",
            "https://user:secret@other.example/?marker=b3cf&name~=x",
            "//other.example?marker=b3cf",
            "/v3/p/backups?marker=b3cf#marker=other",
            "?marker=b3cf",
            "not a url?marker=b3cf",
            "http://h/?marker=first&marker=b3cf",
        ] {
            assert_eq!(next(href), marker("b3cf"), "{href}");
        }
        assert_eq!(next("?marker=a%26b%2Bc+d%C3%A9"), marker("a&b+c d\u{e9}"));
        assert_eq!(next("?marker=a%0D%0Ab"), marker("a\r\nb"));
    }

    #[test]
    fn without_a_marker_the_offset_counts() {
        assert_eq!(next("http://h/v3/p/backups?limit=10&offset=20"), Ok(Some(Next::Offset(20))));
    }

    #[test]
    fn a_link_that_leads_nowhere_is_an_error() {
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
        ] {
            assert!(next(href).is_err(), "{href:?} gives {:?}", next(href));
        }
        assert!(next(&format!("?marker={}", "m".repeat(1000))).is_err());
        assert!(next("?marker=%00").is_err());
    }
}
