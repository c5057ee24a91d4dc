//! [`Begun`]: an attempt that runs before anybody waits for it.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use futures_core::future::BoxFuture;
use tracing::instrument::WithSubscriber;
use tracing::{Instrument, Span};

use super::runtime::Spawned;

tokio::task_local! {
    /// Whether the future that a task polls has come to where it can be handed over.
    static CAN_HAND_OVER: Cell<bool>;
}

/// Where a [`Begun`] future leaves its task, if somebody waits for it: they poll the rest.
pub(crate) async fn hand_over() {
    let mut pending = CAN_HAND_OVER.try_with(|can| can.set(true)).is_ok();
    poll_fn(|_| if mem::take(&mut pending) { Poll::Pending } else { Poll::Ready(()) }).await;
}

/// A future that runs whether or not anybody waits for it. Dropping this cancels it.
///
/// A page that somebody waits for is decoded where they wait: its rows are slower to free on another thread.
pub(crate) struct Begun<T> {
    /// The output, or the rest of a future that was handed over.
    task: Spawned<Result<T, BoxFuture<'static, T>>>,
    is_awaited: Arc<AtomicBool>,
}

impl<T: Send + 'static> Begun<T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        let is_awaited = Arc::new(AtomicBool::new(false));
        let awaited = Arc::clone(&is_awaited);
        let mut future: BoxFuture<'static, T> = Box::pin(future.in_current_span().with_current_subscriber());
        let task = async move {
            let output = poll_fn(|context| {
                loop {
                    let (poll, can_hand_over) = CAN_HAND_OVER.sync_scope(Cell::new(false), || {
                        (future.as_mut().poll(context), CAN_HAND_OVER.with(Cell::get))
                    });
                    match poll.map(Some) {
                        Poll::Pending if !can_hand_over => return Poll::Pending,
                        Poll::Pending if awaited.load(Ordering::Relaxed) => return Poll::Ready(None),
                        Poll::Pending => {}
                        ready @ Poll::Ready(_) => return ready,
                    }
                }
            });
            output.await.ok_or(future)
        };
        // The future has its span already.
        Self { task: Spawned::within(Span::none(), task), is_awaited }
    }

    /// Its output; none where it panicked, or was begun on another runtime.
    pub(crate) async fn output(self) -> Option<T> {
        self.is_awaited.store(true, Ordering::Relaxed);
        match self.task.output().await? {
            Ok(output) => Some(output),
            Err(rest) => Some(rest.await),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Notify;
    use tokio::task::try_id;

    use super::*;

    /// Whether it is polled by a task, before and after it can be handed over.
    async fn places(start: Arc<Notify>) -> [bool; 2] {
        start.notified().await;
        let before = try_id().is_some();
        hand_over().await;
        [before, try_id().is_some()]
    }

    #[tokio::test]
    async fn the_rest_of_a_future_is_polled_by_who_waits_for_it() {
        let start = Arc::new(Notify::new());
        let begun = Begun::new(places(Arc::clone(&start)));
        let (places, ()) = tokio::join!(begun.output(), async { start.notify_one() });
        assert_eq!(places, Some([true, false]));
    }

    #[tokio::test]
    async fn a_future_that_nobody_waits_for_is_polled_to_its_end_by_its_task() {
        let (start, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        start.notify_one();
        let (future, ended) = (places(start), Arc::clone(&end));
        let begun = Begun::new(async move {
            let places = future.await;
            ended.notify_one();
            places
        });
        end.notified().await;
        assert_eq!(begun.output().await, Some([true, true]));
    }

    #[tokio::test]
    async fn a_future_without_a_task_is_not_handed_over() {
        let start = Arc::new(Notify::new());
        start.notify_one();
        assert_eq!(places(start).await, [false, false]);
    }
}
