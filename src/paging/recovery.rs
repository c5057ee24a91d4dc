//! Continuing when the backup of the marker was deleted.

use std::collections::HashSet;

use tokio::time::Instant;

use super::continuity::LastPage;
use super::pager::Pager;
use crate::Error;
use crate::query::Cursor;
use crate::transport::{Response, Row};

/// The most requests of a recovery.
const MAX_REQUESTS: usize = 12;

impl LastPage {
    /// The markers to try in place of a deleted one, and whether these are all rows of the page. Of a large page,
    /// they are further and further apart, and the last one leads to its first row.
    fn candidates(&self, deleted: &str) -> (Vec<String>, bool) {
        let ids: Vec<&str> = self.ids().rev().filter(|id| *id != deleted).collect();
        let all = ids.len() <= MAX_REQUESTS;
        let start = self.start.iter().filter(|_| !all);
        let rows = MAX_REQUESTS - start.clone().count();
        let (skipped, last) = (ids.len().saturating_sub(rows), rows - 1);
        let spread = (0..rows).map(|i| i + skipped * i.pow(3) / last.pow(3));
        let tried = spread.filter_map(|i| ids.get(i)).map(|id| (*id).to_owned());
        (tried.chain(start.cloned()).collect(), all)
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
        let (candidates, all) = self.last_page.candidates(&deleted);
        for marker in candidates {
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
                            target: "vbs_client::paging",
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
            cursor: self.last_page.start.as_deref().filter(|_| all).map(Cursor::after),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(rows: usize, start: Option<&str>) -> (Vec<usize>, bool) {
        let ids = (0..=rows).map(|row| format!("{row}\n")).collect();
        let page = LastPage { ids, start: start.map(str::to_owned), ..LastPage::default() };
        let (candidates, all) = page.candidates(&rows.to_string());
        (candidates.iter().map(|id| id.parse().unwrap()).collect(), all)
    }

    #[test]
    fn every_row_of_a_small_page_is_a_candidate() {
        for rows in 0..=MAX_REQUESTS {
            assert_eq!(candidates(rows, Some("999")), ((0..rows).rev().collect(), true));
        }
    }

    #[test]
    fn candidates_of_a_large_page_reach_from_its_last_row_to_its_first() {
        for rows in [13, 20, 100, 1000, 40_000] {
            let (without_start, all) = candidates(rows, None);
            assert_eq!((without_start.len(), all), (MAX_REQUESTS, false), "{rows}");
            assert_eq!((without_start[0], without_start[MAX_REQUESTS - 1]), (rows - 1, 0), "{rows}");
            assert!(without_start.is_sorted_by(|one, next| one > next), "{without_start:?}");

            let (with_start, _) = candidates(rows, Some("999999"));
            assert_eq!((with_start.len(), with_start[MAX_REQUESTS - 1]), (MAX_REQUESTS, 999_999), "{rows}");
            assert_eq!((with_start[0], with_start[MAX_REQUESTS - 2]), (rows - 1, 0), "{rows}");
        }
    }
}
