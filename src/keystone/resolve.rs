//! From [`Credentials`] to a [`Plan`]: what is missing, and what the request to sign in has.

#[cfg(feature = "rustls")]
use std::fmt;
use std::time::Duration;

use secrecy::SecretString;

use super::catalog;
use super::config::{Source, variable};
use super::credentials::{Credentials, HttpSettings};
use super::generated::types::{
    ApplicationCredential, Auth, Identity, Method, PasswordMethod, ProjectScope, Reference, Scope, SignIn, TokenMethod,
    User,
};
use super::secret::Secret;
use super::settings::{ENDPOINT, Settings, boolean};
use crate::Error;
use crate::transport::{RetryPolicy, endpoint};

/// What to do, once all settings are known.
pub(super) struct Plan {
    /// Without one, Keystone is not called.
    pub(super) sign_in: Option<Request>,
    /// The token to use without signing in.
    pub(super) token: Option<SecretString>,
    /// The project that was chosen.
    pub(super) project: Project,
    pub(super) endpoint: Option<String>,
    pub(super) region: Option<String>,
    pub(super) interface: String,
    pub(super) http: Http,
    pub(super) timeout: Option<Duration>,
    pub(super) retry: RetryPolicy,
}

/// How to sign in.
#[derive(Clone)]
pub(super) struct Request {
    /// Up to where the contract's path begins.
    pub(super) auth_url: String,
    pub(super) body: SignIn,
    /// The secret of the body.
    pub(super) secret: SecretString,
    /// Whether it brings a token with a life of its own.
    pub(super) renewable: bool,
}

#[derive(Clone, Default)]
pub(super) struct Project {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
}

/// What is set on reqwest's builders.
#[derive(Clone)]
pub(super) struct Http {
    #[cfg(feature = "rustls")]
    certificates: Option<Vec<reqwest::Certificate>>,
    #[cfg(feature = "rustls")]
    insecure: bool,
    settings: Vec<HttpSettings>,
}

impl Http {
    pub(super) fn apply(&self, builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
        #[cfg(feature = "rustls")]
        let builder = match &self.certificates {
            Some(certificates) => builder.tls_certs_only(certificates.clone()),
            None => builder,
        };
        #[cfg(feature = "rustls")]
        let builder = if self.insecure { builder.tls_danger_accept_invalid_certs(true) } else { builder };
        self.settings.iter().fold(builder, |builder, settings| settings(builder))
    }
}

impl Credentials {
    pub(super) fn resolve(mut self) -> Result<Plan, Error> {
        let region = self.region_name()?;
        if let Some(name) = &region
            && let Some(region) = self.settings.regions.iter().find(|region| region.name == *name)
        {
            // Those of the region are more special than those of the cloud.
            let Settings { top, auth, .. } = region.values.clone();
            let explicit = std::mem::take(&mut self.settings.explicit);
            let special = Settings { explicit, top, auth, regions: Vec::new() };
            self.settings = special.or(std::mem::take(&mut self.settings));
        }
        let tls = self.http_settings()?;
        let text = |names: &[&str]| self.settings.text(names).map(str::to_owned);
        let project = Project { id: text(&["project_id", "tenant_id"]), name: text(&["project_name", "tenant_name"]) };
        let endpoint = text(&[
            ENDPOINT,
            "block_storage_endpoint_override",
            "volumev3_endpoint_override",
            "volume_endpoint_override",
        ]);
        // What is for this service is before what is for all.
        let interface = text(&[
            "block_storage_interface",
            "volumev3_interface",
            "volume_interface",
            "block_storage_endpoint_type",
            "volumev3_endpoint_type",
            "volume_endpoint_type",
            "interface",
            "endpoint_type",
        ]);
        let interface = interface.unwrap_or_else(|| "public".to_owned());
        let service_region =
            text(&["block_storage_region_name", "volumev3_region_name", "volume_region_name", "region_name"]);
        let token = self.settings.first(&["token", "auth_token"]).cloned();
        let has_url = self.settings.text(&["auth_url"]).is_some();
        let sign_in = if !has_url && endpoint.is_some() && token.is_some() {
            None
        } else {
            Some(self.request(region.as_deref(), &project)?)
        };
        Ok(Plan {
            token: token.filter(|_| sign_in.is_none()),
            sign_in,
            project,
            endpoint,
            region: service_region.or(region),
            interface: catalog::interface(&interface).to_owned(),
            http: tls,
            timeout: self.timeout,
            retry: self.retry,
        })
    }

    fn request(&self, region: Option<&str>, project: &Project) -> Result<Request, Error> {
        let auth_url = self.auth_url(region)?;
        let mut scope = self.scope(project)?;
        let mut identity = Identity { methods: Vec::new(), password: None, application_credential: None, token: None };
        let (method, secret) = match self.method()? {
            Method::Password => {
                let secret = self.need_secret("password", &["password"])?;
                let user = User { password: Some(Secret(secret.clone())), ..self.user()? };
                identity.password = Some(PasswordMethod { user });
                (Method::Password, secret)
            }
            Method::Token => {
                let secret = self.need_secret("token", &["token", "auth_token"])?;
                identity.token = Some(TokenMethod { id: Secret(secret.clone()) });
                (Method::Token, secret)
            }
            Method::ApplicationCredential => {
                let name = "application_credential_secret";
                let secret = self.need_secret(name, &[name])?;
                identity.application_credential = Some(self.application_credential_body(secret.clone())?);
                // It has a project of its own, and is refused where the request has one.
                scope = None;
                (Method::ApplicationCredential, secret)
            }
        };
        identity.methods.push(method);
        let renewable = method != Method::Token;
        Ok(Request { auth_url, body: SignIn { auth: Auth { identity, scope } }, secret, renewable })
    }

    fn method(&self) -> Result<Method, Error> {
        let is_set = |names: &[&str]| self.settings.first(names).is_some();
        match self.settings.text(&["auth_type"]) {
            Some("password" | "v3password") => Ok(Method::Password),
            Some("token" | "v3token") => Ok(Method::Token),
            Some("v3applicationcredential" | "application_credential") => Ok(Method::ApplicationCredential),
            Some(other) => Err(invalid(
                "auth_type",
                format!(
                    "{} is {other:?}, where password, token and v3applicationcredential are supported",
                    self.name("auth_type")
                ),
            )),
            None if is_set(&["application_credential_secret"]) => Ok(Method::ApplicationCredential),
            None if is_set(&["token", "auth_token"]) && !is_set(&["password"]) => Ok(Method::Token),
            None => Ok(Method::Password),
        }
    }

    fn user(&self) -> Result<User, Error> {
        let (id, name) = (self.settings.text(&["user_id"]), self.settings.text(&["username"]));
        let mut user = User::default();
        match (id, name) {
            (Some(id), _) => user.id = Some(id.to_owned()),
            (None, Some(name)) => {
                user.name = Some(name.to_owned());
                user.domain = Some(self.domain("user_domain_name", "user_domain_id", "username")?);
            }
            (None, None) => return Err(self.missing("username", "user_id")),
        }
        Ok(user)
    }

    fn application_credential_body(&self, secret: SecretString) -> Result<ApplicationCredential, Error> {
        let text = |name| self.settings.text(&[name]);
        let (id, name) = (text("application_credential_id"), text("application_credential_name"));
        let has_user = text("user_id").or(text("username")).is_some();
        let by_name = match (&self.source, id, name) {
            // The constructor has one argument for both.
            (Source::Code, id, _) => id.filter(|_| has_user),
            (_, None, name) => name,
            _ => None,
        };
        let mut body = ApplicationCredential { id: None, name: None, user: None, secret: Secret(secret) };
        match (by_name, id) {
            (Some(name), _) => {
                body.name = Some(name.to_owned());
                body.user = Some(self.user()?);
            }
            (None, Some(id)) => body.id = Some(id.to_owned()),
            (None, None) => return Err(self.missing("application_credential_id", "application_credential_name")),
        }
        Ok(body)
    }

    fn scope(&self, project: &Project) -> Result<Option<Scope>, Error> {
        let no_project = project.id.is_none() && project.name.is_none();
        let other_scope = |name: &&&str| {
            self.settings.text(&[name]).is_some() && (no_project || ["trust_id", "system_scope"].contains(name))
        };
        if let Some(name) = ["trust_id", "system_scope", "domain_id", "domain_name"].iter().find(other_scope) {
            let reason =
                format!("{} is set: only a project is supported, because a list is a project's", self.name(name));
            return Err(invalid("scope", reason));
        }
        let mut scope = ProjectScope { id: None, name: None, domain: None };
        match (&project.id, &project.name) {
            (Some(id), _) => scope.id = Some(id.clone()),
            (None, Some(name)) if self.method()? != Method::ApplicationCredential => {
                scope.name = Some(name.clone());
                scope.domain = Some(self.domain("project_domain_name", "project_domain_id", "project_name")?);
            }
            _ => return Ok(None),
        }
        Ok(Some(Scope { project: scope }))
    }

    /// The domain that a name is in.
    fn domain(&self, name: &'static str, id: &str, of: &str) -> Result<Reference, Error> {
        let text = |name: &str| self.settings.text(&[name]).map(str::to_owned);
        for (id, name) in [
            (id, name),
            ("domain_id", "domain_name"),
            ("default_domain_id", "default_domain_name"),
            ("default_domain", ""),
        ] {
            match (text(id), text(name)) {
                (Some(id), _) => return Ok(Reference { id: Some(id), name: None }),
                (None, Some(name)) => return Ok(Reference { id: None, name: Some(name) }),
                (None, None) => {}
            }
        }
        let error = self.missing(name, id);
        Err(match error {
            Error::InvalidConfig { setting, reason } => {
                invalid(setting, format!("{} is a name, which needs its domain: {reason}", self.name(of)))
            }
            other => other,
        })
    }

    fn need_secret(&self, name: &'static str, names: &[&str]) -> Result<SecretString, Error> {
        self.settings.first(names).cloned().ok_or_else(|| self.missing(name, ""))
    }

    /// The region that is chosen.
    fn region_name(&self) -> Result<Option<String>, Error> {
        let known: Vec<_> = self.settings.regions.iter().map(|region| region.name.as_str()).collect();
        match (self.settings.text(&["region_name"]), known.as_slice()) {
            (Some(name), _) if name.contains(',') => {
                Err(invalid("region", format!("{} is {name:?}: choose one of these", self.name("region_name"))))
            }
            (Some(name), _) => Ok(Some(name.to_owned())),
            (None, []) => Ok(None),
            (None, [only]) => Ok(Some((*only).to_owned())),
            (None, several) => {
                let reason =
                    format!("{} is not set, and there are several: {}", self.name("region_name"), several.join(", "));
                Err(invalid("region", reason))
            }
        }
    }

    /// Where the identity service is, up to where the contract's path begins.
    fn auth_url(&self, region: Option<&str>) -> Result<String, Error> {
        const REGION: &str = "{region_name}";
        let Some(template) = self.settings.text(&["auth_url"]) else {
            // With an endpoint, a token will do.
            let other = if self.settings.text(&[ENDPOINT]).is_some() { "token" } else { "" };
            return Err(self.missing("auth_url", other));
        };
        let name = self.name("auth_url");
        let url = match region {
            Some(region) => template.replace(REGION, region),
            None if template.contains(REGION) => {
                let reason = format!("{name} has {REGION}, and {} is not set", self.name("region_name"));
                return Err(invalid("region", reason));
            }
            None => template.to_owned(),
        };
        // The version before is on the same host.
        let url = url.trim_end_matches('/');
        let url = url.strip_suffix("/v2.0").unwrap_or(url);
        match endpoint::parse(url) {
            Ok((base, None)) => Ok(base),
            Ok((_, Some(_))) => Err(invalid("auth_url", format!("{name}: its path does not end with the version"))),
            Err(Error::InvalidConfig { reason, .. }) => Err(invalid("auth_url", format!("{name}: {reason}"))),
            Err(other) => Err(other),
        }
    }

    fn http_settings(&self) -> Result<Http, Error> {
        let flag = |name: &'static str| match self.settings.text(&[name]) {
            None => Ok(None),
            Some(text) => boolean(text).map(Some).ok_or_else(|| {
                invalid("insecure", format!("{} is {text:?}, where true or false is needed", self.name(name)))
            }),
        };
        let insecure = if flag("insecure")? == Some(true) {
            Some("insecure")
        } else {
            (flag("verify")? == Some(false)).then_some("verify")
        };
        let cacert = self.settings.text(&["cacert"]).filter(|_| insecure.is_none());
        if cfg!(not(feature = "rustls"))
            && let Some(name) = insecure.or(cacert.map(|_| "cacert"))
        {
            return Err(invalid("http", format!("{} needs a TLS feature, such as rustls", self.name(name))));
        }
        if let Some(name) = insecure {
            tracing::warn!(target: "vbs_client::sign_in", "certificates are not verified: {} says so", self.name(name));
        }
        Ok(Http {
            #[cfg(feature = "rustls")]
            certificates: cacert.map(|path| self.certificates(path)).transpose()?,
            #[cfg(feature = "rustls")]
            insecure: insecure.is_some(),
            settings: self.http.clone(),
        })
    }

    #[cfg(feature = "rustls")]
    fn certificates(&self, path: &str) -> Result<Vec<reqwest::Certificate>, Error> {
        use std::path::PathBuf;

        let name = self.name("cacert");
        let path = match (path.strip_prefix("~/"), std::env::home_dir()) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(path),
        };
        let fault = |error: &dyn fmt::Display| invalid("cacert", format!("{name}: {}: {error}", path.display()));
        let pem = std::fs::read(&path).map_err(|error| fault(&error))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| fault(&error))?;
        if certificates.is_empty() {
            return Err(fault(&"it has no certificates"));
        }
        Ok(certificates)
    }

    /// How a setting is called where it comes from.
    fn name(&self, setting: &str) -> String {
        match &self.source {
            Source::Code => setting.to_owned(),
            Source::Environment => variable(setting),
            Source::File { cloud, path } => format!("{setting} of the cloud {cloud:?} in {}", path.display()),
        }
    }

    /// That a setting is missing, or the other one in its place.
    fn missing(&self, setting: &'static str, other: &str) -> Error {
        let names: Vec<_> = self.settings.names().into_iter().filter(|name| *name != "auth_type").collect();
        let written = |name: &str| match &self.source {
            Source::Environment => variable(name),
            _ => name.to_owned(),
        };
        let set: Vec<_> = names.iter().map(|name| written(name)).collect();
        let other = if other.is_empty() { String::new() } else { format!(" (or {})", written(other)) };
        let set = if set.is_empty() { "nothing is".to_owned() } else { format!("set are {}", set.join(", ")) };
        invalid(setting, format!("{}{other} is not set; {set}", self.name(setting)))
    }
}

fn invalid(setting: &'static str, reason: String) -> Error {
    Error::InvalidConfig { setting, reason }
}
