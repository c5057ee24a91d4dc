//! [`Listing`]: what to list, and how.

use std::sync::Arc;

use tokio::time::Instant;

use super::continuity;
use super::last_pages::LastPages;
use crate::Error;
use crate::generated::parameters::LIMIT;
use crate::query::{List, Microversion, Page, Query};
use crate::transport::{Get, Request, RetryPolicy, Row, Transport};

/// The maximum of concurrent requests of one listing.
const MAX_CONCURRENCY: usize = 1000;

/// What to list, and how.
#[derive(Clone, Debug)]
pub(crate) struct Listing<T> {
    pub(crate) transport: Arc<Transport>,
    pub(crate) operation: Get<List<T>>,
    pub(crate) query: Query,
    /// The minimum for this listing.
    pub(crate) microversion: Option<Microversion>,
    pub(crate) retry: RetryPolicy,
    pub(crate) concurrency: usize,
    pub(crate) prefetch: bool,
}

impl<T> Listing<T> {
    pub(crate) fn new(transport: Arc<Transport>, operation: Get<List<T>>) -> Self {
        let (retry, query) = (transport.settings.retry.clone(), Query::default());
        Self { transport, operation, query, microversion: None, retry, concurrency: 1, prefetch: true }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if !(1..=MAX_CONCURRENCY).contains(&self.concurrency) {
            let reason = format!("it is not in the range 1 to {MAX_CONCURRENCY}");
            return Err(Error::InvalidRequest { parameter: "concurrency".to_owned(), reason });
        }
        Ok(self.query.check()?)
    }

    /// Also refuses a limit of 0.
    pub(crate) fn check_pages(&self) -> Result<(), Error> {
        self.check()?;
        match self.query.limit() {
            Some(0) => Err(LIMIT.invalid("pages of 0 backups have no next page").into()),
            _ => Ok(()),
        }
    }

    /// The lowest microversion in which all parameters work; none if they work in every one.
    pub(crate) fn microversion(&self) -> Option<Microversion> {
        self.transport.microversion(&self.operation, &self.query, self.microversion)
    }

    pub(crate) fn request(&self, query: Query, page: u64) -> Request<List<T>> {
        Request { operation: self.operation, query, microversion: self.microversion(), page: Some(page) }
    }
}

impl<T: Row> Listing<T> {
    /// Fetches the page of the query.
    pub(crate) async fn fetch(&self, page: u64, deadline: Option<Instant>) -> Result<Page<T>, Error> {
        let request = self.request(self.query.clone(), page);
        self.transport.fetch(&request, &self.retry, deadline, None).await
    }

    /// Checks that the rows can be what the query requested, after the last page if that is known.
    pub(crate) fn check_rows(&self, response: &Page<T>, last_pages: Option<&LastPages>) -> Result<(), Error> {
        continuity::check(&response.backups, &self.query, last_pages)
            .map_err(|reason| Error::pagination(response.request_id.as_deref(), reason))
    }
}
