//! [`Pager`]: all pages of a listing, in order.

use super::already_yielded::AlreadyYielded;
use super::continuity;
use super::followed::Followed;
use super::last_pages::{LastPages, Start};
use super::listing::Listing;
use super::read_ahead::{InFlightPage, ReadAhead};
use crate::Error;
use crate::generated::parameters::{OFFSET, WITH_COUNT};
use crate::query::{Cursor, Page, Query, Value};
use crate::transport::{Row, Spawned};

/// The assumed size of a page until the service shows another one: Cinder's default maximum.
const DEFAULT_MAX_LIMIT: u64 = 1000;

/// The maximum of consecutive empty pages.
const MAX_EMPTY_PAGES: u32 = 1000;

/// All pages of a listing, in order.
///
/// The listing's query is always that of the page after the last row yielded. Pages further on are requested by offset
/// from there (Cinder counts it from the marker), each starting with the last row of the page before it. Such a page is
/// used only if it does start with that row: then it is the page after the marker. Rows are ordered by fields that
/// never change, so it does not matter which page was read first.
pub(crate) struct Pager<T> {
    pub(crate) listing: Listing<T>,
    /// The number of the next page, from 1.
    pub(crate) page: u64,
    count: Option<u64>,
    followed: Followed,
    empty_pages: u32,
    pub(crate) last_pages: LastPages,
    pub(crate) already_yielded: AlreadyYielded,
    position: Position,
    read_ahead: ReadAhead<T>,
    /// The number of the last page requested.
    requested: u64,
    /// How many rows the pages in flight add to those yielded if they are full.
    new_rows: u64,
    /// How many rows a full page has; 0 where that is not known.
    page_size: u64,
    /// The renewal of tokens in the background, as long as there are pages to fetch.
    background: Option<Spawned<()>>,
}

enum Position {
    Start,
    Middle,
    /// The last page was yielded; with the error after it, if any.
    End(Option<Error>),
}

impl<T: Row> Pager<T> {
    pub(crate) fn new(mut listing: Listing<T>) -> Self {
        // Chosen once: all pages of a listing have the same microversion, also those without the count.
        listing.microversion = listing.microversion();
        let query = &listing.query;
        let marker = query.marker().map(str::to_owned);
        let mut followed = Followed::default();
        followed.insert(marker.clone().map(Cursor::after));
        // With an offset, a marker does not lead to the first row.
        let start = (query.offset() == 0).then(|| marker.map_or(Start::List, Start::After));
        let limit = query.limit().and_then(|limit| u64::try_from(limit).ok());
        Self {
            read_ahead: ReadAhead::new(listing.concurrency),
            listing,
            page: 1,
            count: None,
            followed,
            empty_pages: 0,
            last_pages: LastPages::new(start),
            already_yielded: AlreadyYielded::default(),
            position: Position::Start,
            requested: 0,
            new_rows: 0,
            page_size: limit.filter(|limit| *limit <= DEFAULT_MAX_LIMIT).unwrap_or(0),
            background: None,
        }
    }

    /// The next page, if there is one. Not to be called again after an error.
    pub(crate) async fn next_page(&mut self) -> Result<Option<Page<T>>, Error> {
        match &mut self.position {
            Position::End(error) => return error.take().map_or(Ok(None), Err),
            Position::Start => {
                self.listing.check_pages()?;
                self.background = self.listing.transport.begin_listing();
            }
            Position::Middle => {}
        }
        let mut response = self.fetch_next().await?;
        if matches!(self.position, Position::Start) {
            self.count = response.count;
            // With it, the server would count for every page, and add an empty one at the end.
            self.listing.query.remove(&WITH_COUNT);
        }
        response.count = self.count;
        self.page = self.page.saturating_add(1);
        self.position = self.advance(&response);
        if !matches!(self.position, Position::Middle) {
            self.read_ahead.pages.clear();
            self.background = None;
        } else if self.listing.prefetch {
            if self.read_ahead.pages.is_empty() {
                let next = self.request_next(true);
                self.read_ahead.pages.push_back(next);
            }
            self.fill_read_ahead();
        }
        Ok(Some(response))
    }

    /// Makes the listing's query that of the page after this one.
    fn advance(&mut self, response: &Page<T>) -> Position {
        let end = |reason: &str| Position::End(Some(Error::pagination(response.request_id.as_deref(), reason)));
        let next = match &response.next {
            Ok(None) => return Position::End(None),
            Ok(Some(next)) => next,
            Err(reason) => return end(&format!("the next link has no usable cursor: {reason}")),
        };
        let query = &mut self.listing.query;
        if let (Some(offset), Some(_)) = (next.offset(), query.marker()) {
            // Counted from the start of the list, it would be higher: the marker's backup is there, too.
            let from_marker =
                i64::try_from(response.backups.len()).ok().and_then(|rows| query.offset().checked_add(rows));
            if Some(offset) != from_marker {
                return end("the next link has an offset that does not count from the marker");
            }
        }
        if query.leads_back(next) || !self.followed.insert(Some(next)) {
            return end("the next links form a cycle");
        }
        self.empty_pages = if response.backups.is_empty() { self.empty_pages + 1 } else { 0 };
        if self.empty_pages >= MAX_EMPTY_PAGES {
            return end(&format!("the last {MAX_EMPTY_PAGES} pages were empty"));
        }
        query.advance(next);
        if query.fits() { Position::Middle } else { end("the marker of the next link is too long") }
    }

    /// The page that follows the last row yielded.
    async fn fetch_next(&mut self) -> Result<Page<T>, Error> {
        // One deadline covers all requests for this page.
        let deadline = self.listing.transport.deadline();
        loop {
            let mut page = match self.read_ahead.pages.pop_front() {
                Some(page) => page,
                // Concurrent pages begin in their order.
                None => self.request_next(self.listing.concurrency > 1),
            };
            self.fill_read_ahead();
            let in_flight = page.attempt.take();
            let Listing { transport, retry, .. } = &self.listing;
            match transport.fetch(&page.request, retry, deadline, in_flight).await {
                Ok(response) if page.overlaps => {
                    if let Some(response) = self.accept_overlapping(&page, response) {
                        return Ok(response);
                    }
                }
                Ok(mut response) => {
                    let size = response.backups.len();
                    self.accept(&mut response)?;
                    self.record_size(&page, size);
                    return Ok(response);
                }
                // The marker of its offset may be deleted, or the service refuses such an offset.
                Err(error @ Error::Status { .. }) if page.overlaps && !error.is_retryable() => {}
                Err(error) if self.marker_was_deleted(&error) => {
                    self.read_ahead.pages.clear();
                    return self.recover_deleted_marker(&error, deadline).await;
                }
                Err(error) => return Err(error),
            }
            tracing::debug!(target: "vbs_client::paging", page = self.page, "a page that was read ahead does not follow, fetching it by marker");
            self.read_ahead.slow_down();
            self.read_ahead.pages.clear();
        }
    }

    /// Whether the backup of the marker was deleted since the page that ends with it. Markers set by the
    /// caller are never replaced: also not where links have offsets only.
    fn marker_was_deleted(&self, error: &Error) -> bool {
        error.is_marker_gone() && matches!(self.position, Position::Middle) && self.listing.query.get(&OFFSET).is_none()
    }

    /// Requests the page after the last row yielded. Nothing else is in flight.
    fn request_next(&mut self, begin: bool) -> InFlightPage<T> {
        self.requested = self.page;
        self.new_rows = self.page_size;
        self.request(self.listing.query.clone(), false, self.page_size, begin)
    }

    /// Requests pages after those in flight, as many as there is room for.
    fn fill_read_ahead(&mut self) {
        // A page of one row would only have the shared row.
        while self.page_size > 1 && self.read_ahead.has_room() {
            let mut query = self.listing.query.clone();
            let Ok(new_rows) = i64::try_from(self.new_rows) else { return };
            query.set(&OFFSET, Value::Integer(query.offset().saturating_add(new_rows - 1)));
            query.remove(&WITH_COUNT);
            if query.check().is_err() {
                return;
            }
            self.requested = self.requested.saturating_add(1);
            let new_rows = self.page_size - 1;
            self.new_rows = self.new_rows.saturating_add(new_rows);
            let page = self.request(query, true, new_rows, true);
            self.read_ahead.pages.push_back(page);
        }
    }

    fn request(&self, query: Query, overlaps: bool, new_rows: u64, begin: bool) -> InFlightPage<T> {
        let request = self.listing.request(query, self.requested);
        let attempt = begin.then(|| self.read_ahead.begin(&self.listing.transport, request.clone()));
        InFlightPage { request, overlaps, new_rows, attempt }
    }

    /// Checks that a page follows the last row yielded, keeps it, and drops the rows that were yielded before.
    pub(crate) fn accept(&mut self, response: &mut Page<T>) -> Result<(), Error> {
        self.listing.check_rows(response, Some(&self.last_pages))?;
        self.keep(response).map_err(|reason| Error::pagination(response.request_id.as_deref(), reason))
    }

    /// Takes the shared row from a page that was read ahead; none where the page does not follow.
    fn accept_overlapping(&mut self, page: &InFlightPage<T>, mut response: Page<T>) -> Option<Page<T>> {
        let size = response.backups.len();
        let (shared, new) = response.backups.split_first()?;
        let follows = self.last_pages.ids_of_last().next_back() == Some(shared.id())
            && continuity::check(new, &page.request.query, Some(&self.last_pages)).is_ok();
        // A page with only the shared row adds nothing; its link would form a cycle.
        if !follows || (new.is_empty() && response.next != Ok(None)) {
            return None;
        }
        response.backups.remove(0);
        self.keep(&mut response).ok()?;
        self.record_size(page, size);
        Some(response)
    }

    /// Keeps a page as the last one, and drops the rows that were yielded before.
    fn keep(&mut self, response: &mut Page<T>) -> Result<(), &'static str> {
        let rows_to_drop = self.already_yielded.rows_to_drop(&response.backups);
        if let Some(first) = response.backups.get(rows_to_drop)
            && !self.followed.insert(first.id())
        {
            return Err("the page starts as an earlier one did");
        }
        if let Some(displaced) = self.last_pages.keep(&response.backups) {
            self.already_yielded.forget(&displaced);
        }
        response.backups.drain(..rows_to_drop);
        Ok(())
    }

    /// Records the size of a page; later pages are requested with it. If it is not as requested, no page in flight can
    /// follow.
    fn record_size(&mut self, page: &InFlightPage<T>, size: usize) {
        self.page_size = size as u64;
        let new_rows = self.page_size.saturating_sub(u64::from(page.overlaps));
        self.new_rows = self.new_rows.saturating_sub(new_rows);
        if new_rows == page.new_rows {
            self.read_ahead.record_success();
            return;
        }
        self.read_ahead.pages.clear();
        if !matches!(self.position, Position::Start) {
            self.read_ahead.slow_down();
        }
    }
}
