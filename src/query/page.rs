//! [`Page`]: one page of a list.

use super::{Cursor, Microversion};
use crate::Backup;

/// One page of the list.
///
/// It iterates over its backups, owned and borrowed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<T = Backup> {
    /// The backups, newest first. A page in the middle of a list can be empty.
    pub backups: Vec<T>,
    /// How many backups match the filters, if [`with_count`](crate::ListBackups::with_count) is set. All pages of a
    /// listing have the count of its first page.
    pub count: Option<u64>,
    /// The cursor of the next page, if there is one; or what is wrong with the next link.
    pub(crate) next: Result<Option<Cursor>, String>,
    pub(crate) request_id: Option<String>,
    pub(crate) microversion: Option<Microversion>,
}

impl<T> Page<T> {
    /// Where the next page starts, for [`resume_at`](crate::ListBackups::resume_at).
    ///
    /// `None` on the last page, and if the next link is broken: then [`is_last`](Self::is_last) is false, and the
    /// listing ends with an error.
    #[must_use]
    pub fn cursor(&self) -> Option<&Cursor> {
        self.next.as_ref().ok()?.as_ref()
    }

    /// The [`marker`](crate::ListBackups::marker) of the next page. `None` without a [`cursor`](Self::cursor), and if
    /// the server pages by offset only (Cinder does not).
    #[must_use]
    pub fn next_marker(&self) -> Option<&str> {
        self.cursor()?.marker()
    }

    /// Whether the list ends here.
    #[must_use]
    pub fn is_last(&self) -> bool {
        // A page with a broken next link is not the last one.
        self.next == Ok(None)
    }

    /// The id under which the service has logged the request, to quote to its operator.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// The microversion that the service states it has applied.
    #[must_use]
    pub fn microversion(&self) -> Option<Microversion> {
        self.microversion
    }
}

impl<T> IntoIterator for Page<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.backups.into_iter()
    }
}

// `page.backups.iter()` is there already.
#[allow(clippy::into_iter_without_iter)]
impl<'a, T> IntoIterator for &'a Page<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.backups.iter()
    }
}
