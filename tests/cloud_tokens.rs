//! Tokens of the real Keystone that expire within seconds:
//! `CLOUD_TOKEN_SECONDS=10 CLOUD_TOKEN_CACHE_SECONDS=-1 tests/cloud/cloud.sh run cargo test --test cloud_tokens -- --ignored`.

#[path = "support/http.rs"]
mod http;
#[path = "support/openapi.rs"]
mod openapi;
#[path = "support/cloud.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use support::{Cloud, token, var};
use vbs_client::Client;

/// Until every token that there is now has expired.
async fn expiry() {
    let lifetime: u64 = var("CLOUD_TOKEN_SECONDS").parse().unwrap();
    assert!(lifetime < 30, "CLOUD_TOKEN_SECONDS has to be a few seconds for this");
    // Keystone's clock goes by whole seconds.
    tokio::time::sleep(Duration::from_secs(lifetime + 2)).await;
}

fn client(cloud: &Cloud) -> (Client, Arc<AtomicUsize>) {
    let rejected = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&rejected);
    let provider = move |old: Option<String>| {
        count.fetch_add(usize::from(old.is_some()), Ordering::Relaxed);
        async { Ok::<_, std::convert::Infallible>(token("demo", "demo").await) }
    };
    (cloud.builder().token_provider(provider).build().unwrap(), rejected)
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn pagination_outlives_its_tokens() {
    let cloud = Cloud::plain().await;
    let (client, rejected) = client(&cloud);
    let mut pages = client.list_backups().limit(1000).prefetch(false).pages();
    let mut rows = 0;
    for renewals in 0..2 {
        rows += pages.try_next().await.unwrap().unwrap().backups.len();
        assert_eq!(rejected.load(Ordering::Relaxed), renewals);
        expiry().await;
    }
    rows += pages.try_next().await.unwrap().unwrap().backups.len();
    assert!(pages.try_next().await.unwrap().is_none());
    assert_eq!((rows, rejected.load(Ordering::Relaxed)), (2500, 2));
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn concurrent_requests_with_an_expired_token_share_one_renewal() {
    let cloud = Cloud::plain().await;
    let (client, rejected) = client(&cloud);
    client.list_backups().count().await.unwrap();
    expiry().await;
    let counts = join_all((0..4).map(|_| client.list_backups().count())).await;
    assert!(counts.iter().all(|count| matches!(count, Ok(2500))), "{counts:?}");
    assert_eq!(rejected.load(Ordering::Relaxed), 1);
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn a_token_without_a_provider_is_an_error_once_it_has_expired() {
    let cloud = Cloud::plain().await;
    let client = cloud.client().await;
    client.list_backups().count().await.unwrap();
    expiry().await;
    let error = client.list_backups().count().await.unwrap_err();
    assert!(error.is_unauthorized(), "{error:?}");
    assert_eq!(error.fault().unwrap().kind.as_deref(), Some("Unauthorized"));
}
