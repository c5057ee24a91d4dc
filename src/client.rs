//! [`Client`] and its builder.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::microversion::Microversion;
use crate::token::{self, TokenProvider, Tokens};
use crate::{Error, ListBackups, RetryPolicy, endpoint};

/// A connection to the backups of one project.
///
/// It is cheap to clone: clones share connections.
///
/// # Examples
///
/// ```no_run
/// # async fn example(token: String) -> Result<(), vbs_client::Error> {
/// let client = vbs_client::Client::builder("https://vbs.eu-de.otc.t-systems.com")
///     .project_id("b23b579f08c84228b9b4673c46f0c442")
///     .token(token)
///     .build()?;
/// let page = client.list_backups().limit(10).send().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    /// Up to where the contract's path begins, without a slash at the end.
    pub(crate) endpoint: String,
    pub(crate) project_id: String,
    pub(crate) tokens: Tokens,
    /// The lowest that every request asks for.
    pub(crate) microversion: Option<Microversion>,
    pub(crate) trust_microversion: bool,
    pub(crate) retry: RetryPolicy,
    pub(crate) page_deadline: Option<Duration>,
    pub(crate) body_limit: usize,
    pub(crate) http: reqwest::Client,
}

impl Client {
    /// Begins a client for a service's endpoint.
    ///
    /// The endpoint is an http or https address: a host (`https://host`), the service's place on it
    /// (`https://host/volume`), either of them with the version (`https://host/volume/v3`), or what
    /// a catalog has (`https://host/volume/v3/{project_id}`).
    pub fn builder(endpoint: impl Into<String>) -> ClientBuilder {
        ClientBuilder {
            endpoint: endpoint.into(),
            project_id: None,
            tokens: Ok(Tokens::None),
            microversion: None,
            trust_microversion: false,
            retry: RetryPolicy::default(),
            page_deadline: None,
            body_limit: 64 * 1024 * 1024,
            http: reqwest::Client::builder()
                .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(Duration::from_secs(10))
                .timeout(Duration::from_secs(60)),
        }
    }

    /// A request for the project's backups, to be narrowed down and sent.
    pub fn list_backups(&self) -> ListBackups {
        ListBackups::new(self.clone())
    }
}

/// Does not show the token.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &self.0.endpoint)
            .field("project_id", &self.0.project_id)
            .field("microversion", &self.0.microversion)
            .field("trust_microversion", &self.0.trust_microversion)
            .finish_non_exhaustive()
    }
}

/// Settings of a [`Client`].
#[must_use]
pub struct ClientBuilder {
    endpoint: String,
    project_id: Option<String>,
    tokens: Result<Tokens, &'static str>,
    microversion: Option<Microversion>,
    trust_microversion: bool,
    retry: RetryPolicy,
    page_deadline: Option<Duration>,
    body_limit: usize,
    http: reqwest::ClientBuilder,
}

impl ClientBuilder {
    /// The id of the project whose backups are listed: letters, digits, `-` and `_`.
    ///
    /// Not needed where the endpoint has it already.
    pub fn project_id(mut self, project_id: impl Into<String>) -> Self {
        self.project_id = Some(project_id.into());
        self
    }

    /// The token, scoped to the project, that goes out as `X-Auth-Token` and to the endpoint only.
    ///
    /// A client may do without, where something else authenticates its requests; a service answers
    /// those without a token with 401.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.tokens = token::header(token.into()).map(Tokens::Fixed);
        self
    }

    /// Where tokens come from, in the place of a [`token`](Self::token) that stays the same: asked
    /// before the first request, and once more where the service has rejected a token.
    pub fn token_provider(mut self, provider: impl TokenProvider + 'static) -> Self {
        self.tokens = Ok(Tokens::provided(provider));
        self
    }

    /// How long one attempt may take, from connecting to the end of its answer. 60 seconds unless
    /// set.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.http = self.http.timeout(timeout);
        self
    }

    /// How long connecting may take. 10 seconds unless set.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.http = self.http.connect_timeout(timeout);
        self
    }

    /// How a page is asked for again after a transient fault: up to 4 attempts unless set.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// How long a page may take in all: its attempts, the waits between them, and new tokens. In a
    /// walk, that is from when the stream waits for it. No limit unless set, beyond those of the
    /// attempts.
    pub fn page_deadline(mut self, deadline: Duration) -> Self {
        self.page_deadline = Some(deadline);
        self
    }

    /// How large the body of an answer may be, in bytes and once it is unpacked. 64 MiB unless set;
    /// a page of 1,000 backups has about a third of a MiB.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Has every request ask for this microversion at least, where it would ask for a lower one or
    /// none.
    pub fn microversion(mut self, microversion: Microversion) -> Self {
        self.microversion = Some(microversion);
        self
    }

    /// Takes an answer without the microversion header for one in the microversion asked for. Off
    /// unless set.
    ///
    /// This is for services behind a gateway that strips the header. What is risked: a service
    /// that is too old, or that never saw the request's header, ignores a filter such as
    /// [`name_like`](ListBackups::name_like) without a word and answers with **every** backup, and
    /// nothing tells that list from the right one. An answer that names a lower microversion stays
    /// an error.
    pub fn trust_microversion(mut self, trust: bool) -> Self {
        self.trust_microversion = trust;
        self
    }

    /// Sets what reqwest can do: proxies, root certificates, the user agent.
    ///
    /// Redirects are never followed, whatever is set here: reqwest would carry the token along to
    /// any host. Nor are connections verbose: that would write the token to the log.
    pub fn http(mut self, settings: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder) -> Self {
        self.http = settings(self.http);
        self
    }

    /// Makes the client. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidConfig`] where the endpoint is not of a form that [`Client::builder`]
    /// describes, the project id is missing, malformed or another than the endpoint's, or the token
    /// is empty or has characters that no header can carry; [`Error::Transport`] where reqwest
    /// can't be set up.
    pub fn build(self) -> Result<Client, Error> {
        let (endpoint, in_endpoint) = endpoint::parse(&self.endpoint)?;
        let project_id = match (self.project_id, in_endpoint) {
            (Some(given), Some(in_endpoint)) if given != in_endpoint => {
                return Err(invalid("project_id", format!("it is {given:?}, but the endpoint has {in_endpoint:?}")));
            }
            (Some(project_id), _) | (None, Some(project_id)) => project_id,
            (None, None) => {
                return Err(invalid("project_id", "it is missing, and the endpoint has none"));
            }
        };
        if project_id.is_empty() {
            return Err(invalid("project_id", "it is empty"));
        }
        if !project_id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            return Err(invalid(
                "project_id",
                format!("{project_id:?} has other characters than letters, digits, - and _"),
            ));
        }
        let http = self.http.redirect(reqwest::redirect::Policy::none()).connection_verbose(false).build();
        Ok(Client(Arc::new(Inner {
            endpoint,
            project_id,
            tokens: self.tokens.map_err(|reason| invalid("token", reason))?,
            microversion: self.microversion,
            trust_microversion: self.trust_microversion,
            retry: self.retry,
            page_deadline: self.page_deadline,
            body_limit: self.body_limit,
            http: http.map_err(|source| Error::Transport { request_id: None, attempts: 0, source })?,
        })))
    }
}

/// Does not show the token.
impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("endpoint", &self.endpoint)
            .field("project_id", &self.project_id)
            .field("microversion", &self.microversion)
            .field("trust_microversion", &self.trust_microversion)
            .finish_non_exhaustive()
    }
}

fn invalid(setting: &'static str, reason: impl Into<String>) -> Error {
    Error::InvalidConfig { setting, reason: reason.into() }
}
