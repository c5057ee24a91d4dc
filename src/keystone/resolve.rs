//! From [`Credentials`] to a [`Plan`]: what is missing, and what the request to sign in has.

use std::time::Duration;

use secrecy::SecretString;

use super::catalog::{self, Wanted};
use super::config::Source;
use super::credentials::Credentials;
use super::generated::types::{
    ApplicationCredential, Auth, Identity, Method, PasswordMethod, ProjectScope, Reference, Scope, SignIn, TokenMethod,
    User,
};
use super::invalid;
use super::secret::Secret;
use super::settings::{Flag, Origin, Setting, Settings, variable};
use super::tls::Http;
use crate::Error;
use crate::transport::{RetryPolicy, endpoint};

/// Part of an auth URL or an endpoint, in place of the region.
const REGION: &str = "{region_name}";

/// What to do, once all settings are known.
pub(super) struct Plan {
    /// Without one, Keystone is not called.
    pub(super) sign_in: Option<Request>,
    /// The token to use without signing in.
    pub(super) token: Option<SecretString>,
    /// The project that was chosen.
    pub(super) project: Project,
    pub(super) endpoint: Option<String>,
    /// Without an endpoint, what to look for in the catalog.
    pub(super) wanted: Wanted,
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

impl Credentials {
    pub(super) fn resolve(mut self) -> Result<Plan, Error> {
        let region = self.region_name()?;
        if let Some(name) = &region
            && let Some(special) = self.settings.regions.iter().find(|region| region.name == *name)
        {
            // The region's settings override the cloud's.
            self.settings = special.values.clone().or(std::mem::take(&mut self.settings));
        }
        let http = self.http_settings()?;
        let text = |setting| self.settings.text(setting).map(str::to_owned);
        let project = Project { id: text(Setting::ProjectId), name: text(Setting::ProjectName) };
        let endpoint = self.templated(Setting::Endpoint, region.as_deref())?;
        let interface = text(Setting::Interface).unwrap_or_else(|| "public".to_owned());
        let token = self.settings.get(Setting::Token).cloned();
        let sign_in = if !self.settings.is_set(Setting::AuthUrl) && endpoint.is_some() && token.is_some() {
            None
        } else {
            Some(self.request(region.as_deref(), &project)?)
        };
        Ok(Plan {
            token: token.filter(|_| sign_in.is_none()),
            sign_in,
            project,
            endpoint,
            wanted: Wanted {
                // One service may have a region of its own.
                region: text(Setting::RegionName).or(region),
                interface: catalog::interface(&interface).to_owned(),
                service_type: text(Setting::ServiceType),
                service_name: text(Setting::ServiceName),
            },
            http,
            timeout: self.timeout,
            retry: self.retry,
        })
    }

    fn request(&self, region: Option<&str>, project: &Project) -> Result<Request, Error> {
        let method = self.method()?;
        let auth_url = self.auth_url(region)?;
        let mut scope = self.scope(method, project)?;
        let mut identity =
            Identity { methods: vec![method], password: None, application_credential: None, token: None };
        let secret = match method {
            Method::Password => {
                let secret = self.need_secret(Setting::Password)?;
                let user = User { password: Some(Secret(secret.clone())), ..self.user()? };
                identity.password = Some(PasswordMethod { user });
                secret
            }
            Method::Token => {
                let secret = self.need_secret(Setting::Token)?;
                identity.token = Some(TokenMethod { id: Secret(secret.clone()) });
                secret
            }
            Method::ApplicationCredential => {
                let secret = self.need_secret(Setting::ApplicationCredentialSecret)?;
                identity.application_credential = Some(self.application_credential_body(secret.clone())?);
                // It has a project of its own, and is refused where the request has one.
                scope = None;
                secret
            }
        };
        let renewable = method != Method::Token;
        Ok(Request { auth_url, body: SignIn { auth: Auth { identity, scope } }, secret, renewable })
    }

    fn method(&self) -> Result<Method, Error> {
        let is_set = |setting| self.settings.is_set(setting);
        let has_secret =
            [Setting::ApplicationCredentialSecret, Setting::Token, Setting::Password].into_iter().any(is_set);
        if let Some(key) = [Setting::AccessKey, Setting::SecretKey].into_iter().find(|key| !has_secret && is_set(*key))
        {
            let reason = format!(
                "{} is set, but AK/SK (an access key and a secret key) is not supported: a password, an application \
                 credential or a token is needed",
                self.name(key)
            );
            return Err(invalid("auth_type", reason));
        }
        match self.settings.text(Setting::AuthType) {
            Some("password" | "v3password") => Ok(Method::Password),
            Some("token" | "v3token") => Ok(Method::Token),
            Some("v3applicationcredential" | "application_credential") => Ok(Method::ApplicationCredential),
            Some(other) => Err(invalid(
                "auth_type",
                format!(
                    "{} is {other:?}, where password, token and v3applicationcredential are supported",
                    self.name(Setting::AuthType)
                ),
            )),
            None if is_set(Setting::ApplicationCredentialSecret) => Ok(Method::ApplicationCredential),
            None if is_set(Setting::Token) && !is_set(Setting::Password) => Ok(Method::Token),
            None => Ok(Method::Password),
        }
    }

    fn user(&self) -> Result<User, Error> {
        let text = |setting| self.settings.text(setting).map(str::to_owned);
        match (text(Setting::UserId), text(Setting::Username)) {
            (Some(id), _) => Ok(User { id: Some(id), ..User::default() }),
            (None, Some(name)) => Ok(User { name: Some(name), domain: Some(self.user_domain()), ..User::default() }),
            (None, None) => Err(self.missing(Setting::Username, Some(Setting::UserId))),
        }
    }

    fn application_credential_body(&self, secret: SecretString) -> Result<ApplicationCredential, Error> {
        let text = |setting| self.settings.text(setting).map(str::to_owned);
        let (id, name) = (text(Setting::ApplicationCredentialId), text(Setting::ApplicationCredentialName));
        let has_user = self.settings.is_set(Setting::UserId) || self.settings.is_set(Setting::Username);
        let secret = Secret(secret);
        match (&self.source, id, name) {
            // The constructor has one argument for both.
            (Source::Code, Some(name), _) if has_user => {
                Ok(ApplicationCredential { id: None, name: Some(name), user: Some(self.user()?), secret })
            }
            (_, Some(id), _) => Ok(ApplicationCredential { id: Some(id), name: None, user: None, secret }),
            (_, None, Some(name)) => {
                Ok(ApplicationCredential { id: None, name: Some(name), user: Some(self.user()?), secret })
            }
            (_, None, None) => {
                Err(self.missing(Setting::ApplicationCredentialId, Some(Setting::ApplicationCredentialName)))
            }
        }
    }

    fn scope(&self, method: Method, project: &Project) -> Result<Option<Scope>, Error> {
        let has_project = project.id.is_some() || project.name.is_some();
        let others = [Setting::TrustId, Setting::SystemScope, Setting::DomainId, Setting::DomainName];
        let of_domain = [Setting::DomainId, Setting::DomainName];
        let other = |setting: &Setting| self.settings.is_set(*setting) && !(has_project && of_domain.contains(setting));
        if let Some(setting) = others.into_iter().find(other) {
            let reason =
                format!("{} is set: only a project is supported, because a list is a project's", self.name(setting));
            return Err(invalid("scope", reason));
        }
        let project = match (&project.id, &project.name) {
            (Some(id), _) => ProjectScope { id: Some(id.clone()), name: None, domain: None },
            (None, Some(name)) if method != Method::ApplicationCredential => {
                ProjectScope { id: None, name: Some(name.clone()), domain: Some(self.project_domain()) }
            }
            _ => return Ok(None),
        };
        Ok(Some(Scope { project }))
    }

    fn user_domain(&self) -> Reference {
        let own = self.reference(Setting::UserDomainId, Setting::UserDomainName);
        own.or_else(|| self.general_domain()).unwrap_or_else(default_domain)
    }

    /// Without a domain of its own, the project is in the user's.
    fn project_domain(&self) -> Reference {
        let own = self.reference(Setting::ProjectDomainId, Setting::ProjectDomainName);
        own.or_else(|| self.general_domain()).unwrap_or_else(|| self.user_domain())
    }

    /// The domain of both.
    fn general_domain(&self) -> Option<Reference> {
        self.reference(Setting::DomainId, Setting::DomainName)
            .or_else(|| self.reference(Setting::DefaultDomainId, Setting::DefaultDomainName))
            .or_else(|| self.reference(Setting::DefaultDomain, Setting::DefaultDomainName))
    }

    fn reference(&self, id: Setting, name: Setting) -> Option<Reference> {
        let text = |setting| self.settings.text(setting).map(str::to_owned);
        match (text(id), text(name)) {
            (None, None) => None,
            (Some(id), _) => Some(Reference { id: Some(id), name: None }),
            (None, name) => Some(Reference { id: None, name }),
        }
    }

    fn need_secret(&self, setting: Setting) -> Result<SecretString, Error> {
        self.settings.get(setting).cloned().ok_or_else(|| self.missing(setting, None))
    }

    /// The region that is chosen.
    fn region_name(&self) -> Result<Option<String>, Error> {
        let Settings { regions, regions_of_profile, .. } = &self.settings;
        let known: Vec<_> = regions.iter().map(|region| region.name.as_str()).collect();
        match (self.settings.general(Setting::RegionName), known.as_slice()) {
            (Some(name), _) if name.contains(',') => {
                let reason = format!("{} is {name:?}: choose one of these", self.name(Setting::RegionName));
                Err(invalid("region", reason))
            }
            (Some(name), _) => Ok(Some(name.to_owned())),
            (None, []) => Ok(None),
            (None, [only]) => Ok(Some((*only).to_owned())),
            // The catalog decides.
            (None, _)
                if *regions_of_profile
                    && !self.settings.text(Setting::AuthUrl).unwrap_or_default().contains(REGION) =>
            {
                Ok(None)
            }
            (None, several) => {
                let missing = self.not_set(Setting::RegionName, None);
                Err(invalid("region", format!("{missing}, and there are several: {}", several.join(", "))))
            }
        }
    }

    /// An address, with the region in its place.
    fn templated(&self, setting: Setting, region: Option<&str>) -> Result<Option<String>, Error> {
        match (self.settings.text(setting), region) {
            (None, _) => Ok(None),
            (Some(template), Some(region)) => Ok(Some(template.replace(REGION, region))),
            (Some(template), None) if template.contains(REGION) => {
                let missing = self.not_set(Setting::RegionName, None);
                Err(invalid("region", format!("{} has {REGION}, and {missing}", self.name(setting))))
            }
            (Some(address), None) => Ok(Some(address.to_owned())),
        }
    }

    /// Where the identity service is, up to where the contract's path begins.
    fn auth_url(&self, region: Option<&str>) -> Result<String, Error> {
        let Some(url) = self.templated(Setting::AuthUrl, region)? else {
            // With an endpoint, a token will do.
            let other = Some(Setting::Token).filter(|_| self.settings.is_set(Setting::Endpoint));
            return Err(self.missing(Setting::AuthUrl, other));
        };
        let name = self.name(Setting::AuthUrl);
        // Keystone v2 and v3 share a host.
        let url = url.trim_end_matches('/');
        let url = url.strip_suffix("/v2.0").unwrap_or(url);
        match endpoint::parse(url) {
            Ok((base, None)) => Ok(base),
            Ok((_, Some(_))) => {
                Err(invalid("auth_url", format!("{name} has a path that does not end with the version")))
            }
            Err(reason) => Err(invalid("auth_url", format!("{name} {reason}"))),
        }
    }

    /// How a setting is called where it comes from, or would come from.
    pub(super) fn name(&self, setting: Setting) -> String {
        match self.settings.find(setting) {
            Some((Origin::Code, _)) => setting.name().to_owned(),
            Some((Origin::Variable(name), _)) => name,
            Some((Origin::File(name), _)) => self.in_source(&name),
            None => self.unset_name(setting),
        }
    }

    fn unset_name(&self, setting: Setting) -> String {
        self.in_source(&match &self.source {
            Source::Environment => variable(setting.name()),
            _ => setting.name().to_owned(),
        })
    }

    fn in_source(&self, name: &str) -> String {
        match &self.source {
            Source::Code | Source::Environment => name.to_owned(),
            Source::File { cloud, path } => format!("{name} of the cloud {cloud:?} in {}", path.display()),
        }
    }

    /// That a setting is not set, nor the other one, nor the variable that would fill it.
    fn not_set(&self, setting: Setting, other: Option<Setting>) -> String {
        let is_file = matches!(self.source, Source::File { .. });
        let is_environment = matches!(self.source, Source::Environment);
        let other = other.map(|other| if is_environment { variable(other.name()) } else { other.name().to_owned() });
        let variable = Some(variable(setting.name())).filter(|_| is_file && setting.is(Flag::Fills));
        let others =
            other.into_iter().chain(variable).map(|other| format!(" (or {other})")).collect::<Vec<_>>().concat();
        format!("{}{others} is not set", self.unset_name(setting))
    }

    /// That a setting is missing, with what is set and what is not understood.
    fn missing(&self, setting: Setting, other: Option<Setting>) -> Error {
        let written = |setting: &Setting| match self.settings.find(*setting)?.0 {
            Origin::Code => Some(setting.name().to_owned()),
            Origin::Variable(name) | Origin::File(name) => Some(name),
        };
        let is_listed = |setting: &&Setting| ![Setting::AuthType, Setting::Profile].contains(setting);
        let set: Vec<_> = Setting::ALL.iter().filter(is_listed).filter_map(written).collect();
        let set = if set.is_empty() { "nothing is".to_owned() } else { format!("set are {}", set.join(", ")) };
        let unknown = match self.settings.unknown.as_slice() {
            [] => String::new(),
            unknown => format!("; not understood: {}", unknown.join(", ")),
        };
        invalid(setting.name(), format!("{}; {set}{unknown}", self.not_set(setting, other)))
    }
}

/// The domain that each Keystone begins with.
fn default_domain() -> Reference {
    Reference { id: Some("default".to_owned()), name: None }
}
