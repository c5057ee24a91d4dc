//! Tokens that expire: asked for once, renewed once, by however many requests.

mod common;

use std::error::Error as _;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Service, ids, page};
use futures::TryStreamExt;
use futures::future::{BoxFuture, join_all};
use vbs_client::{Client, Error, TokenProvider};

const REJECTED: &str =
    r#"{"error":{"code":401,"title":"Unauthorized","message":"The request you have made requires authentication."}}"#;

/// A provider of token-1, token-2 and so on, and what it was told.
#[derive(Clone, Default)]
struct Numbered(Arc<Mutex<Vec<Option<String>>>>);

impl Numbered {
    fn told(&self) -> Vec<Option<String>> {
        self.0.lock().unwrap().clone()
    }
}

impl TokenProvider for Numbered {
    fn token(
        &self,
        rejected: Option<String>,
    ) -> BoxFuture<'_, Result<String, Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(async {
            let number = {
                let mut told = self.0.lock().unwrap();
                told.push(rejected);
                told.len()
            };
            // Others get a chance to ask, too.
            tokio::task::yield_now().await;
            Ok(format!("secret-token-{number}"))
        })
    }
}

/// A service that takes these tokens only.
async fn taking(good: &'static [&'static str]) -> Service {
    Service::start(move |request, _| match good.contains(&request.headers["x-auth-token"].as_str()) {
        true => request.page(&page(&["a"], None)),
        false => request.answer(401, REJECTED),
    })
    .await
}

fn client(service: &Service, provider: impl TokenProvider + 'static) -> Client {
    service.builder().token_provider(provider).build().unwrap()
}

fn some(token: &str) -> Option<String> {
    Some(token.to_owned())
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_kept() {
    let service = taking(&["secret-token-1"]).await;
    let provider = Numbered::default();
    let client = client(&service, provider.clone());
    assert!(provider.told().is_empty(), "not before there is a request");
    for _ in 0..3 {
        client.list_backups().send().await.unwrap();
    }
    client.clone().list_backups().count().await.unwrap_err();
    assert_eq!(provider.told(), [None]);
}

#[tokio::test]
async fn a_rejected_token_is_renewed_and_the_request_repeated_once() {
    let service = taking(&["secret-token-2"]).await;
    let provider = Numbered::default();
    let client = client(&service, provider.clone());
    assert_eq!(client.list_backups().limit(5).send().await.unwrap().backups.len(), 1);
    assert_eq!(provider.told(), [None, some("secret-token-1")]);
    let seen = service.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].query, seen[1].query);

    client.list_backups().send().await.unwrap();
    assert_eq!(provider.told().len(), 2, "the new one is kept");
}

#[tokio::test]
async fn a_second_rejection_is_the_error() {
    let service = taking(&[]).await;
    let provider = Numbered::default();
    let error = client(&service, provider.clone()).list_backups().send().await.unwrap_err();
    assert!(error.is_unauthorized(), "{error:?}");
    assert_eq!((service.seen().len(), provider.told().len()), (2, 2));
    assert!(!format!("{error} {error:?}").contains("secret-token"));
}

#[tokio::test]
async fn a_token_that_stays_the_same_is_not_sent_twice() {
    let service = taking(&[]).await;
    let error = service.client().list_backups().send().await.unwrap_err();
    assert!(error.is_unauthorized());
    assert_eq!(service.seen().len(), 1);
}

#[tokio::test]
async fn many_requests_cause_one_renewal() {
    let service = taking(&["secret-token-2"]).await;
    let provider = Numbered::default();
    let client = client(&service, provider.clone());
    let answers = join_all((0..20).map(|_| client.list_backups().send())).await;
    assert!(answers.iter().all(|answer| answer.is_ok()), "{answers:?}");
    assert_eq!(provider.told(), [None, some("secret-token-1")]);
}

#[tokio::test]
async fn a_walk_outlives_its_tokens() {
    // Every second request finds its token expired.
    let service = Service::start(|request, number| match number % 2 {
        0 => request.answer(401, REJECTED),
        _ if number < 9 => request.page(&page(&[&number.to_string()], Some(&format!("marker={number}")))),
        _ => request.page(&page(&["9"], None)),
    })
    .await;
    let provider = Numbered::default();
    let rows: Vec<_> = client(&service, provider.clone()).list_backups().items().try_collect().await.unwrap();
    assert_eq!(ids(&rows), ["1", "3", "5", "7", "9"]);
    assert_eq!(provider.told().len(), 6);
}

#[tokio::test]
async fn a_closure_is_a_provider() {
    let service = taking(&["secret-token-2"]).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let client = client(&service, move |rejected: Option<String>| {
        let number = counted.fetch_add(1, Ordering::Relaxed) + 1;
        async move {
            assert_eq!(rejected.is_some(), number == 2);
            Ok::<_, std::io::Error>(format!("secret-token-{number}"))
        }
    });
    client.list_backups().send().await.unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_provider_can_be_boxed() {
    struct Boxed(Box<dyn TokenProvider>);
    impl TokenProvider for Boxed {
        fn token(
            &self,
            rejected: Option<String>,
        ) -> BoxFuture<'_, Result<String, Box<dyn std::error::Error + Send + Sync>>> {
            self.0.token(rejected)
        }
    }
    let service = taking(&["secret-token-1"]).await;
    client(&service, Boxed(Box::new(Numbered::default()))).list_backups().send().await.unwrap();
}

#[tokio::test]
async fn a_provider_that_fails_is_the_error() {
    let service = taking(&[]).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let client = client(&service, move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        async {
            tokio::task::yield_now().await;
            Err::<String, _>(std::io::Error::other("the vault is sealed"))
        }
    });
    let answers = join_all((0..20).map(|_| client.list_backups().send())).await;
    for answer in answers {
        let error = answer.unwrap_err();
        assert!(matches!(error, Error::Token { .. }), "{error:?}");
        assert_eq!(error.to_string(), "there is no token");
        assert_eq!(error.source().unwrap().to_string(), "the vault is sealed");
        assert!(!error.is_retryable());
    }
    assert_eq!(calls.load(Ordering::Relaxed), 1, "one failure for all who were waiting");
    assert!(service.seen().is_empty());

    client.list_backups().send().await.unwrap_err();
    assert_eq!(calls.load(Ordering::Relaxed), 2, "and a new try for who comes later");
}

#[tokio::test]
async fn a_renewal_that_fails_is_the_error_for_all() {
    let service = taking(&[]).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let client = client(&service, move |rejected: Option<String>| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move { rejected.map_or(Ok("secret-token-1".to_owned()), |_| Err("no more tokens")) }
    });
    let answers = join_all((0..20).map(|_| client.list_backups().send())).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(Error::Token { .. }))), "{answers:?}");
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_token_that_no_header_can_carry_is_not_sent_and_not_shown() {
    let service = taking(&[]).await;
    for bad in ["", "secret ", "secret\n", "secret\r\nX-Evil: 1", "secret\0"] {
        let client = client(&service, move |_| async move { Ok::<_, std::io::Error>(bad.to_owned()) });
        let error = client.list_backups().send().await.unwrap_err();
        assert!(matches!(error, Error::Token { .. }), "{error:?}");
        assert!(!format!("{error} {error:?} {:?}", error.source()).contains("secret"), "{error:?}");
    }
    assert!(service.seen().is_empty());
}

/// A request that is given up while it waits for a token leaves the next one free to ask.
#[tokio::test]
async fn a_renewal_that_is_dropped_blocks_nobody() {
    let service = taking(&["secret-token-2"]).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let client = client(&service, move |_| {
        let number = counted.fetch_add(1, Ordering::Relaxed) + 1;
        async move {
            if number == 1 {
                std::future::pending::<()>().await;
            }
            Ok::<_, std::io::Error>(format!("secret-token-{number}"))
        }
    });
    let mut first = Box::pin(client.list_backups().send());
    assert!(futures::poll!(&mut first).is_pending());
    drop(first);
    client.list_backups().send().await.unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_provided_token_is_kept_out_of_errors_and_debug() {
    let service =
        Service::start(|request, _| request.answer(500, format!("you sent {}", request.headers["x-auth-token"]))).await;
    let client = client(&service, Numbered::default());
    let error = client.list_backups().send().await.unwrap_err();
    assert!(error.to_string().contains("you sent [token]"), "{error}");
    assert!(!format!("{error:?} {client:?} {:?}", client.list_backups()).contains("secret-token"));
}

/// A 401 between other faults does not begin a new round of tokens.
#[tokio::test]
async fn a_page_has_one_renewal_whatever_its_attempts() {
    let service = Service::start(|request, number| match number % 2 {
        0 => request.answer(401, REJECTED),
        _ => request.answer(503, ""),
    })
    .await;
    let provider = Numbered::default();
    let quick = vbs_client::RetryPolicy { max_delay: std::time::Duration::ZERO, ..Default::default() };
    let client = service.builder().token_provider(provider.clone()).retry(quick).build().unwrap();
    let error = client.list_backups().send().await.unwrap_err();
    assert!(error.is_unauthorized(), "{error:?}");
    assert_eq!((service.seen().len(), provider.told().len()), (3, 2));
}

/// The provider still hears of what was rejected.
#[tokio::test]
async fn who_comes_after_a_failed_renewal_asks_again() {
    let service = taking(&["secret-token-3"]).await;
    let told: Arc<Mutex<Vec<Option<String>>>> = Arc::default();
    let log = Arc::clone(&told);
    let client = client(&service, move |rejected: Option<String>| {
        let mut log = log.lock().unwrap();
        log.push(rejected);
        let number = log.len();
        async move { if number == 2 { Err("not now") } else { Ok(format!("secret-token-{number}")) } }
    });
    assert!(matches!(client.list_backups().send().await, Err(Error::Token { .. })));
    client.list_backups().send().await.unwrap();
    assert_eq!(*told.lock().unwrap(), [None, some("secret-token-1"), some("secret-token-1")]);
}
