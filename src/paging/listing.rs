//! [`Listing`]: what to list, and how.

use std::future::ready;
use std::sync::Arc;

use tokio::time::Instant;

use super::continuity;
use super::pager::Pager;
use crate::Error;
use crate::generated::parameters::LIMIT;
use crate::query::{Microversion, Query, Row};
use crate::transport::{PageRequest, Response, RetryPolicy, Transport};

/// The most concurrent requests of one listing.
const MAX_CONCURRENCY: usize = 1000;

/// What to list, and how.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    pub(crate) transport: Arc<Transport>,
    pub(crate) query: Query,
    /// The minimum for this listing.
    pub(crate) microversion: Option<Microversion>,
    pub(crate) retry: RetryPolicy,
    pub(crate) concurrency: usize,
    pub(crate) prefetch: bool,
}

impl Listing {
    pub(crate) fn new(transport: Arc<Transport>) -> Self {
        let retry = transport.settings.retry.clone();
        Self { transport, query: Query::default(), microversion: None, retry, concurrency: 1, prefetch: true }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if !(1..=MAX_CONCURRENCY).contains(&self.concurrency) {
            let reason = format!("it is not in the range 1 to {MAX_CONCURRENCY}");
            return Err(Error::InvalidRequest { parameter: "concurrency".to_owned(), reason });
        }
        self.query.check()
    }

    /// Also refuses what no listing over pages can be.
    pub(crate) fn check_pages(&self) -> Result<(), Error> {
        self.check()?;
        match self.query.limit() {
            Some(0) => Err(LIMIT.invalid("pages of 0 backups have no next page")),
            _ => Ok(()),
        }
    }

    pub(crate) fn pager<T: Row>(self) -> Pager<T> {
        Pager::new(self)
    }

    /// When a page is due that is waited for from now on.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.transport.settings.page_deadline.and_then(|deadline| Instant::now().checked_add(deadline))
    }

    /// The lowest microversion that will do, unless every one does.
    pub(crate) fn microversion(&self) -> Option<Microversion> {
        self.query.microversion().max(self.microversion).max(self.transport.settings.microversion)
    }

    /// Fetches a page by itself.
    pub(crate) async fn fetch_page<T: Row>(&self) -> Result<Response<T>, Error> {
        let request = PageRequest { query: self.query.clone(), microversion: self.microversion(), page: 1 };
        let response = self.transport.fetch(&request, &self.retry, self.deadline(), ready(None)).await?;
        continuity::check(&response.rows, &request.query, None)
            .map_err(|reason| Error::pagination(response.request_id.as_deref(), reason))?;
        Ok(response)
    }
}
