//! Resolves [`Credentials`] to a [`Plan`]: the request that signs in, or an error that names what is missing.

use std::time::Duration;

use secrecy::SecretString;

use super::catalog::{self, Wanted};
use super::config::Source;
use super::credentials::{Credentials, HttpSettings};
use super::generated::types::{
    ApplicationCredential, Auth, Identity, Method, PasswordMethod, ProjectScope, Reference, Scope, SignIn, TokenMethod,
    User,
};
use super::secret::Secret;
use super::settings::{Flag, Origin, Setting, Settings, variable};
use crate::Error;
use crate::transport::{RetryPolicy, endpoint};

/// The placeholder for the region in an auth URL or an endpoint.
const REGION: &str = "{region_name}";

/// How to sign in and what to list, resolved from all settings.
pub(super) struct Plan {
    /// Without one, Keystone is not called.
    pub(super) sign_in: Option<Request>,
    /// The token to use without signing in.
    pub(super) token: Option<SecretString>,
    /// The project that was chosen.
    pub(super) project: Reference,
    pub(super) endpoint: Option<String>,
    /// Without an endpoint, what to find in the catalog.
    pub(super) wanted: Wanted,
    pub(super) http: Vec<HttpSettings>,
    pub(super) timeout: Option<Duration>,
    pub(super) retry: RetryPolicy,
}

/// How to sign in.
#[derive(Clone)]
pub(super) struct Request {
    /// The auth URL, up to the contract's path.
    pub(super) auth_url: String,
    pub(super) body: SignIn,
    /// The secret of the body.
    pub(super) secret: Secret,
    /// Whether it can be sent again for another token.
    pub(super) renewable: bool,
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
        let project = self.reference(Setting::ProjectId, Setting::ProjectName).unwrap_or_default();
        let endpoint = self.templated(Setting::Endpoint, region.as_deref())?;
        let interface = self.settings.text(Setting::Interface).unwrap_or("public");
        let token = self.settings.get(Setting::Token).cloned();
        let sign_in = if !self.settings.is_set(Setting::AuthUrl) && endpoint.is_some() && token.is_some() {
            None
        } else {
            Some(self.request(region.as_deref(), &project)?)
        };
        Ok(Plan {
            token,
            sign_in,
            project,
            endpoint,
            wanted: Wanted {
                // One service may have a region of its own.
                region: self.text(Setting::RegionName).or(region),
                interface: catalog::interface(interface).to_owned(),
                service_type: self.text(Setting::ServiceType),
                service_name: self.text(Setting::ServiceName),
            },
            http,
            timeout: self.timeout,
            retry: self.retry,
        })
    }

    fn request(&self, region: Option<&str>, project: &Reference) -> Result<Request, Error> {
        let method = self.method()?;
        let auth_url = self.auth_url(region)?;
        let scope = self.scope(method, project)?;
        let mut identity =
            Identity { methods: vec![method], password: None, application_credential: None, token: None };
        let secret = self.need_secret(match method {
            Method::Password => Setting::Password,
            Method::Token => Setting::Token,
            Method::ApplicationCredential => Setting::ApplicationCredentialSecret,
        })?;
        match method {
            Method::Password => {
                let user = User { password: Some(secret.clone()), ..self.user()? };
                identity.password = Some(PasswordMethod { user });
            }
            Method::Token => identity.token = Some(TokenMethod { id: secret.clone() }),
            Method::ApplicationCredential => {
                identity.application_credential = Some(self.application_credential_body(secret.clone())?);
            }
        }
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
            return Err(Error::invalid_config("auth_type", reason));
        }
        match self.settings.text(Setting::AuthType) {
            Some("password" | "v3password") => Ok(Method::Password),
            Some("token" | "v3token") => Ok(Method::Token),
            Some("v3applicationcredential" | "application_credential") => Ok(Method::ApplicationCredential),
            Some(other) => Err(Error::invalid_config(
                "auth_type",
                format!(
                    "{} is {other:?}, where password, token and v3applicationcredential are supported",
                    self.name(Setting::AuthType)
                ),
            )),
            None if is_set(Setting::Password) && self.reference(Setting::UserId, Setting::Username).is_some() => {
                Ok(Method::Password)
            }
            None if is_set(Setting::ApplicationCredentialSecret) => Ok(Method::ApplicationCredential),
            None if is_set(Setting::Token) && !is_set(Setting::Password) => Ok(Method::Token),
            None => Ok(Method::Password),
        }
    }

    fn user(&self) -> Result<User, Error> {
        let user = self.reference(Setting::UserId, Setting::Username);
        let Reference { id, name } = user.ok_or_else(|| self.missing(Setting::Username, Some(Setting::UserId)))?;
        let domain = name.is_some().then(|| self.user_domain());
        Ok(User { id, name, domain, password: None })
    }

    fn application_credential_body(&self, secret: Secret) -> Result<ApplicationCredential, Error> {
        let (id, name) = (Setting::ApplicationCredentialId, Setting::ApplicationCredentialName);
        let Reference { mut id, mut name } = self.reference(id, name).ok_or_else(|| self.missing(id, Some(name)))?;
        let has_user = self.reference(Setting::UserId, Setting::Username).is_some();
        if has_user && matches!(self.source, Source::Code) {
            // The constructor has one argument for both.
            name = id.take().or(name);
        }
        let user = name.is_some().then(|| self.user()).transpose()?;
        Ok(ApplicationCredential { id, name, user, secret })
    }

    fn scope(&self, method: Method, project: &Reference) -> Result<Option<Scope>, Error> {
        let has_project = project.id.is_some() || project.name.is_some();
        let others = [Setting::TrustId, Setting::SystemScope, Setting::DomainId, Setting::DomainName];
        let of_domain = [Setting::DomainId, Setting::DomainName];
        let other = |setting: &Setting| self.settings.is_set(*setting) && !(has_project && of_domain.contains(setting));
        if let Some(setting) = others.into_iter().find(other) {
            let reason =
                format!("{} is set, but only a project is supported: a list is that of a project", self.name(setting));
            return Err(Error::invalid_config("scope", reason));
        }
        let project = match project {
            // An application credential has its own project, and is refused if the request has one.
            _ if method == Method::ApplicationCredential => return Ok(None),
            Reference { id: Some(id), .. } => ProjectScope { id: Some(id.clone()), ..ProjectScope::default() },
            Reference { name: Some(name), .. } => {
                ProjectScope { name: Some(name.clone()), domain: Some(self.project_domain()), id: None }
            }
            _ => return Ok(None),
        };
        Ok(Some(Scope { project }))
    }

    fn user_domain(&self) -> Reference {
        let own = self.reference(Setting::UserDomainId, Setting::UserDomainName);
        own.or_else(|| self.general_domain()).unwrap_or_else(default_domain)
    }

    /// Default: the user's domain.
    fn project_domain(&self) -> Reference {
        let own = self.reference(Setting::ProjectDomainId, Setting::ProjectDomainName);
        own.or_else(|| self.general_domain()).unwrap_or_else(|| self.user_domain())
    }

    /// The domain of the user and the project.
    fn general_domain(&self) -> Option<Reference> {
        self.reference(Setting::DomainId, Setting::DomainName)
            .or_else(|| self.reference(Setting::DefaultDomainId, Setting::DefaultDomainName))
            .or_else(|| self.reference(Setting::DefaultDomain, Setting::DefaultDomainName))
    }

    /// The id, or else the name.
    fn reference(&self, id: Setting, name: Setting) -> Option<Reference> {
        let id = self.text(id);
        let name = if id.is_some() { None } else { self.text(name) };
        (id.is_some() || name.is_some()).then_some(Reference { id, name })
    }

    fn text(&self, setting: Setting) -> Option<String> {
        self.settings.text(setting).map(str::to_owned)
    }

    fn need_secret(&self, setting: Setting) -> Result<Secret, Error> {
        self.settings.get(setting).cloned().map(Secret).ok_or_else(|| self.missing(setting, None))
    }

    /// The chosen region.
    fn region_name(&self) -> Result<Option<String>, Error> {
        let Settings { regions, regions_of_profile, .. } = &self.settings;
        let known: Vec<_> = regions.iter().map(|region| region.name.as_str()).collect();
        match (self.settings.general(Setting::RegionName), known.as_slice()) {
            (Some(name), _) if name.contains(',') => {
                let reason = format!("{} is {name:?}: choose one of these", self.name(Setting::RegionName));
                Err(Error::invalid_config("region", reason))
            }
            // It would be listed with the settings of no region.
            (Some(name), known) if !known.is_empty() && !regions_of_profile && !known.contains(&name) => {
                let (setting, known) = (self.name(Setting::RegionName), known.join(", "));
                let reason = format!("{setting} is {name:?}, which is none of the cloud's regions: {known}");
                Err(Error::invalid_config("region", reason))
            }
            (Some(name), _) => Ok(Some(name.to_owned())),
            (None, []) => Ok(None),
            (None, [only]) => Ok(Some((*only).to_owned())),
            // The catalog's regions decide.
            (None, _)
                if *regions_of_profile
                    && !self.settings.text(Setting::AuthUrl).unwrap_or_default().contains(REGION) =>
            {
                Ok(None)
            }
            (None, several) => {
                let missing = self.not_set(Setting::RegionName, None);
                let reason = format!("{missing}, and there are several: {}", several.join(", "));
                Err(Error::invalid_config("region", reason))
            }
        }
    }

    /// An address, with the region in place of its placeholder.
    fn templated(&self, setting: Setting, region: Option<&str>) -> Result<Option<String>, Error> {
        let Some(template) = self.settings.text(setting) else { return Ok(None) };
        if region.is_none() && template.contains(REGION) {
            let missing = self.not_set(Setting::RegionName, None);
            return Err(Error::invalid_config("region", format!("{} has {REGION}, and {missing}", self.name(setting))));
        }
        Ok(Some(template.replace(REGION, region.unwrap_or_default())))
    }

    /// The address of the identity service, up to the contract's path.
    fn auth_url(&self, region: Option<&str>) -> Result<String, Error> {
        let Some(url) = self.templated(Setting::AuthUrl, region)? else {
            // With an endpoint, a token is enough.
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
                Err(Error::invalid_config("auth_url", format!("{name} has a path that does not end with the version")))
            }
            Err(reason) => Err(Error::invalid_config("auth_url", format!("{name} {reason}"))),
        }
    }

    /// The name of a setting in its source.
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

    /// The message that the setting, the other one and the variable that fills it are not set.
    fn not_set(&self, setting: Setting, other: Option<Setting>) -> String {
        let is_file = matches!(self.source, Source::File { .. });
        let is_environment = matches!(self.source, Source::Environment);
        let other = other.map(|other| if is_environment { variable(other.name()) } else { other.name().to_owned() });
        let variable = Some(variable(setting.name())).filter(|_| is_file && setting.is(Flag::Fills));
        let others =
            other.into_iter().chain(variable).map(|other| format!(" (or {other})")).collect::<Vec<_>>().concat();
        format!("{}{others} is not set", self.unset_name(setting))
    }

    /// The error for a missing setting. It lists the settings that are set, and unknown keys.
    fn missing(&self, setting: Setting, other: Option<Setting>) -> Error {
        let written = |setting: &Setting| match self.settings.find(*setting)?.0 {
            Origin::Code => Some(setting.name().to_owned()),
            Origin::Variable(name) | Origin::File(name) => Some(name),
        };
        let is_listed = |setting: &&Setting| ![Setting::AuthType, Setting::Profile].contains(setting);
        let set: Vec<_> = Setting::ALL.iter().filter(is_listed).filter_map(written).collect();
        let set =
            if set.is_empty() { "nothing is set".to_owned() } else { format!("these are set: {}", set.join(", ")) };
        let unknown = match self.settings.unknown.as_slice() {
            [] => String::new(),
            unknown => format!("; unknown: {}", unknown.join(", ")),
        };
        Error::invalid_config(setting.name(), format!("{}; {set}{unknown}", self.not_set(setting, other)))
    }
}

/// The domain that every Keystone has.
fn default_domain() -> Reference {
    Reference { id: Some("default".to_owned()), name: None }
}
