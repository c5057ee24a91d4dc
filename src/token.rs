//! [`TokenProvider`], and the tokens of a client: asked for once, however many requests need one.

use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_core::future::BoxFuture;
use reqwest::header::HeaderValue;
use tokio::sync::Mutex;

use crate::Error;

type BoxError = Box<dyn StdError + Send + Sync>;

/// Where tokens come from.
///
/// The client asks for one before its first request, keeps it, and asks again when the service has
/// rejected it (status 401). Many requests that see the same token rejected ask once.
///
/// A provider should have timeouts of its own: requests wait for it, up to their
/// [`page_deadline`](crate::ClientBuilder::page_deadline) where they have one.
///
/// A closure that gives a future is one, too. A provider that is shared or boxed is called from one:
/// `move |rejected| { let shared = Arc::clone(&shared); async move { shared.token(rejected).await } }`.
///
/// ```
/// # async fn log_in() -> Result<String, std::io::Error> { Ok("token".to_owned()) }
/// use vbs_client::Client;
///
/// let client = Client::builder("https://host")
///     .project_id("p")
///     .token_provider(|_rejected: Option<String>| async { log_in().await })
///     .build()?;
/// # Ok::<(), vbs_client::Error>(())
/// ```
pub trait TokenProvider: Send + Sync {
    /// Gives the current token or, where one was rejected, a new one.
    ///
    /// # Errors
    ///
    /// Whatever went wrong: it is the source of [`Error::Token`].
    fn token(&self, rejected: Option<String>) -> BoxFuture<'_, Result<String, BoxError>>;
}

impl<F, R, E> TokenProvider for F
where
    F: Fn(Option<String>) -> R + Send + Sync,
    R: Future<Output = Result<String, E>> + Send + 'static,
    E: Into<BoxError>,
{
    fn token(&self, rejected: Option<String>) -> BoxFuture<'_, Result<String, BoxError>> {
        let token = self(rejected);
        Box::pin(async { token.await.map_err(Into::into) })
    }
}

/// A token as the header has it, or why no header can have it. Does not show it.
pub(crate) fn header(token: String) -> Result<HeaderValue, &'static str> {
    if token.is_empty() {
        return Err("it is empty");
    }
    // Blanks at its ends would be lost on the way, and then it could not be told from other text.
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("it has characters that no token can have in a header, such as a blank or a line break");
    }
    let mut header = HeaderValue::try_from(token).map_err(|_| "no header can have it")?;
    header.set_sensitive(true);
    Ok(header)
}

/// The tokens of a client.
pub(crate) enum Tokens {
    None,
    Fixed(HeaderValue),
    Provided(Provided),
}

pub(crate) struct Provided {
    provider: Box<dyn TokenProvider>,
    /// How often the provider has answered.
    round: AtomicU64,
    /// Whoever needs another answer holds the lock until it is there.
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    answer: Option<Result<HeaderValue, Arc<dyn StdError + Send + Sync>>>,
    /// The token that was rejected, as long as there is no other.
    rejected: Option<HeaderValue>,
}

/// A token, and the provider's round it is from.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) header: Option<HeaderValue>,
    round: u64,
}

impl Tokens {
    pub(crate) fn provided(provider: impl TokenProvider + 'static) -> Self {
        Self::Provided(Provided { provider: Box::new(provider), round: AtomicU64::new(0), last: Mutex::default() })
    }

    /// The token to begin with.
    pub(crate) async fn current(&self) -> Result<Token, Error> {
        match self {
            Self::None => Ok(Token { header: None, round: 0 }),
            Self::Fixed(header) => Ok(Token { header: Some(header.clone()), round: 0 }),
            Self::Provided(provided) => provided.token(None).await,
        }
    }

    /// The token in the place of a rejected one, if there can be another.
    pub(crate) async fn renewed(&self, rejected: &Token) -> Option<Result<Token, Error>> {
        match self {
            Self::Provided(provided) => Some(provided.token(Some(rejected)).await),
            _ => None,
        }
    }
}

impl Provided {
    /// The last answer where it will do, or else the next one.
    async fn token(&self, rejected: Option<&Token>) -> Result<Token, Error> {
        let before = self.round.load(Ordering::Acquire);
        let mut last = self.last.lock().await;
        let now = self.round.load(Ordering::Acquire);
        let answer = match &last.answer {
            Some(Ok(header)) if rejected.is_none_or(|rejected| now > rejected.round) => Ok(header.clone()),
            // A failure is for all who saw the same token rejected, or were waiting for their first.
            // Their next requests ask again.
            Some(Err(error)) if now > rejected.map_or(before, |rejected| rejected.round) => Err(Arc::clone(error)),
            _ => {
                if let Some(rejected) = rejected {
                    tracing::info!("the token was rejected, asking for a new one");
                    last.rejected.clone_from(&rejected.header);
                }
                let told = last.rejected.as_ref().and_then(|header| header.to_str().ok()).map(str::to_owned);
                let token = self.provider.token(told).await;
                let answer = token.and_then(|token| Ok(header(token)?)).map_err(Arc::from);
                if answer.is_ok() {
                    last.rejected = None;
                }
                self.round.store(now.wrapping_add(1), Ordering::Release);
                last.answer.insert(answer).clone()
            }
        };
        match answer {
            Ok(header) => Ok(Token { header: Some(header), round: self.round.load(Ordering::Acquire) }),
            Err(source) => Err(Error::Token { source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So that the libraries below keep it out of their logs.
    #[test]
    fn a_tokens_header_is_marked_as_a_secret() {
        let header = header("secret".to_owned()).unwrap();
        assert!(header.is_sensitive());
        assert_eq!(format!("{header:?}"), "Sensitive");
    }
}
