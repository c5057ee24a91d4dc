//! [`Credentials`]: who signs in, where, and for what.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::config::{Environment, Source};
use super::settings::{Flag, Setting, Settings};
use crate::Error;
use crate::transport::{RetryPolicy, endpoint};

/// A setting of reqwest's builders.
pub(super) type HttpSettings = Arc<dyn Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send + Sync>;

/// Who signs in, where, and for which project.
///
/// [`sign_in`](Self::sign_in) exchanges them for a token and returns a [`ClientBuilder`](crate::ClientBuilder)
/// that has the endpoint from the service catalog, the project and a provider of tokens. Tokens are renewed with
/// the same credentials.
///
/// Secrets are kept in [`secrecy`] types; `Debug` and errors do not show them. They are sent to the auth URL only:
/// redirects are refused.
///
/// # Where settings come from
///
/// [`from_env`](Self::from_env) and [`from_cloud`](Self::from_cloud) follow the rules of openstacksdk. What is set with
/// the methods of this type wins. [The guide](crate::guide::signing_in#settings) lists all settings and their order.
///
/// `VBS_ENDPOINT` takes the place of the catalog's endpoint in `from_env`. With it, `OS_TOKEN` and `OS_PROJECT_ID`, and
/// without `OS_AUTH_URL`, the identity service is not called. An empty value counts as unset.
///
/// Files are `clouds.yaml`, `clouds.yml` or `clouds.json` in the working directory, in `openstack/` of the user's
/// configuration directory, and in `/etc/openstack`: the first that exists is read. `OS_CLIENT_CONFIG_FILE` names
/// another one. The entries of `secure.yaml`, which is searched for in the same way (`OS_CLIENT_SECURE_FILE`), are
/// merged into it and take precedence. A `profile` is one of `clouds-public.yaml` (`OS_CLIENT_VENDOR_FILE`) or of the
/// public clouds that openstacksdk ships, such as `otc`, the Open Telekom Cloud. A file has to be regular and at most 1
/// MiB. `{region_name}` in an auth URL is replaced by the region.
///
/// An auth URL of `http://` sends the password in plain text, and through the proxy that `http_proxy` in the
/// environment names, unless [`http`](Self::http) sets another one.
///
/// # Examples
///
/// ```no_run
/// # async fn example(secret: String) -> Result<(), vbs_client::Error> {
/// use std::time::Duration;
/// use vbs_client::keystone::Credentials;
///
/// let client = Credentials::password("https://iam.example/v3", "demo", secret)
///     .user_domain_name("Default")
///     .project_name("demo")
///     .project_domain_name("Default")
///     .region("RegionOne")
///     .sign_in()
///     .await?
///     .page_deadline(Duration::from_secs(120))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "credentials do nothing until they sign in"]
pub struct Credentials {
    pub(super) settings: Settings,
    pub(super) source: Source,
    pub(super) http: Vec<HttpSettings>,
    pub(super) timeout: Option<Duration>,
    pub(super) retry: RetryPolicy,
}

impl Credentials {
    pub(super) fn found((settings, source): (Settings, Source)) -> Self {
        Self { settings, source, http: Vec::new(), timeout: None, retry: RetryPolicy::default() }
    }

    fn explicit(auth_url: String, method: &str) -> Self {
        let credentials = Self::found((Settings::default(), Source::Code));
        credentials.with(Setting::AuthUrl, auth_url, None).with(Setting::AuthType, method, None)
    }

    /// Sets the caller's choice, in place of another setting.
    fn with(mut self, setting: Setting, value: impl Into<SecretString>, instead_of: Option<Setting>) -> Self {
        self.settings.code.extend(instead_of.map(|other| (other, SecretString::default())));
        self.settings.code.insert(setting, value.into());
        self
    }

    /// A user's name and password, and the auth URL, with or without its version (`https://iam.example/v3`).
    ///
    /// Set the name's [domain](Self::user_domain_name), unless it is `default`; [`user_id`](Self::user_id) sets an id
    /// instead of the name.
    pub fn password(auth_url: impl Into<String>, user: impl Into<String>, password: impl Into<SecretString>) -> Self {
        Self::explicit(auth_url.into(), "password").user_name(user).with(Setting::Password, password, None)
    }

    /// An application credential's id and secret. It has a project of its own.
    ///
    /// If a [user](Self::user_name) is set, too, `id` is the name of that user's application credential.
    pub fn application_credential(
        auth_url: impl Into<String>,
        id: impl Into<String>,
        secret: impl Into<SecretString>,
    ) -> Self {
        Self::explicit(auth_url.into(), "v3applicationcredential")
            .with(Setting::ApplicationCredentialId, id.into(), None)
            .with(Setting::ApplicationCredentialSecret, secret, None)
    }

    /// Another token, which is exchanged for one that is scoped to the project.
    ///
    /// The new token expires when this one does, and can't be renewed: a listing that takes longer ends with
    /// [`Error::Token`].
    pub fn token(auth_url: impl Into<String>, token: impl Into<SecretString>) -> Self {
        Self::explicit(auth_url.into(), "token").with(Setting::Token, token, None)
    }

    /// The settings of the environment: `OS_CLOUD`, or `OS_*`, or the only cloud in clouds.yaml. See
    /// [above](Self#where-settings-come-from).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidConfig`] where a file is malformed, a cloud or a profile does not exist, or there are no
    /// settings at all. It names what is missing and what exists.
    pub fn from_env() -> Result<Self, Error> {
        Environment::of_this_process().default_cloud().map(Self::found)
    }

    /// The settings of a cloud in clouds.yaml. See [above](Self#where-settings-come-from).
    ///
    /// # Errors
    ///
    /// Those of [`from_env`](Self::from_env).
    pub fn from_cloud(name: impl AsRef<str>) -> Result<Self, Error> {
        Environment::of_this_process().named_cloud(name.as_ref()).map(Self::found)
    }

    /// Sets the user's name.
    pub fn user_name(self, name: impl Into<String>) -> Self {
        self.with(Setting::Username, name.into(), Some(Setting::UserId))
    }

    /// Sets the user's id, which needs no domain.
    pub fn user_id(self, id: impl Into<String>) -> Self {
        self.with(Setting::UserId, id.into(), Some(Setting::Username))
    }

    /// Sets the name of the user's domain.
    pub fn user_domain_name(self, name: impl Into<String>) -> Self {
        self.with(Setting::UserDomainName, name.into(), Some(Setting::UserDomainId))
    }

    /// Sets the id of the user's domain.
    pub fn user_domain_id(self, id: impl Into<String>) -> Self {
        self.with(Setting::UserDomainId, id.into(), Some(Setting::UserDomainName))
    }

    /// Sets the name of the project whose backups are listed. Its [domain](Self::project_domain_name) is the user's,
    /// unless it is set.
    pub fn project_name(self, name: impl Into<String>) -> Self {
        self.with(Setting::ProjectName, name.into(), Some(Setting::ProjectId))
    }

    /// Sets the id of the project whose backups are listed. It needs no domain.
    pub fn project_id(self, id: impl Into<String>) -> Self {
        self.with(Setting::ProjectId, id.into(), Some(Setting::ProjectName))
    }

    /// Sets the name of the project's domain.
    pub fn project_domain_name(self, name: impl Into<String>) -> Self {
        self.with(Setting::ProjectDomainName, name.into(), Some(Setting::ProjectDomainId))
    }

    /// Sets the id of the project's domain.
    pub fn project_domain_id(self, id: impl Into<String>) -> Self {
        self.with(Setting::ProjectDomainId, id.into(), Some(Setting::ProjectDomainName))
    }

    /// Sets the region. Default: the only one in which the catalog has the service.
    pub fn region(self, name: impl Into<String>) -> Self {
        self.with(Setting::RegionName, name.into(), None)
    }

    /// Sets the interface of the catalog's endpoint: `public`, `internal` or `admin`, or their old names such as
    /// `publicURL`. Default: `public`.
    pub fn interface(self, interface: impl Into<String>) -> Self {
        self.with(Setting::Interface, interface.into(), None)
    }

    /// Sets the service's endpoint, in place of the catalog's. It has the forms that
    /// [`Client::builder`](crate::Client::builder) takes.
    pub fn endpoint(self, endpoint: impl Into<String>) -> Self {
        self.with(Setting::Endpoint, endpoint.into(), None)
    }

    /// Sets options of reqwest, such as proxies and root certificates, for the requests that sign in and for the
    /// client, as [`ClientBuilder::http`](crate::ClientBuilder::http) does. The function is called once for each of the
    /// two. Several functions are applied in order.
    pub fn http(
        mut self,
        settings: impl Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send + Sync + 'static,
    ) -> Self {
        self.http.push(Arc::new(settings));
        self
    }

    /// Sets the timeout of one attempt, to sign in or to fetch a page. Default: 60 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets how signing in and fetching pages are retried after transient faults. Default:
    /// [`RetryPolicy::default`].
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }
}

/// Shows no secret.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Credentials");
        for setting in Setting::ALL {
            if let Some(value) = self.settings.text(*setting) {
                let is_address = value.contains("://") || [Setting::AuthUrl, Setting::Endpoint].contains(setting);
                let shown = if is_address { endpoint::shown(value) } else { value };
                debug.field(setting.name(), if setting.is(Flag::Secret) { &"[REDACTED]" } else { &shown });
            }
        }
        debug.field("retry", &self.retry).finish_non_exhaustive()
    }
}
