//! Continuing when the backup of the marker was deleted.

use std::collections::HashSet;

use super::pager::Pager;
use crate::Error;
use crate::query::{Cursor, Row};
use crate::transport::Response;

/// The most requests that a recovery makes.
const MAX_REQUESTS: usize = 12;

/// The last page that had rows.
#[derive(Default)]
pub(crate) struct LastPage {
    /// A marker that leads to its first row again, if there is one.
    start: Option<String>,
    /// The ids of its rows, a line each: one text, because a string each takes more memory and time.
    ids: String,
}

impl LastPage {
    pub(crate) fn keep<T: Row>(&mut self, rows: &[T], start: Option<String>) {
        if rows.is_empty() {
            return;
        }
        self.start = start;
        self.ids.clear();
        for row in rows {
            self.ids.push_str(row.id());
            self.ids.push('\n');
        }
    }

    /// The ids of its rows. No id has a line break: those are refused.
    pub(crate) fn ids(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.ids.split_terminator('\n')
    }

    /// The id of a row, counted from the last one.
    pub(crate) fn id_from_end(&self, rows: usize) -> Option<&str> {
        self.ids().nth_back(rows)
    }

    /// The markers to try in place of a deleted one, the latest first, and whether these are all. Not every
    /// row of a large page is tried: from an earlier one, rows that were yielded are fetched again.
    fn candidates(&self, deleted: &str) -> (Vec<String>, bool) {
        let ids: Vec<&str> = self.ids().rev().filter(|id| *id != deleted).collect();
        if ids.len() <= MAX_REQUESTS {
            return (ids.into_iter().map(str::to_owned).collect(), true);
        }
        let distances = (0..MAX_REQUESTS - 2).map(|power| 1 << power);
        let tried = distances.filter_map(|distance: usize| ids.get(distance - 1));
        let mut candidates: Vec<_> = tried.chain(ids.last()).map(|id| (*id).to_owned()).collect();
        candidates.dedup();
        candidates.extend(self.start.clone());
        (candidates, false)
    }
}

impl<T: Row> Pager<T> {
    /// Whether the backup of the marker was deleted since the page that ends with it. Markers set by the
    /// caller are never replaced: also not where links have offsets only.
    pub(crate) fn marker_was_deleted(&self, error: &Error) -> bool {
        error.is_marker_gone() && self.has_own_marker()
    }

    /// Continues after an earlier row that still exists. What was yielded before is dropped.
    pub(crate) async fn recover_deleted_marker(
        &mut self,
        error: &Error,
        deadline: Option<tokio::time::Instant>,
    ) -> Result<Response<T>, Error> {
        let deleted = self.listing.query.marker().unwrap_or_default().to_owned();
        let (candidates, all) = self.last_page.candidates(&deleted);
        for marker in candidates {
            self.listing.query.advance(&Cursor::after(&marker));
            let mut response = match self.fetch_in_place(deadline).await {
                Err(error) if error.is_marker_gone() => continue,
                response => response?,
            };
            tracing::info!(
                page = self.page,
                marker,
                "the marker's backup was deleted, continuing after an earlier one"
            );
            let start = self.drop_yielded(&mut response).unwrap_or(marker);
            self.accept(&response, Some(start))?;
            return Ok(response);
        }
        let reason = if all {
            "the marker's backup and those before it on its page were deleted"
        } else {
            "the marker's backup was deleted, and so were all before it that were tried"
        };
        Err(Error::Pagination {
            request_id: error.request_id().map(str::to_owned),
            reason: reason.to_owned(),
            cursor: self.last_page.start.as_deref().filter(|_| all).map(Cursor::after),
        })
    }

    /// Drops the rows that were yielded before, in this page and, where it has no others, in the next one.
    /// Returns the marker that leads to the first row after those.
    pub(crate) fn drop_yielded(&mut self, response: &mut Response<T>) -> Option<String> {
        let yielded: HashSet<_> = self.last_page.ids().collect();
        let before = response.rows.iter().map_while(|row| yielded.get(row.id())).last();
        let start = before.map(|id| (*id).to_owned());
        response.rows.retain(|row| !yielded.contains(row.id()));
        self.reads_again = response.rows.is_empty();
        start
    }
}
