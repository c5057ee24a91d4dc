//! Continuing when the backup of the marker was deleted.

use std::collections::HashSet;

use tokio::time::Instant;

use super::pager::Pager;
use crate::Error;
use crate::query::{Cursor, Row};
use crate::transport::Response;

/// The most requests of a recovery.
const MAX_REQUESTS: usize = 12;

/// The last page that had rows.
#[derive(Default)]
pub(crate) struct LastPage {
    /// The id of the first row of the listing.
    first_of_listing: Option<String>,
    /// A marker that leads to its first row again, if there is one.
    start: Option<String>,
    /// The ids of its rows, a line each: one text, because a string each takes more memory and time.
    ids: String,
}

impl LastPage {
    pub(crate) fn keep<T: Row>(&mut self, rows: &[T], start: Option<String>) {
        let Some(first) = rows.first() else { return };
        self.first_of_listing.get_or_insert_with(|| first.id().to_owned());
        self.start = start;
        self.ids.clear();
        for row in rows {
            self.ids.push_str(row.id());
            self.ids.push('\n');
        }
    }

    pub(crate) fn first_of_listing(&self) -> Option<&str> {
        self.first_of_listing.as_deref()
    }

    /// The ids of its rows. No id has a line break: those are refused.
    pub(crate) fn ids(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.ids.split_terminator('\n')
    }

    /// The id of a row, counted from the last one.
    pub(crate) fn id_from_end(&self, rows: usize) -> Option<&str> {
        self.ids().nth_back(rows)
    }

    /// The markers to try in place of a deleted one: all rows of the page, the last one first, or as many as
    /// may be requested, further and further apart, down to the first one.
    fn candidates(&self, deleted: &str) -> Vec<String> {
        let ids: Vec<&str> = self.ids().rev().filter(|id| *id != deleted).collect();
        let skipped = ids.len().saturating_sub(MAX_REQUESTS);
        let last = MAX_REQUESTS - 1;
        let spread = (0..MAX_REQUESTS).map(|i| i + skipped * i.pow(3) / last.pow(3));
        spread.filter_map(|i| ids.get(i)).map(|id| (*id).to_owned()).collect()
    }
}

impl<T: Row> Pager<T> {
    /// Continues after an earlier row that still exists. What was yielded before is dropped.
    pub(crate) async fn recover_deleted_marker(
        &mut self,
        error: &Error,
        deadline: Option<Instant>,
    ) -> Result<Response<T>, Error> {
        let deleted = self.listing.query.marker().unwrap_or_default().to_owned();
        let yielded: HashSet<String> = self.last_page.ids().map(str::to_owned).collect();
        let mut requests = 0..MAX_REQUESTS;
        for marker in self.last_page.candidates(&deleted) {
            self.listing.query.advance(&Cursor::after(&marker));
            let mut start = marker;
            while requests.next().is_some() {
                let mut response: Response<T> = match self.listing.fetch(self.page, deadline).await {
                    Err(error) if error.is_marker_gone() => break,
                    response => response?,
                };
                // The rows after this one are new.
                let again = response.rows.iter().rev().find(|row| yielded.contains(row.id()));
                start = again.map_or(start, |row| row.id().to_owned());
                let fetched = response.rows.len();
                response.rows.retain(|row| !yielded.contains(row.id()));
                match &response.next {
                    Ok(Some(next)) if response.rows.is_empty() && fetched > 0 => self.listing.query.advance(next),
                    _ => {
                        tracing::info!(
                            page = self.page,
                            "the marker's backup was deleted, continuing after an earlier one"
                        );
                        self.accept(&response, Some(start))?;
                        return Ok(response);
                    }
                }
            }
        }
        Err(Error::Pagination {
            request_id: error.request_id().map(str::to_owned),
            reason: "the marker's backup was deleted, and so were the ones before it that were tried".to_owned(),
            cursor: self.last_page.start.as_deref().map(Cursor::after),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(rows: usize) -> Vec<usize> {
        let ids: Vec<_> = (0..=rows).map(|row| row.to_string()).collect();
        let page = LastPage { ids: ids.iter().map(|id| format!("{id}\n")).collect(), ..LastPage::default() };
        page.candidates(&rows.to_string()).iter().map(|id| id.parse().unwrap()).collect()
    }

    #[test]
    fn every_row_of_a_small_page_is_a_candidate() {
        for rows in 0..=MAX_REQUESTS {
            assert_eq!(candidates(rows), (0..rows).rev().collect::<Vec<_>>());
        }
    }

    #[test]
    fn candidates_of_a_large_page_reach_from_its_last_row_to_its_first() {
        for rows in [13, 20, 100, 1000, 40_000] {
            let candidates = candidates(rows);
            assert_eq!(candidates.len(), MAX_REQUESTS, "{rows}");
            assert_eq!((candidates[0], candidates[MAX_REQUESTS - 1]), (rows - 1, 0), "{rows}");
            assert!(candidates.is_sorted_by(|one, next| one > next), "{candidates:?}");
        }
    }
}
