//! [`Ahead`]: the pages of a walk that are under way. [`Pace`]: how they keep from crowding a
//! service that is busy.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_core::future::BoxFuture;
use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::Instrument;
use tracing::instrument::WithSubscriber;

/// After how many pages without trouble there is always one more at a time.
const MOST_PATIENCE: usize = 64;

/// Pages that were asked for and not yet given out, in their order. Dropping it cancels them.
pub(crate) struct Ahead<T> {
    pages: VecDeque<Asked<T>>,
    /// How many at a time: as the caller wants it, and for now.
    most: usize,
    at_a_time: usize,
    /// How many pages went well since that was changed, and how many have to before it grows.
    calm: usize,
    patience: usize,
    pub(crate) pace: Arc<Pace>,
}

/// A page that was asked for.
pub(crate) struct Asked<T> {
    page: Under<T>,
    /// Whether it begins with the last row of the page before it.
    pub(crate) overlaps: bool,
    /// How many rows it adds to the page before it, if it is of the size that it should be.
    pub(crate) rows: u64,
}

enum Under<T> {
    Way(BoxFuture<'static, T>),
    Task(Task<T>),
}

struct Task<T>(JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T: Send + 'static> Asked<T> {
    /// Is fetched while it is waited for.
    pub(crate) fn now(page: impl Future<Output = T> + Send + 'static, rows: u64) -> Self {
        Self { page: Under::Way(page.boxed()), overlaps: false, rows }
    }

    /// Is fetched whether or not anyone waits for it.
    pub(crate) fn in_advance(page: impl Future<Output = T> + Send + 'static, overlaps: bool, rows: u64) -> Self {
        let task = tokio::spawn(page.in_current_span().with_current_subscriber());
        Self { page: Under::Task(Task(task)), overlaps, rows }
    }

    /// The page; none where it was lost with the runtime that it was fetched on.
    pub(crate) async fn page(&mut self) -> Option<T> {
        match &mut self.page {
            Under::Way(page) => Some(page.await),
            Under::Task(Task(task)) => match task.await {
                Ok(page) => Some(page),
                // A token provider's, which is the caller's own.
                Err(error) => error.try_into_panic().map(|panic| resume_unwind(panic)).ok(),
            },
        }
    }
}

impl<T> Ahead<T> {
    pub(crate) fn new(most: usize) -> Self {
        Self { pages: VecDeque::new(), most, at_a_time: most, calm: 0, patience: 2, pace: Arc::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    pub(crate) fn push(&mut self, asked: Asked<T>) {
        self.pages.push_back(asked);
    }

    pub(crate) fn pop(&mut self) -> Option<Asked<T>> {
        self.pages.pop_front()
    }

    pub(crate) fn clear(&mut self) {
        self.pages.clear();
    }

    /// Whether there is room for one more, besides the page that is waited for or was just given
    /// out.
    pub(crate) fn has_room(&mut self) -> bool {
        if self.pace.crowded.swap(false, Ordering::Relaxed) {
            self.slow_down();
            // A limit that was met once will be met again.
            self.patience = (self.patience * 2).min(MOST_PATIENCE);
        }
        self.pages.len() + 1 < self.at_a_time
    }

    /// Half as many at a time.
    pub(crate) fn slow_down(&mut self) {
        self.at_a_time = (self.at_a_time / 2).max(1);
        self.calm = 0;
    }

    /// A page went well. After some of them, one more at a time.
    pub(crate) fn went_well(&mut self) {
        self.calm += 1;
        if self.calm >= self.patience {
            self.at_a_time = (self.at_a_time + 1).min(self.most);
            self.calm = 0;
        }
    }
}

/// What the pages under way in one walk have to know of each other.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// The number of the page that the walk waits for, and until when it does.
    turn: watch::Sender<(u64, Option<Instant>)>,
    crowded: AtomicBool,
}

impl Pace {
    pub(crate) fn waits_for(&self, page: u64, deadline: Option<Instant>) {
        self.turn.send_replace((page, deadline));
    }

    /// A page could not be had. Only the one that the walk waits for is asked for again, so that
    /// many at a time never become a storm.
    pub(crate) fn set_crowded(&self) {
        self.crowded.store(true, Ordering::Relaxed);
    }

    /// Until when the walk waits for the page: known once it does.
    pub(crate) async fn deadline(&self, page: u64) -> Option<Instant> {
        let mut turn = self.turn.subscribe();
        // It never ends early: the other end is here.
        turn.wait_for(|turn| turn.0 >= page).await.ok().and_then(|turn| turn.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many there is room for.
    fn room(ahead: &mut Ahead<()>) -> usize {
        ahead.has_room();
        ahead.at_a_time
    }

    #[test]
    fn fewer_at_a_time_after_trouble_and_more_again_when_all_is_well() {
        let mut ahead = Ahead::new(8);
        let mut patience = 2;
        for _ in 0..3 {
            assert_eq!(room(&mut ahead), 8);
            ahead.pace.set_crowded();
            assert_eq!(room(&mut ahead), 4);
            assert_eq!(room(&mut ahead), 4, "once for what happened at the same time");
            patience *= 2;
            for more in 4..8 {
                for _ in 0..patience {
                    assert_eq!(room(&mut ahead), more);
                    ahead.went_well();
                }
            }
        }
        for _ in 0..10 {
            ahead.pace.set_crowded();
            room(&mut ahead);
        }
        assert_eq!(room(&mut ahead), 1);
        for _ in 0..7 * 64 {
            ahead.went_well();
        }
        assert_eq!(room(&mut ahead), 8);
    }
}
