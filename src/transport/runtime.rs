//! Futures that survive a change of the tokio runtime, and deadlines.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;

use futures_util::future::{Either, select};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};

/// Starts a future, and starts it anew where it is polled on another runtime: timers and connections make
/// no progress on a runtime that nobody drives any more.
pub(crate) async fn on_current_runtime<T, F: Future<Output = T>>(mut start: impl FnMut() -> F) -> T {
    let mut started = None;
    poll_fn(move |context| {
        let runtime = Handle::try_current().map(|handle| handle.id()).ok();
        let restart = started.as_ref().is_none_or(|(started_on, _)| *started_on != runtime);
        if restart {
            started = Some((runtime, Box::pin(start())));
        }
        match &mut started {
            Some((_, future)) => future.as_mut().poll(context),
            None => std::task::Poll::Pending,
        }
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
