//! Continuing when the backup of the marker was deleted.

use tokio::time::Instant;

use super::last_pages::Start;
use super::pager::Pager;
use crate::Error;
use crate::generated::parameters::MARKER;
use crate::query::{Cursor, Page};
use crate::transport::Row;

impl<T: Row> Pager<T> {
    /// Continues after an earlier row that still exists. Rows that were yielded before do not come again.
    pub(crate) async fn recover_deleted_marker(
        &mut self,
        error: &Error,
        deadline: Option<Instant>,
    ) -> Result<Page<T>, Error> {
        let deleted = self.listing.query.marker().unwrap_or_default();
        let candidates = self.last_pages.candidates(deleted);
        for candidate in &candidates {
            match &candidate.start {
                Start::List => self.listing.query.remove(&MARKER),
                Start::After(id) => self.listing.query.advance(&Cursor::after(id)),
            }
            let mut response: Page<T> = match self.listing.fetch(self.page, deadline).await {
                Err(error) if error.is_marker_gone() => continue,
                response => response?,
            };
            tracing::info!(
                target: "vbs_client::paging",
                page = self.page,
                "the marker's backup was deleted, continuing after an earlier one"
            );
            let later = self.last_pages.remove_after(candidate);
            self.already_yielded.add(&later).map_err(|reason| Error::pagination(error.request_id(), reason))?;
            self.accept(&mut response)?;
            return Ok(response);
        }
        let reason = match candidates.len() {
            0 => "the marker's backup was deleted, and it is the only one that was listed".to_owned(),
            tried => format!("the marker's backup was deleted, and so were the {tried} before it that were tried"),
        };
        Err(Error::pagination(error.request_id(), reason))
    }
}
