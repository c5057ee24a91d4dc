//! [`Token`] and [`TokenProvider`].

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

type BoxError = Box<dyn StdError + Send + Sync>;

/// A token, and when it expires. `Debug` does not show the secret.
///
/// `From` converts strings and secrets.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use vbs_client::Token;
///
/// let mut token = Token::from("secret");
/// token.expires_at = Some(SystemTime::now() + Duration::from_secs(3600));
/// assert!(!format!("{token:?}").contains("\"secret\""));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Token {
    /// The value of `X-Auth-Token`.
    pub secret: SecretString,
    /// When the token expires, by this machine's clock. Default: unknown; then the token is renewed only when the
    /// service rejects it. A time in the past, when the client receives the token, is ignored.
    pub expires_at: Option<SystemTime>,
    /// From receipt to expiry, if the issuer's own clock gave it.
    pub(crate) life: Option<Duration>,
}

impl Token {
    /// The remaining life at the receipt of the token, if it is known.
    pub(crate) fn life(&self) -> Option<Duration> {
        let by_this_clock = || self.expires_at?.duration_since(SystemTime::now()).ok();
        self.life.or_else(by_this_clock).filter(|life| !life.is_zero())
    }

    /// The header's value, which `Debug` does not show; or why a header can't have the token.
    pub(crate) fn to_header(&self) -> Result<HeaderValue, &'static str> {
        let token = self.secret.expose_secret();
        if token.is_empty() {
            return Err("the token is empty");
        }
        // HTTP strips blanks at the ends: the stripped token would not be recognized in a text.
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("the token has characters that no header can have, such as a blank or a line break");
        }
        let mut header = HeaderValue::try_from(token).map_err(|_| "no header can have the token")?;
        header.set_sensitive(true);
        Ok(header)
    }
}

impl From<SecretString> for Token {
    fn from(secret: SecretString) -> Self {
        Self { secret, expires_at: None, life: None }
    }
}

macro_rules! token_from {
    ($($text:ty),*) => {
        $(impl From<$text> for Token {
            fn from(secret: $text) -> Self {
                SecretString::from(secret).into()
            }
        })*
    };
}

token_from!(String, &str, Box<str>);

impl From<&String> for Token {
    fn from(secret: &String) -> Self {
        secret.as_str().into()
    }
}

impl From<Cow<'_, str>> for Token {
    fn from(secret: Cow<'_, str>) -> Self {
        secret.into_owned().into()
    }
}

impl From<&SecretString> for Token {
    fn from(secret: &SecretString) -> Self {
        secret.clone().into()
    }
}

/// Provides tokens, and replaces those that the service rejects.
///
/// The client requests a token before its first request, and keeps it. It requests another one when the service rejects
/// it (status 401), and ahead of its expiry if that is known: by 5 minutes or a tenth of its life, whichever is less.
/// During a listing this happens in the background, so that no page waits for it.
///
/// All waiting requests wait for the same token: the provider runs in a single task, which is cancelled only when all
/// of them are dropped. If it fails or panics, each of them fails. A renewal ahead of expiry that fails is retried as
/// long as the token is valid; one that does not end is cancelled when the token expires, or with the client.
///
/// A provider may return the same token again, such as an extended lease, unless the service has just rejected it: that
/// is an error.
///
/// A provider should have timeouts of its own: requests without a valid token wait for it, up to their
/// [`page_deadline`](crate::ClientBuilder::page_deadline), if any.
///
/// `Arc<T>` and `Box<T>` of a provider are providers, too; [`token_fn`] makes one from a closure.
///
/// # Examples
///
/// ```
/// use std::error::Error;
/// use vbs_client::{Client, Token, TokenProvider};
///
/// struct Vault;
///
/// impl TokenProvider for Vault {
///     async fn token(&self, rejected: Option<Token>) -> Result<Token, Box<dyn Error + Send + Sync>> {
///         Ok("a token from the vault".into())
///     }
/// }
///
/// let client = Client::builder("https://host").project_id("p").token_provider(Vault).build()?;
/// # Ok::<(), vbs_client::Error>(())
/// ```
pub trait TokenProvider: Send + Sync {
    /// Returns a token with as long a life as possible. `rejected` is the token that the service rejected or that has
    /// expired: return another one.
    ///
    /// # Errors
    ///
    /// Any error; it becomes the source of [`Error::Token`](crate::Error::Token), which shows it as it is.
    fn token(
        &self,
        rejected: Option<Token>,
    ) -> impl Future<Output = Result<Token, Box<dyn StdError + Send + Sync>>> + Send;
}

impl<T: TokenProvider + ?Sized> TokenProvider for Arc<T> {
    fn token(&self, rejected: Option<Token>) -> impl Future<Output = Result<Token, BoxError>> + Send {
        (**self).token(rejected)
    }
}

impl<T: TokenProvider + ?Sized> TokenProvider for Box<T> {
    fn token(&self, rejected: Option<Token>) -> impl Future<Output = Result<Token, BoxError>> + Send {
        (**self).token(rejected)
    }
}

/// Makes a [`TokenProvider`] from an async closure that returns a [`Token`], a string or a secret.
///
/// The closure is an `Fn`: use an atomic or a lock for state that it changes.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// let logins = AtomicUsize::new(0);
/// let provider = vbs_client::token_fn(move |_rejected| {
///     let number = logins.fetch_add(1, Ordering::Relaxed) + 1;
///     async move { Ok::<_, std::io::Error>(format!("token-{number}")) }
/// });
/// # let _ = vbs_client::Client::builder("https://host").project_id("p").token_provider(provider).build()?;
/// # Ok::<(), vbs_client::Error>(())
/// ```
///
/// ```
/// # async fn log_in() -> Result<String, std::io::Error> { Ok("token".to_owned()) }
/// use vbs_client::Client;
///
/// let client = Client::builder("https://host")
///     .project_id("p")
///     .token_provider(vbs_client::token_fn(|_rejected| async { log_in().await }))
///     .build()?;
/// # Ok::<(), vbs_client::Error>(())
/// ```
pub fn token_fn<F, R, T, E>(function: F) -> TokenFn<F>
where
    F: Fn(Option<Token>) -> R + Send + Sync,
    R: Future<Output = Result<T, E>> + Send,
    T: Into<Token>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    TokenFn(function)
}

/// A closure as a [`TokenProvider`]: see [`token_fn`].
#[derive(Clone, Copy)]
pub struct TokenFn<F>(F);

impl<F> fmt::Debug for TokenFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenFn").finish_non_exhaustive()
    }
}

impl<F, R, T, E> TokenProvider for TokenFn<F>
where
    F: Fn(Option<Token>) -> R + Send + Sync,
    R: Future<Output = Result<T, E>> + Send,
    T: Into<Token>,
    E: Into<BoxError>,
{
    async fn token(&self, rejected: Option<Token>) -> Result<Token, BoxError> {
        self.0(rejected).await.map(Into::into).map_err(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sensitive, so that the HTTP libraries do not log it.
    #[test]
    fn the_header_of_a_token_is_marked_as_a_secret() {
        let header = Token::from("secret").to_header().unwrap();
        assert!(header.is_sensitive());
        assert_eq!(format!("{header:?}"), "Sensitive");
    }
}
