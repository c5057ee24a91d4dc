//! Futures that survive a change of the tokio runtime, deadlines, and attempts that are begun early.

use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Poll, ready};

use futures_util::future::{Either, select};
use tokio::runtime::{Handle, Id};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::Instrument;
use tracing::instrument::WithSubscriber;

/// The runtime that polls the caller.
pub(crate) fn current_runtime() -> Option<Id> {
    Handle::try_current().map(|handle| handle.id()).ok()
}

/// Starts a future, and starts it anew where it is polled on another runtime: timers and connections make
/// no progress on a runtime that is not driven any more.
pub(crate) async fn on_current_runtime<T, F: Future<Output = T>>(mut start: impl FnMut() -> F) -> T {
    let mut started_on = current_runtime();
    let mut future = Box::pin(start());
    poll_fn(move |context| {
        let runtime = current_runtime();
        if runtime != started_on {
            started_on = runtime;
            future = Box::pin(start());
        }
        future.as_mut().poll(context)
    })
    .await
}

/// The output of a future, unless the deadline passes first.
pub(crate) async fn before<T>(deadline: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    let expired = async {
        match deadline {
            Some(deadline) => on_current_runtime(|| sleep_until(deadline)).await,
            None => pending().await,
        }
    };
    match select(pin!(future), pin!(expired)).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

/// A future that runs whether or not anybody waits for it. Dropping this cancels it.
pub(crate) struct Spawned<T> {
    runtime: Option<Id>,
    task: JoinHandle<T>,
}

impl<T: Send + 'static> Spawned<T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self { task: tokio::spawn(future.in_current_span().with_current_subscriber()), runtime: current_runtime() }
    }

    /// Its output; none where it panicked, or was spawned on another runtime.
    pub(crate) async fn output(mut self) -> Option<T> {
        poll_fn(|context| {
            if current_runtime() != self.runtime {
                return Poll::Ready(None);
            }
            Poll::Ready(ready!(Pin::new(&mut self.task).poll(context)).ok())
        })
        .await
    }
}

impl<T> Drop for Spawned<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}
