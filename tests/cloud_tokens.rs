//! Tokens of the real Keystone that expire within seconds:
//! `CLOUD_TOKEN_SECONDS=20 CLOUD_TOKEN_CACHE_SECONDS=-1 tests/cloud/cloud.sh run cargo test --test cloud_tokens -- --ignored`.

#[path = "support/http.rs"]
mod http;
#[path = "support/openapi.rs"]
mod openapi;
#[path = "support/cloud.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::TryStreamExt;
use futures::future::join_all;
use support::{Cloud, Outage, http_client, ready, token, var};
use tokio::sync::{Mutex, MutexGuard};
use vbs_client::keystone::Credentials;
use vbs_client::{Client, Error, RetryPolicy, Token, token_fn};

/// Keystone takes a quarter of a second for each request: with all tests at once, tokens expire in its queue.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Waits until all current tokens have expired. Meanwhile other tests run.
async fn expiry(turn: MutexGuard<'_, ()>) -> MutexGuard<'_, ()> {
    drop(turn);
    sleep_past_expiry().await;
    ALONE.lock().await
}

async fn sleep_past_expiry() {
    let lifetime: u64 = var("CLOUD_TOKEN_SECONDS").parse().unwrap();
    assert!(lifetime < 30, "CLOUD_TOKEN_SECONDS has to be a few seconds for this");
    // Keystone's times are whole seconds.
    tokio::time::sleep(Duration::from_secs(lifetime + 2)).await;
}

fn client(cloud: &Cloud) -> (Client, Arc<AtomicUsize>) {
    let rejected = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&rejected);
    let provider = token_fn(move |old: Option<Token>| {
        count.fetch_add(usize::from(old.is_some()), Ordering::Relaxed);
        async { Ok::<_, std::convert::Infallible>(token("demo", "demo").await) }
    });
    (cloud.builder().token_provider(provider).build().unwrap(), rejected)
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn pagination_outlives_its_tokens() {
    let mut turn = ALONE.lock().await;
    let cloud = Cloud::plain().await;
    let (client, rejected) = client(&cloud);
    let mut pages = client.list_backups().limit(1000).prefetch(false).pages();
    let mut rows = 0;
    for renewals in 0..2 {
        rows += pages.try_next().await.unwrap().unwrap().backups.len();
        assert_eq!(rejected.load(Ordering::Relaxed), renewals);
        turn = expiry(turn).await;
    }
    rows += pages.try_next().await.unwrap().unwrap().backups.len();
    assert!(pages.try_next().await.unwrap().is_none());
    assert_eq!((rows, rejected.load(Ordering::Relaxed)), (2500, 2));
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn concurrent_requests_with_an_expired_token_share_one_renewal() {
    let turn = ALONE.lock().await;
    let cloud = Cloud::plain().await;
    let (client, rejected) = client(&cloud);
    client.list_backups().count().await.unwrap();
    let _turn = expiry(turn).await;
    let counts = join_all((0..4).map(|_| client.list_backups().count())).await;
    assert!(counts.iter().all(|count| matches!(count, Ok(2500))), "{counts:?}");
    assert_eq!(rejected.load(Ordering::Relaxed), 1);
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn a_token_without_a_provider_is_an_error_once_it_has_expired() {
    let turn = ALONE.lock().await;
    let cloud = Cloud::plain().await;
    let client = cloud.builder().token(token("demo", "demo").await).build().unwrap();
    client.list_backups().count().await.unwrap();
    let _turn = expiry(turn).await;
    let error = client.list_backups().count().await.unwrap_err();
    assert!(error.is_unauthorized(), "{error:?}");
    assert_eq!(error.fault().unwrap().kind.as_deref(), Some("Unauthorized"));
}

/// Each page takes some seconds, so that the listing takes more than the lives of two tokens.
#[tokio::test]
#[ignore = "needs the cloud"]
async fn a_listing_outlives_its_tokens_by_signing_in_again() {
    let _alone = ALONE.lock().await;
    join_all([1, 8].map(|concurrency| async move {
        let cloud = Cloud::plain().await;
        let client = cloud.client().await;
        let mut pages = client.list_backups().limit(500).concurrency(concurrency).pages();
        let mut rows = 0;
        while let Some(page) = pages.try_next().await.unwrap() {
            rows += page.backups.len();
            tokio::time::sleep(Duration::from_secs(var("CLOUD_TOKEN_SECONDS").parse::<u64>().unwrap() / 3)).await;
        }
        assert_eq!(rows, 2500);
        let mut tokens: Vec<_> = cloud.exchanges().into_iter().map(|(token, _)| token).collect();
        tokens.dedup();
        assert!(tokens.len() >= 2, "concurrency {concurrency}: {}", tokens.len());
    }))
    .await;
}

/// The whole life of a token passes between two pages.
#[tokio::test]
#[ignore = "needs the cloud"]
async fn a_listing_that_rests_for_longer_than_a_token_lives_finds_another_one() {
    let turn = ALONE.lock().await;
    let mut listings = Vec::new();
    for concurrency in [1, 8] {
        let cloud = Cloud::plain().await;
        let client = cloud.client().await;
        let mut pages = client.list_backups().limit(200).concurrency(concurrency).prefetch(false).pages();
        let rows = pages.try_next().await.unwrap().unwrap().backups.len();
        listings.push((cloud, pages, rows));
    }
    let _turn = expiry(turn).await;
    for (cloud, mut pages, mut rows) in listings {
        while let Some(page) = pages.try_next().await.unwrap() {
            rows += page.backups.len();
        }
        assert_eq!(rows, 2500);
        let (tokens, _): (Vec<_>, Vec<_>) = cloud.exchanges().into_iter().unzip();
        assert_ne!(tokens.first(), tokens.last());
    }
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn a_revoked_token_is_replaced_in_the_middle_of_a_listing() {
    let _alone = ALONE.lock().await;
    for concurrency in [1, 8] {
        let cloud = Cloud::plain().await;
        let client = cloud.client().await;
        let mut pages = client.list_backups().limit(200).concurrency(concurrency).prefetch(false).pages();
        let mut rows = pages.try_next().await.unwrap().unwrap().backups.len();
        let (revoked, _) = cloud.exchanges()[0].clone();
        let revocation = http_client().delete(var("OS_AUTH_URL") + "/auth/tokens").header("X-Auth-Token", &revoked);
        assert_eq!(revocation.header("X-Subject-Token", &revoked).send().await.unwrap().status(), 204);
        while let Some(page) = pages.try_next().await.unwrap() {
            rows += page.backups.len();
        }
        assert_eq!(rows, 2500);
        let statuses: Vec<_> = cloud.exchanges().into_iter().map(|(_, status)| status).collect();
        assert!(statuses.contains(&401) && statuses.ends_with(&[200]), "{statuses:?}");
    }
}

/// Stops Keystone, or starts it.
async fn keystone(what: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cloud/cloud.sh");
    let output = tokio::process::Command::new(script).args(["keystone", what]).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Keystone is stopped before the token expires, and started once the listing goes on without a token.
#[tokio::test]
#[ignore = "needs the cloud"]
async fn a_listing_outlives_a_keystone_that_is_stopped_while_the_token_expires() {
    let _alone = ALONE.lock().await;
    let plain = Cloud::plain().await;
    let expected: Vec<_> =
        plain.client().await.list_backups().items().map_ok(|backup| backup.id).try_collect().await.unwrap();
    assert_eq!(expected.len(), 2500);
    let retry = RetryPolicy::default().max_attempts(100).max_delay(Duration::from_millis(500));

    let mut listings = Vec::new();
    for concurrency in [1, 8] {
        let (cloud, outage) = (Cloud::plain().await, Outage::of(0).await);
        let credentials = Credentials::password(&outage.auth_url, "demo", var("OS_PASSWORD"));
        let credentials = ready(credentials).user_domain_name("Default").project_id(var("OS_PROJECT_ID"));
        let credentials = credentials.endpoint(&cloud.endpoint).retry(retry.clone());
        let client = credentials.sign_in().await.unwrap().build().unwrap();
        let mut pages = client.list_backups().limit(200).concurrency(concurrency).prefetch(false).pages();
        let first = pages.try_next().await.unwrap().unwrap();
        listings.push((cloud, outage, pages, first));
    }
    // No token can then be renewed ahead of its expiry.
    keystone("stop").await;
    sleep_past_expiry().await;
    let mut lists = Vec::new();
    for (cloud, outage, mut pages, first) in listings {
        let list = tokio::spawn(async move {
            let mut ids: Vec<_> = first.into_iter().map(|backup| backup.id).collect();
            while let Some(page) = pages.try_next().await.unwrap() {
                ids.extend(page.into_iter().map(|backup| backup.id));
            }
            (ids, cloud)
        });
        lists.push((outage, list));
    }
    let mut ended = Vec::new();
    for (outage, list) in &mut lists {
        tokio::select! {
            () = outage.refused(1) => {}
            result = list => ended.push(result.map(|(ids, _)| ids.len())),
        }
    }
    keystone("start").await;
    assert!(ended.is_empty(), "without Keystone: {ended:?}");
    for (_, list) in lists {
        let (ids, cloud) = list.await.unwrap();
        assert_eq!(ids, expected);
        let (tokens, _): (Vec<_>, Vec<_>) = cloud.exchanges().into_iter().unzip();
        assert_ne!(tokens.first(), tokens.last());
    }
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn a_token_from_a_token_is_not_renewed_and_the_error_states_why() {
    let turn = ALONE.lock().await;
    let cloud = Cloud::plain().await;
    let credentials = Credentials::token(var("OS_AUTH_URL"), token("demo", "demo").await);
    let credentials = ready(credentials).project_id(var("OS_PROJECT_ID")).endpoint(&cloud.endpoint);
    let client = credentials.sign_in().await.unwrap().build().unwrap();
    client.list_backups().count().await.unwrap();
    let _turn = expiry(turn).await;
    let error = client.list_backups().count().await.unwrap_err();
    assert!(matches!(error, Error::Token { .. }), "{error:?}");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("another token can't renew it"), "{source}");
}
