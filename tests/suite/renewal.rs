//! Renewals on several runtimes, and by providers that have the same token again.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use vbs_client::Error;

use crate::support::page;
use crate::support::process::runtime;
use crate::support::server::Server;

/// Accepts the requests that the handler says, by their number from 0.
async fn server(accepts: impl Fn(usize) -> bool + Send + Sync + 'static) -> Server {
    Server::start(move |request, number| match accepts(number) {
        true => request.page(&page(&["a"], None)),
        false => request.reply(401, ""),
    })
    .await
}

/// A renewal that was begun on a runtime that nobody drives any more is begun anew on another one.
#[test]
fn a_renewal_does_not_wait_for_a_runtime_that_is_not_driven() {
    let background = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = background.block_on(server(|_| true));
    for concurrency in [1, 2] {
        let provider = |_| async {
            sleep(Duration::from_millis(20)).await;
            Ok::<_, std::io::Error>("a-token".to_owned())
        };
        let client = server.builder().token_provider(provider).build().unwrap();
        let mut pages = client.list_backups().concurrency(concurrency).pages();
        let first = runtime(false);
        first.block_on(async { timeout(Duration::from_millis(1), pages.try_next()).await }).unwrap_err();
        // `first` still exists, and its timers never fire.
        let second = runtime(false);
        let send = client.list_backups().send();
        second.block_on(async { timeout(Duration::from_secs(20), send).await }).unwrap().unwrap();
        let page = second.block_on(async { timeout(Duration::from_secs(20), pages.try_next()).await });
        assert_eq!(page.unwrap().unwrap().unwrap().backups.len(), 1);
    }
}

/// Some of the service's processes reject a good token for a while.
#[tokio::test]
async fn a_token_that_was_rejected_once_is_tried_again_by_the_next_request() {
    let server = server(|number| number != 0).await;
    let provider = |_| async { Ok::<_, std::io::Error>("a-token".to_owned()) };
    let client = server.builder().token_provider(provider).build().unwrap();
    let error = client.list_backups().send().await.unwrap_err();
    assert!(matches!(error, Error::Token { .. }), "{error:?}");
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("the rejected token again"));
    assert_eq!(server.requests().len(), 1, "it is not sent twice");
    client.list_backups().send().await.unwrap();
}
