//! [`Client`] and its builder.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::Error;
use crate::query::Microversion;
use crate::token::{Token, TokenProvider};
use crate::transport::secrets::Secrets;
use crate::transport::token_cache::Tokens;
use crate::transport::{RetryPolicy, Settings, Transport, endpoint, http};

/// A client for the backups of one project. It has a method for each operation of the contract.
///
/// It is cheap to clone: clones share connections.
///
/// Use one tokio runtime per client: its connections belong to the runtime that opened them, see
/// [the guide](crate::guide::paging#without-async).
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
#[derive(Clone, Debug)]
pub struct Client(pub(crate) Arc<Transport>);

impl Client {
    /// Starts a builder for a service's endpoint.
    ///
    /// The endpoint is an http or https address: a host (`https://host`), the service's place on it
    /// (`https://host/volume`), either of them with the version (`https://host/volume/v3`), or the form of a catalog
    /// (`https://host/volume/v3/{project_id}`). In an endpoint of another version (`https://host/v2/{project_id}`), the
    /// version becomes `v3`.
    ///
    /// The token goes to this address only. Where it is `http://` and the environment has an `http_proxy`, that
    /// proxy sees the token in clear text: use `https://`, or [`http`](ClientBuilder::http) with `no_proxy`.
    pub fn builder(endpoint: impl Into<String>) -> ClientBuilder {
        ClientBuilder {
            endpoint: endpoint.into(),
            project_id: None,
            token: Ok(()),
            settings: Settings::default(),
            secrets: None,
            timeout: None,
            connect_timeout: None,
            http: http::defaults(),
        }
    }

    /// The address that requests are sent to, without a version or a slash at the end, such as `https://host/volume`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.0.endpoint
    }

    /// The id of the project whose backups are listed.
    #[must_use]
    pub fn project_id(&self) -> &str {
        &self.0.project_id
    }
}

/// The settings of a [`Client`].
#[must_use]
pub struct ClientBuilder {
    endpoint: String,
    project_id: Option<String>,
    token: Result<(), &'static str>,
    settings: Settings,
    secrets: Option<Arc<Secrets>>,
    timeout: Option<Duration>,
    connect_timeout: Option<Duration>,
    http: reqwest::ClientBuilder,
}

impl ClientBuilder {
    /// Sets the id of the project whose backups are listed: letters, digits, `-` and `_`. Default: the
    /// endpoint's, if it has one.
    pub fn project_id(mut self, project_id: impl Into<String>) -> Self {
        self.project_id = Some(project_id.into());
        self
    }

    /// Sets the token, scoped to the project. It is sent as `X-Auth-Token`, to the endpoint only. Default: none, for a
    /// gateway that authenticates the requests; a service responds 401 to requests without a token.
    ///
    /// It is a string, a [`SecretString`](secrecy::SecretString) or a [`Token`]. It is not renewed: use
    /// [`token_provider`](Self::token_provider) for that.
    pub fn token(mut self, token: impl Into<Token>) -> Self {
        self.token = token.into().to_header().map(|header| self.settings.tokens = Tokens::Fixed(Some(header)));
        self
    }

    /// Sets a provider of tokens, in place of a fixed [`token`](Self::token): it is called before the first request,
    /// ahead of a token's expiry if that is known, and at most once per page when the service rejects a token.
    /// [`token_fn`](crate::token_fn) makes one from a closure.
    pub fn token_provider(mut self, provider: impl TokenProvider + 'static) -> Self {
        self.settings.tokens = Tokens::provided(provider);
        self.token = Ok(());
        self
    }

    /// Sets the timeout of one attempt, from connecting to the end of the response. Default: 60 s. It takes
    /// precedence over one that is set with [`http`](Self::http).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets the timeout of connecting. Default: 10 s. It takes precedence over one that is set with
    /// [`http`](Self::http).
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// Sets how a page is fetched again after a transient fault. Default: [`RetryPolicy::default`], up to 4
    /// attempts.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.settings.retry = policy;
        self
    }

    /// Sets the deadline of one page: its attempts, the delays between them, and new tokens, from when the caller
    /// awaits the page. Default: none.
    pub fn page_deadline(mut self, deadline: Duration) -> Self {
        self.settings.page_deadline = Some(deadline);
        self
    }

    /// Sets the maximum size of a response's body, in bytes, decompressed. Default: 64 MiB; a page of 1,000
    /// backups has about a third of a MiB.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.settings.body_limit = bytes;
        self
    }

    /// Sets the minimum microversion of every request. Default: none; each request is sent in the lowest one
    /// in which its parameters work.
    pub fn microversion(mut self, microversion: Microversion) -> Self {
        self.settings.microversion = Some(microversion);
        self
    }

    /// Accepts responses that lack the microversion header. Default: false.
    ///
    /// For services behind a gateway that strips the header. The risk: a service that is too old, or that never got the
    /// request's header, ignores a filter such as [`name_like`](crate::ListBackups::name_like) and responds with
    /// **every** backup: the client can't tell that list from the right one. A response that states a lower
    /// microversion is still an error.
    pub fn trust_microversion(mut self, trust: bool) -> Self {
        self.settings.trust_microversion = trust;
        self
    }

    /// Sets options of reqwest, such as proxies, root certificates and the user agent.
    ///
    /// The function gets a builder that has this client's defaults: timeouts, the user agent, and with the feature
    /// `http2` pings, which close a connection that has been silent for 25 s. A new `reqwest::Client::builder()` lacks
    /// those defaults. Timeouts that are set with this builder's own methods always win.
    ///
    /// Whatever is set here, redirects are not followed, because reqwest would send the token along to any host, and
    /// connections are not verbose, because that would log the token. Do not set a token in `default_headers`: this
    /// client does not know it, and can't keep it out of errors.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(pem: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    /// use vbs_client::{Client, reqwest};
    ///
    /// let certificate = reqwest::Certificate::from_pem(pem)?;
    /// let client = Client::builder("https://host")
    ///     .project_id("p")
    ///     .http(|http| http.add_root_certificate(certificate).no_proxy())
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn http(mut self, settings: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder) -> Self {
        self.http = settings(self.http);
        self
    }

    /// Sets the secrets that signed in, so that they are withheld, too.
    #[cfg(feature = "keystone")]
    pub(crate) fn secrets(mut self, secrets: Arc<Secrets>) -> Self {
        self.secrets = Some(secrets);
        self
    }

    /// Builds the client. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidConfig`] where the endpoint has none of the forms that [`Client::builder`] describes, the
    /// project id is missing, malformed or not the endpoint's, or the token is empty or has characters that a header
    /// can't have; [`Error::Transport`] where reqwest can't be set up.
    pub fn build(self) -> Result<Client, Error> {
        let (endpoint, in_endpoint) = endpoint::parse(&self.endpoint)
            .map_err(|reason| Error::invalid_config("endpoint", format!("the endpoint {reason}")))?;
        let project_id = match (self.project_id, in_endpoint) {
            (Some(set), Some(in_endpoint)) if set != in_endpoint => {
                let reason = format!("the project id is {set:?}, but the endpoint has {in_endpoint:?}");
                return Err(Error::invalid_config("project_id", reason));
            }
            (Some(project_id), _) | (None, Some(project_id)) => project_id,
            (None, None) => {
                let reason = "the project id is missing, and the endpoint has none";
                return Err(Error::invalid_config("project_id", reason));
            }
        };
        if project_id.is_empty() || !project_id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            let reason = format!("the project id {project_id:?} is not made of letters, digits, - and _");
            return Err(Error::invalid_config("project_id", reason));
        }
        self.token.map_err(|reason| Error::invalid_config("token", reason))?;
        let http = http::build(self.http, self.timeout, self.connect_timeout)?;
        let secrets = self.secrets.unwrap_or_else(|| Arc::new(Secrets::of_environment(&http)));
        Ok(Client(Arc::new(Transport { endpoint, project_id, settings: self.settings, secrets, http })))
    }
}

/// Does not show the token.
impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("endpoint", &endpoint::shown(&self.endpoint))
            .field("project_id", &self.project_id)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
