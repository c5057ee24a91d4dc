//! [`ReadAhead`]: the pages in flight, and how many there may be.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::query::{List, Page};
use crate::transport::{Begun, Outcome, Request, Row, Transport};

/// The maximum of successful pages before the concurrency is raised by one.
const MAX_SUCCESSES_NEEDED: usize = 64;

/// The pages in flight, in their order, and the state of the congestion control. Dropping it cancels them.
pub(crate) struct ReadAhead<T> {
    pub(crate) pages: VecDeque<InFlightPage<T>>,
    /// The concurrency that the caller has set, and the current one.
    max_concurrency: usize,
    concurrency: usize,
    /// Successful pages since the concurrency was changed, and how many raise it.
    successes: usize,
    successes_needed: usize,
    /// Whether a page in flight met a transient fault.
    throttled: Arc<AtomicBool>,
}

/// A page to fetch, and its first attempt if that has begun.
pub(crate) struct InFlightPage<T> {
    pub(crate) request: Request<List<T>>,
    /// Whether it begins with the last row of the page before it.
    pub(crate) overlaps: bool,
    /// How many rows it adds to the page before it if it is full.
    pub(crate) new_rows: u64,
    pub(crate) attempt: Option<Begun<Outcome<Page<T>>>>,
}

impl<T: Row> ReadAhead<T> {
    pub(crate) fn new(max_concurrency: usize) -> Self {
        Self {
            pages: VecDeque::new(),
            max_concurrency,
            concurrency: max_concurrency,
            successes: 0,
            successes_needed: 2,
            throttled: Arc::default(),
        }
    }

    /// Begins the first attempt of a page, whether or not anybody waits for it. It is retried only when its
    /// turn comes, so that many concurrent pages never become a storm of retries.
    pub(crate) fn begin(&self, transport: &Arc<Transport>, request: Request<List<T>>) -> Begun<Outcome<Page<T>>> {
        let (transport, throttled) = (Arc::clone(transport), Arc::clone(&self.throttled));
        Begun::new(async move {
            let outcome = transport.attempt(&request, 1, true).await;
            if matches!(&outcome, Err(failure) if failure.error.is_retryable()) {
                throttled.store(true, Ordering::Relaxed);
            }
            outcome
        })
    }

    /// Whether there is room for one more, besides the awaited page or the one just yielded.
    pub(crate) fn has_room(&mut self) -> bool {
        if self.throttled.swap(false, Ordering::Relaxed) {
            self.slow_down();
            // A rate limit that was met once is likely met again.
            self.successes_needed = (self.successes_needed * 2).min(MAX_SUCCESSES_NEEDED);
        }
        self.pages.len() + 1 < self.concurrency
    }

    /// Halves the concurrency.
    pub(crate) fn slow_down(&mut self) {
        self.concurrency = (self.concurrency / 2).max(1);
        self.successes = 0;
    }

    /// Counts a full page. After enough of them, the concurrency is raised by one.
    pub(crate) fn record_success(&mut self) {
        self.successes += 1;
        if self.successes >= self.successes_needed {
            self.concurrency = (self.concurrency + 1).min(self.max_concurrency);
            self.successes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Backup;

    fn concurrency(read_ahead: &mut ReadAhead<Backup>) -> usize {
        read_ahead.has_room();
        read_ahead.concurrency
    }

    fn throttle(read_ahead: &ReadAhead<Backup>) {
        read_ahead.throttled.store(true, Ordering::Relaxed);
    }

    #[test]
    fn throttling_halves_the_concurrency_and_successes_raise_it_again() {
        let mut read_ahead = ReadAhead::new(8);
        let mut needed = 2;
        for _ in 0..3 {
            assert_eq!(concurrency(&mut read_ahead), 8);
            throttle(&read_ahead);
            assert_eq!(concurrency(&mut read_ahead), 4);
            assert_eq!(concurrency(&mut read_ahead), 4, "once for faults at the same time");
            needed *= 2;
            for raised in 4..8 {
                for _ in 0..needed {
                    assert_eq!(concurrency(&mut read_ahead), raised);
                    read_ahead.record_success();
                }
            }
        }
        for _ in 0..10 {
            throttle(&read_ahead);
            concurrency(&mut read_ahead);
        }
        assert_eq!(concurrency(&mut read_ahead), 1);
        for _ in 0..7 * 64 {
            read_ahead.record_success();
        }
        assert_eq!(concurrency(&mut read_ahead), 8);
    }
}
