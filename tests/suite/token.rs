//! Tokens that expire: requested once, renewed once, by any number of requests.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use futures::StreamExt;
use futures::future::join_all;
use tokio::time::{Instant, sleep, timeout};
use tracing::{Instrument, Span};
use tracing_subscriber::util::SubscriberInitExt;
use vbs_client::secrecy::{ExposeSecret, SecretString};
use vbs_client::{Client, Error, Token, TokenProvider, token_fn};

use crate::support::process::{in_own_process, runtime};
use crate::support::server::Server;
use crate::support::{ids, page};

const REJECTED: &str =
    r#"{"error":{"code":401,"title":"Unauthorized","message":"The request you have made requires authentication."}}"#;

/// A provider of secret-token-1, secret-token-2 and so on, and the arguments of its calls.
#[derive(Clone, Default)]
struct Numbered(Arc<Mutex<Vec<Option<String>>>>);

impl Numbered {
    fn calls(&self) -> Vec<Option<String>> {
        self.0.lock().unwrap().clone()
    }
}

impl TokenProvider for Numbered {
    async fn token(&self, rejected: Option<Token>) -> Result<Token, Box<dyn std::error::Error + Send + Sync>> {
        let number = {
            let mut calls = self.0.lock().unwrap();
            calls.push(rejected.as_ref().map(text));
            calls.len()
        };
        // Other requests get a chance to call it, too.
        tokio::task::yield_now().await;
        Ok(format!("secret-token-{number}").into())
    }
}

/// A provider that makes its tokens by the number of the call, from 1, and its argument; and the number of calls.
fn numbered<R, T, E>(
    provide: impl Fn(usize, Option<Token>) -> R + Send + Sync + 'static,
) -> (impl TokenProvider + 'static, Arc<AtomicUsize>)
where
    R: Future<Output = Result<T, E>> + Send + 'static,
    T: Into<Token> + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    (token_fn(move |rejected| provide(counted.fetch_add(1, Ordering::Relaxed) + 1, rejected)), calls)
}

/// A token with this life.
fn expiring(secret: impl Into<Token>, life: Duration) -> Token {
    let mut token = secret.into();
    token.expires_at = Some(SystemTime::now() + life);
    token
}

fn text(token: &Token) -> String {
    token.secret.expose_secret().to_owned()
}

/// A service that accepts these tokens only.
async fn accepting(good: &'static [&'static str]) -> Server {
    Server::start(move |request, _| match good.contains(&request.headers["x-auth-token"].as_str()) {
        true => request.page(&page(&["a"], None)),
        false => request.reply(401, REJECTED),
    })
    .await
}

fn client(server: &Server, provider: impl TokenProvider + 'static) -> Client {
    server.builder().token_provider(provider).build().unwrap()
}

fn some(token: &str) -> Option<String> {
    Some(token.to_owned())
}

#[tokio::test]
async fn a_token_is_requested_once_and_cached() {
    let server = accepting(&["secret-token-1"]).await;
    let provider = Numbered::default();
    let client = client(&server, provider.clone());
    assert!(provider.calls().is_empty(), "not before there is a request");
    for _ in 0..3 {
        client.list_backups().send().await.unwrap();
    }
    client.clone().list_backups().count().await.unwrap_err();
    assert_eq!(provider.calls(), [None]);
}

#[tokio::test]
async fn a_rejected_token_is_renewed_and_the_request_repeated_once() {
    let server = accepting(&["secret-token-2"]).await;
    let provider = Numbered::default();
    let client = client(&server, provider.clone());
    assert_eq!(client.list_backups().limit(5).send().await.unwrap().backups.len(), 1);
    assert_eq!(provider.calls(), [None, some("secret-token-1")]);
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].query, requests[1].query);

    client.list_backups().send().await.unwrap();
    assert_eq!(provider.calls().len(), 2, "the new one is kept");
}

#[tokio::test]
async fn a_second_rejection_is_an_error() {
    let server = accepting(&[]).await;
    let provider = Numbered::default();
    let error = client(&server, provider.clone()).list_backups().send().await.unwrap_err();
    assert!(error.is_unauthorized(), "{error:?}");
    assert_eq!((server.requests().len(), provider.calls().len()), (2, 2));
    assert!(!format!("{error} {error:?}").contains("secret-token"));
}

#[tokio::test]
async fn a_fixed_token_is_not_sent_twice() {
    let server = accepting(&[]).await;
    let error = server.client().list_backups().send().await.unwrap_err();
    assert!(error.is_unauthorized());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn concurrent_requests_share_one_renewal() {
    let server = accepting(&["secret-token-2"]).await;
    let provider = Numbered::default();
    let client = client(&server, provider.clone());
    let results = join_all((0..20).map(|_| client.list_backups().send())).await;
    assert!(results.iter().all(|result| result.is_ok()), "{results:?}");
    assert_eq!(provider.calls(), [None, some("secret-token-1")]);
}

#[tokio::test]
async fn pagination_outlives_its_tokens() {
    // Every second request finds its token expired.
    let server = Server::start(|request, number| match number % 2 {
        0 => request.reply(401, REJECTED),
        _ if number < 9 => request.page(&page(&[&number.to_string()], Some(&format!("marker={number}")))),
        _ => request.page(&page(&["9"], None)),
    })
    .await;
    let provider = Numbered::default();
    let rows: Vec<_> = client(&server, provider.clone()).list_backups().items().try_collect().await.unwrap();
    assert_eq!(ids(&rows), ["1", "3", "5", "7", "9"]);
    assert_eq!(provider.calls().len(), 6);
}

#[tokio::test]
async fn a_closure_is_a_provider() {
    let server = accepting(&["secret-token-2"]).await;
    let (provider, calls) = numbered(|number, rejected| async move {
        assert_eq!(rejected.is_some(), number == 2);
        Ok::<_, std::io::Error>(format!("secret-token-{number}"))
    });
    client(&server, provider).list_backups().send().await.unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_provider_can_be_boxed_and_shared() {
    let server = accepting(&["secret-token-1", "secret-token-2"]).await;
    let shared = Arc::new(Numbered::default());
    client(&server, Arc::clone(&shared)).list_backups().send().await.unwrap();
    client(&server, Box::new(Arc::clone(&shared))).list_backups().send().await.unwrap();
    assert_eq!(shared.calls(), [None, None]);
}

#[tokio::test]
async fn a_token_is_any_string_or_secret() {
    let server = accepting(&["secret-token"]).await;
    let string = "secret-token".to_owned();
    for token in [
        Token::from("secret-token"),
        Token::from(&string),
        Token::from(string.clone()),
        Token::from(string.clone().into_boxed_str()),
        Token::from(std::borrow::Cow::from("secret-token")),
        Token::from(SecretString::from("secret-token")),
        Token::from(&SecretString::from("secret-token")),
    ] {
        assert!(!format!("{token:?} {token:#?}").contains("secret-token"));
        let provider = token_fn({
            let token = token.clone();
            move |_| {
                let secret = token.secret.clone();
                async { Ok::<_, std::io::Error>(secret) }
            }
        });
        assert!(!format!("{provider:?}").contains("secret-token"));
        client(&server, provider).list_backups().send().await.unwrap();
        server.builder().token(token).build().unwrap().list_backups().send().await.unwrap();
    }
}

#[tokio::test]
async fn a_failing_provider_is_an_error() {
    let server = accepting(&[]).await;
    let (provider, calls) = numbered(|_, _| async {
        tokio::task::yield_now().await;
        Err::<String, _>(std::io::Error::other("the vault is sealed"))
    });
    let client = client(&server, provider);
    let results = join_all((0..20).map(|_| client.list_backups().send())).await;
    for result in results {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Token { .. }), "{error:?}");
        assert_eq!(error.to_string(), "could not obtain a token: the vault is sealed");
        assert_eq!(error.source().unwrap().to_string(), "the vault is sealed");
        assert!(!error.is_retryable());
    }
    assert_eq!(calls.load(Ordering::Relaxed), 1, "one failure for all who were waiting");
    assert!(server.requests().is_empty());

    client.list_backups().send().await.unwrap_err();
    assert_eq!(calls.load(Ordering::Relaxed), 2, "and a new try for who comes later");
}

#[tokio::test]
async fn a_failing_renewal_is_an_error_for_all_waiting_requests() {
    let server = accepting(&[]).await;
    let (provider, calls) =
        numbered(|_, rejected| async { rejected.map_or(Ok("secret-token-1"), |_| Err("no more tokens")) });
    let client = client(&server, provider);
    let results = join_all((0..20).map(|_| client.list_backups().send())).await;
    assert!(results.iter().all(|result| matches!(result, Err(Error::Token { .. }))), "{results:?}");
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn an_invalid_token_is_neither_sent_nor_shown() {
    let server = accepting(&[]).await;
    for bad in ["", "secret ", "secret\n", "secret\r\nX-Evil: 1", "secret\0"] {
        let client = client(&server, token_fn(move |_| async move { Ok::<_, std::io::Error>(bad) }));
        let error = client.list_backups().send().await.unwrap_err();
        assert!(matches!(error, Error::Token { .. }), "{error:?}");
        assert!(!format!("{error} {error:?} {:?}", error.source()).contains("secret"), "{error:?}");
    }
    assert!(server.requests().is_empty());
}

/// The first request is dropped while it waits for its token.
#[tokio::test]
async fn a_cancelled_login_blocks_no_other_request() {
    let server = accepting(&["secret-token-2"]).await;
    let (provider, calls) = numbered(|number, _| async move {
        if number == 1 {
            std::future::pending::<()>().await;
        }
        Ok::<_, std::io::Error>(format!("secret-token-{number}"))
    });
    let client = client(&server, provider);
    let first = client.list_backups().send();
    tokio::select! {
        biased;
        result = first => panic!("there was no token: {result:?}"),
        () = called(&calls, 1) => {}
    }
    client.list_backups().send().await.unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

/// Waits until a provider has had this number of calls.
async fn called(calls: &AtomicUsize, number: usize) {
    while calls.load(Ordering::Relaxed) < number {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_provided_token_is_kept_out_of_errors_and_debug() {
    let server =
        Server::start(|request, _| request.reply(500, format!("you sent {}", request.headers["x-auth-token"]))).await;
    let client = client(&server, Numbered::default());
    let error = client.list_backups().send().await.unwrap_err();
    assert!(error.to_string().contains(": (withheld: it contains a secret) ("), "{error}");
    assert!(!format!("{error:?} {client:?} {:?}", client.list_backups()).contains("secret-token"));
}

/// A 401 after another fault causes no further renewal.
#[tokio::test]
async fn a_page_has_one_renewal_whatever_its_attempts() {
    let server = Server::start(|request, number| match number % 2 {
        0 => request.reply(401, REJECTED),
        _ => request.reply(503, ""),
    })
    .await;
    let provider = Numbered::default();
    let quick = vbs_client::RetryPolicy::default().max_delay(std::time::Duration::ZERO);
    let client = server.builder().token_provider(provider.clone()).retry(quick).build().unwrap();
    let error = client.list_backups().send().await.unwrap_err();
    assert!(error.is_unauthorized(), "{error:?}");
    assert_eq!((server.requests().len(), provider.calls().len()), (3, 2));
}

/// The provider is still given the rejected token.
#[tokio::test]
async fn a_request_after_a_failed_renewal_tries_again() {
    let server = accepting(&["secret-token-3"]).await;
    let calls: Arc<Mutex<Vec<Option<String>>>> = Arc::default();
    let log = Arc::clone(&calls);
    let client = client(
        &server,
        token_fn(move |rejected| {
            let mut log = log.lock().unwrap();
            log.push(rejected.as_ref().map(text));
            let number = log.len();
            async move { if number == 2 { Err("not now") } else { Ok(format!("secret-token-{number}")) } }
        }),
    );
    assert!(matches!(client.list_backups().send().await, Err(Error::Token { .. })));
    client.list_backups().send().await.unwrap();
    assert_eq!(*calls.lock().unwrap(), [None, some("secret-token-1"), some("secret-token-1")]);
}

const HOUR: Duration = Duration::from_secs(3600);

/// A provider of secret-token-1, secret-token-2 and so on that live for an hour, and the times of its calls.
#[derive(Clone, Default)]
struct Hourly(Arc<Mutex<Vec<Call>>>);

/// The time of the call, and the rejected token.
type Call = (Instant, Option<String>);

impl Hourly {
    fn calls(&self) -> Vec<Call> {
        self.0.lock().unwrap().clone()
    }
}

impl TokenProvider for Hourly {
    async fn token(&self, rejected: Option<Token>) -> Result<Token, Box<dyn std::error::Error + Send + Sync>> {
        let number = {
            let mut calls = self.0.lock().unwrap();
            calls.push((Instant::now(), rejected.as_ref().map(text)));
            calls.len()
        };
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(expiring(format!("secret-token-{number}"), HOUR))
    }
}

/// A service with pages without end, one row each.
async fn endless() -> Server {
    Server::start(|request, number| request.page(&page(&[&number.to_string()], Some(&format!("marker={number}")))))
        .await
}

fn tokens(server: &Server) -> Vec<String> {
    server.requests().iter().map(|request| request.headers["x-auth-token"].clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_ahead_of_its_expiry_during_a_listing() {
    for concurrency in [1, 8] {
        let server = endless().await;
        let provider = Hourly::default();
        let client = client(&server, provider.clone());
        let mut pages = client.list_backups().concurrency(concurrency).prefetch(false).pages();
        pages.try_next().await.unwrap();
        let first = provider.calls()[0].0;
        // No page is requested during the token's life.
        tokio::time::sleep(HOUR + HOUR / 2).await;
        let before = Instant::now();
        pages.try_next().await.unwrap();
        assert!(before.elapsed() < Duration::from_secs(1), "no page waits for a renewal");
        let calls = provider.calls();
        assert_eq!(calls.iter().map(|(_, rejected)| rejected.clone()).collect::<Vec<_>>(), [None, None]);
        // 5 minutes ahead of its expiry, and up to a fifth of that more.
        let ahead = HOUR.saturating_sub(calls[1].0 - first);
        assert!((Duration::from_secs(298)..=Duration::from_secs(361)).contains(&ahead), "{ahead:?}");
        assert_eq!(tokens(&server).last().unwrap(), "secret-token-2");

        drop(pages);
        tokio::time::sleep(5 * HOUR).await;
        assert_eq!(provider.calls().len(), 2, "without a listing there are no renewals");
    }
}

/// A rejected token is passed to one call only.
#[tokio::test(start_paused = true)]
async fn a_provider_is_told_of_a_rejection_once() {
    let server = accepting(&["secret-token-2", "secret-token-3"]).await;
    let provider = Hourly::default();
    let client = client(&server, provider.clone());
    client.list_backups().send().await.unwrap();
    tokio::time::sleep(HOUR - Duration::from_secs(200)).await;
    client.list_backups().send().await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let rejected: Vec<_> = provider.calls().into_iter().map(|(_, rejected)| rejected).collect();
    assert_eq!(rejected, [None, some("secret-token-1"), None]);
}

#[tokio::test(start_paused = true)]
async fn requests_that_find_a_token_due_do_not_wait_for_its_renewal() {
    let server = endless().await;
    let provider = Hourly::default();
    let client = client(&server, provider.clone());
    client.list_backups().send().await.unwrap();
    tokio::time::sleep(HOUR - Duration::from_secs(200)).await;
    assert_eq!(provider.calls().len(), 1);
    let before = Instant::now();
    let results = join_all((0..20).map(|_| client.list_backups().send())).await;
    assert!(results.iter().all(|result| result.is_ok()), "{results:?}");
    assert!(before.elapsed() < Duration::from_secs(1));
    assert_eq!(provider.calls().len(), 2, "one renewal for all");
    tokio::time::sleep(Duration::from_secs(2)).await;
    client.list_backups().send().await.unwrap();
    assert_eq!(tokens(&server).last().unwrap(), "secret-token-2");
    assert!(!tokens(&server)[1..21].contains(&"secret-token-2".to_owned()));
}

/// Otherwise, the span would stay open after its request.
#[test]
fn a_renewal_in_the_background_is_in_no_span_of_a_request() {
    in_own_process(|| runtime(true).block_on(spans_of_renewals()));
}

async fn spans_of_renewals() {
    tracing_subscriber::registry().init();
    let names = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&names);
    let provider = token_fn(move |_| {
        noted.lock().unwrap().push(Span::current().metadata().map(|span| span.name()));
        async { Ok::<_, io::Error>(expiring("secret", HOUR)) }
    });
    let server = endless().await;
    let client = client(&server, provider);
    for _ in 0..2 {
        let request = client.list_backups().send().instrument(tracing::info_span!("caller"));
        request.await.unwrap();
        tokio::time::sleep(HOUR - Duration::from_secs(200)).await;
    }
    assert_eq!(*names.lock().unwrap(), [Some("caller"), None]);
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_not_sent() {
    let server = endless().await;
    let provider = Hourly::default();
    let client = client(&server, provider.clone());
    client.list_backups().send().await.unwrap();
    tokio::time::sleep(2 * HOUR).await;
    let results = join_all((0..20).map(|_| client.list_backups().send())).await;
    assert!(results.iter().all(|result| result.is_ok()), "{results:?}");
    let calls: Vec<_> = provider.calls().into_iter().map(|(_, rejected)| rejected).collect();
    assert_eq!(calls, [None, some("secret-token-1")]);
    assert_eq!(tokens(&server)[1..], vec!["secret-token-2"; 20]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_renewal_ahead_of_expiry_is_tried_again_while_the_token_is_valid() {
    let server = endless().await;
    let calls = Arc::new(Mutex::new(Vec::new()));
    let counted = Arc::clone(&calls);
    let client = client(
        &server,
        token_fn(move |_| {
            let number = {
                let mut calls = counted.lock().unwrap();
                calls.push(Instant::now());
                calls.len()
            };
            async move {
                assert_ne!(number, 3, "the second renewal panics");
                if (2..5).contains(&number) {
                    return Err("not now");
                }
                Ok(expiring(format!("secret-token-{number}"), HOUR))
            }
        }),
    );
    let mut pages = client.list_backups().prefetch(false).pages();
    for minute in 0..70 {
        pages.try_next().await.unwrap_or_else(|error| panic!("minute {minute}: {error}"));
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let calls = calls.lock().unwrap();
    assert_eq!(calls.len(), 5);
    // Each waits for a quarter of the remaining life.
    let delays: Vec<_> = calls[1..].windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(delays.iter().all(|delay| *delay > Duration::from_secs(20)), "{delays:?}");
    assert_eq!(tokens(&server).last().unwrap(), "secret-token-5");
}

/// A provider may have a cache of its own.
#[tokio::test(start_paused = true)]
async fn a_provider_may_return_the_same_token_ahead_of_its_expiry() {
    let server = endless().await;
    let expiry = SystemTime::now() + HOUR;
    let (provider, calls) = numbered(move |_, _| async move {
        let mut token = Token::from("secret-token-1");
        token.expires_at = Some(expiry);
        Ok::<_, std::io::Error>(token)
    });
    let client = client(&server, provider);
    let mut pages = client.list_backups().prefetch(false).pages();
    for _ in 0..50 {
        pages.try_next().await.unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    tokio::time::sleep(2 * HOUR).await;
    pages.try_next().await.unwrap();
    assert!(calls.load(Ordering::Relaxed) < 30, "{calls:?}");
    assert_eq!(tokens(&server).last().unwrap(), "secret-token-1", "this clock has not moved");
}

/// The renewal in flight does not know of the rejection, and may return the same token.
#[tokio::test(start_paused = true)]
async fn a_token_that_is_rejected_during_a_renewal_ahead_of_its_expiry_is_replaced() {
    let server = Server::start(|request, number| match (number, request.headers["x-auth-token"].as_str()) {
        (0, _) | (_, "secret-token-2") => request.page(&page(&["a"], None)),
        _ => request.reply(401, REJECTED),
    })
    .await;
    let calls = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&calls);
    let client = client(
        &server,
        token_fn(move |rejected: Option<Token>| {
            noted.lock().unwrap().push(rejected.as_ref().map(text));
            let token = expiring(if rejected.is_some() { "secret-token-2" } else { "secret-token-1" }, HOUR);
            async {
                sleep(Duration::from_secs(10)).await;
                Ok::<_, std::io::Error>(token)
            }
        }),
    );
    client.list_backups().send().await.unwrap();
    sleep(HOUR - Duration::from_secs(200)).await;
    client.list_backups().send().await.unwrap();
    assert_eq!(*calls.lock().unwrap(), [None, None, some("secret-token-1")]);
    assert_eq!(tokens(&server), ["secret-token-1", "secret-token-1", "secret-token-2"]);
}

/// The rejected token is no longer the current one.
#[tokio::test(start_paused = true)]
async fn a_rejection_that_arrives_after_the_renewal_renews_nothing() {
    let server = Server::start(|request, number| match number {
        0 => request.reply(401, REJECTED),
        1 => request.reply(401, REJECTED).after(Duration::from_secs(5)),
        _ => request.page(&page(&["a"], None)),
    })
    .await;
    let provider = Numbered::default();
    let client = client(&server, provider.clone());
    let results = join_all((0..2).map(|_| client.list_backups().send())).await;
    assert!(results.iter().all(|result| result.is_ok()), "{results:?}");
    assert_eq!(provider.calls(), [None, some("secret-token-1")]);
}

/// This machine's clock may be ahead of the issuer's.
#[tokio::test]
async fn an_expiry_in_the_past_is_ignored() {
    let server = endless().await;
    let (provider, calls) = numbered(|_, _| async {
        let mut token = Token::from("secret-token-1");
        token.expires_at = Some(SystemTime::UNIX_EPOCH);
        Ok::<_, std::io::Error>(token)
    });
    let client = client(&server, provider);
    for _ in 0..3 {
        client.list_backups().send().await.unwrap();
    }
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

/// A lease that is extended keeps its token.
#[tokio::test(start_paused = true)]
async fn a_token_returned_again_with_a_later_expiry_stays_in_use() {
    let server = endless().await;
    let (provider, calls) =
        numbered(|_, _| async { Ok::<_, std::io::Error>(expiring("secret-token-1", Duration::from_secs(6))) });
    let client = client(&server, provider);
    for _ in 0..10 {
        client.list_backups().send().await.unwrap();
        sleep(Duration::from_secs(7)).await;
    }
    assert_eq!(calls.load(Ordering::Relaxed), 10, "once it has expired");
    let mut pages = client.list_backups().prefetch(false).pages();
    for _ in 0..60 {
        pages.try_next().await.unwrap();
        sleep(Duration::from_secs(1)).await;
    }
    // Every 5.28 to 5.4 s, like a different token.
    assert!((11..=23).contains(&calls.load(Ordering::Relaxed)), "{calls:?}");
}

/// Counts itself as long as it exists.
struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Every second call of the provider hangs.
#[tokio::test(start_paused = true)]
async fn a_renewal_that_hangs_is_one_task_and_ends_with_its_token_or_the_client() {
    let server = endless().await;
    let alive = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&alive);
    let (provider, calls) = numbered(move |number, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        let alive = Alive(Arc::clone(&counted));
        async move {
            let _alive = alive;
            if number % 2 == 0 {
                std::future::pending::<()>().await;
            }
            Ok::<_, std::io::Error>(expiring(format!("secret-token-{number}"), Duration::from_secs(6)))
        }
    });
    let client = client(&server, provider);
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    for number in [1, 3] {
        client.list_backups().send().await.unwrap();
        assert_eq!((calls.load(Ordering::Relaxed), alive.load(Ordering::Relaxed)), (number, 0));
        // The renewal is due.
        sleep(Duration::from_millis(5500)).await;
        let before = tasks();
        for _ in 0..50 {
            client.list_backups().send().await.unwrap();
        }
        assert_eq!((calls.load(Ordering::Relaxed), alive.load(Ordering::Relaxed)), (number + 1, 1));
        assert!(tasks() <= before + 2, "{} after {before}", tasks());
        assert_eq!(tokens(&server).last().unwrap(), &format!("secret-token-{number}"));
        if number == 1 {
            sleep(Duration::from_millis(600)).await;
            assert_eq!(alive.load(Ordering::Relaxed), 0, "the token has expired");
        }
    }
    drop(client);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(alive.load(Ordering::Relaxed), 0, "there is no client");
}

/// A provider whose tokens take 100 ms, and the number of calls.
fn slow() -> (impl TokenProvider + 'static, Arc<AtomicUsize>) {
    numbered(|number, _| async move {
        sleep(Duration::from_millis(100)).await;
        Ok::<_, std::io::Error>(format!("secret-token-{number}"))
    })
}

/// The stream that began the first login is not polled while another request waits for it.
#[tokio::test(start_paused = true)]
async fn a_login_progresses_while_the_stream_that_began_it_is_not_polled() {
    for concurrency in [1, 3] {
        let server = accepting(&["secret-token-1"]).await;
        let (provider, calls) = slow();
        let client = client(&server, provider);
        let mut items = client.list_backups().concurrency(concurrency).items();
        tokio::select! {
            biased;
            item = items.next() => panic!("there was no token yet: {item:?}"),
            () = sleep(Duration::from_millis(10)) => {
                let sent = timeout(Duration::from_secs(3600), client.list_backups().send()).await;
                assert_eq!(sent.expect("the login ends").unwrap().backups.len(), 1);
            }
        }
        assert_eq!(items.next().await.unwrap().unwrap().id, "a");
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_request_does_not_cancel_a_login_for_the_others() {
    let server = accepting(&["secret-token-1"]).await;
    let (provider, calls) = slow();
    let client = client(&server, provider);
    let mut first = Box::pin(client.list_backups().send());
    let mut second = Box::pin(client.list_backups().send());
    assert!(futures::poll!(&mut first).is_pending());
    assert!(futures::poll!(&mut second).is_pending());
    sleep(Duration::from_millis(10)).await;
    drop(first);
    timeout(Duration::from_secs(3600), second).await.expect("the login ends").unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 1, "a refresh token can be used once");
}

/// The end of a login wakes all tasks that wait for it, on any thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_tasks_share_one_login_and_its_failure() {
    let server = accepting(&["secret-token-1"]).await;
    let (provider, calls) = slow();
    let client = client(&server, provider);
    let tasks = (0..50).map(|_| tokio::spawn(client.list_backups().send()));
    assert!(join_all(tasks).await.into_iter().all(|result| result.unwrap().is_ok()));
    assert_eq!(calls.load(Ordering::Relaxed), 1);

    let (provider, calls) = numbered(|_, _| async {
        sleep(Duration::from_millis(500)).await;
        Err::<String, _>("the vault is sealed")
    });
    let client = self::client(&server, provider);
    let tasks = (0..50).map(|_| tokio::spawn(client.list_backups().send()));
    for result in join_all(tasks).await {
        assert!(matches!(result.unwrap(), Err(Error::Token { .. })));
    }
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_panicking_provider_blocks_no_later_request() {
    let server = accepting(&["secret-token-2"]).await;
    let (provider, _) = numbered(|number, _| async move {
        assert!(number > 1, "the first login panics");
        Ok::<_, std::io::Error>(format!("secret-token-{number}"))
    });
    let client = client(&server, provider);
    let error = client.list_backups().send().await.unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "the provider panicked");
    client.list_backups().send().await.unwrap();
}

/// The rejected token is not sent again.
#[tokio::test]
async fn a_provider_that_returns_the_rejected_token_again_is_an_error() {
    let server = Server::start(|request, number| match number {
        0 => request.page(&page(&["a"], Some("marker=a"))),
        _ => request.reply(401, REJECTED),
    })
    .await;
    let client = client(&server, token_fn(|_| async { Ok::<_, std::io::Error>("secret-token".to_owned()) }));
    let mut items = client.list_backups().items();
    assert_eq!(items.try_next().await.unwrap().unwrap().id, "a");
    let error = items.try_next().await.unwrap_err();
    assert!(matches!(error, Error::Token { .. }), "{error:?}");
    let source = error.source().unwrap().to_string();
    let expected = "the provider returned the rejected token again: the service responded 401 Unauthorized: The request \
                    you have made requires authentication. (request id req-1)";
    assert_eq!(source, expected);
    assert!(error.is_unauthorized(), "the methods are those of the response");
    assert_eq!(server.requests().len(), 2, "each page is requested once");
}

/// Accepts the requests that the handler selects by their number, from 0.
async fn accepting_by_number(accepts: impl Fn(usize) -> bool + Send + Sync + 'static) -> Server {
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
    let server = background.block_on(accepting_by_number(|_| true));
    for concurrency in [1, 2] {
        let provider = |_| async {
            sleep(Duration::from_millis(20)).await;
            Ok::<_, std::io::Error>("a-token".to_owned())
        };
        let client = server.builder().token_provider(token_fn(provider)).build().unwrap();
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

/// Some of the service's processes reject a valid token for a while.
#[tokio::test]
async fn a_token_that_was_rejected_once_is_tried_again_by_the_next_request() {
    let server = accepting_by_number(|number| number != 0).await;
    let provider = |_| async { Ok::<_, std::io::Error>("a-token".to_owned()) };
    let client = server.builder().token_provider(token_fn(provider)).build().unwrap();
    let error = client.list_backups().send().await.unwrap_err();
    assert!(matches!(error, Error::Token { .. }), "{error:?}");
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("the rejected token again"));
    assert_eq!(server.requests().len(), 1, "it is not sent twice");
    client.list_backups().send().await.unwrap();
}
