//! Deadlines, and tasks that belong to the runtime that they were spawned on.

use std::future::{Future, poll_fn};

use tokio::runtime::{Handle, Id};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tracing::instrument::WithSubscriber;
use tracing::{Instrument, Span};

/// The runtime that polls the caller.
fn current_runtime() -> Option<Id> {
    Handle::try_current().map(|handle| handle.id()).ok()
}

/// Starts a future, and starts it anew if it is polled on another runtime: timers, connections and tasks make no
/// progress on a runtime that nobody drives.
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
    match deadline {
        Some(deadline) => timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}

/// A future that runs whether or not anybody awaits it. Dropping this cancels it.
pub(crate) struct Spawned<T> {
    runtime: Option<Id>,
    task: JoinHandle<T>,
}

impl<T: Send + 'static> Spawned<T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self::within(Span::current(), future)
    }

    /// The same within another span.
    pub(crate) fn within(span: Span, future: impl Future<Output = T> + Send + 'static) -> Self {
        Self { task: tokio::spawn(future.instrument(span).with_current_subscriber()), runtime: current_runtime() }
    }

    /// Whether it runs on the caller's runtime.
    pub(crate) fn is_on_current_runtime(&self) -> bool {
        self.runtime == current_runtime()
    }

    /// Its output; none if it panicked, or was spawned on another runtime.
    pub(crate) async fn output(mut self) -> Option<T> {
        if !self.is_on_current_runtime() {
            return None;
        }
        (&mut self.task).await.ok()
    }
}

impl<T> Drop for Spawned<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}
