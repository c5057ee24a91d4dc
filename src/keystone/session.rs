//! Signing in: the request, its response, and the renewal of tokens.

use std::error::Error as StdError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderValue};
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::catalog;
use super::credentials::Credentials;
use super::generated::types::{Reference, TokenDetails};
use super::generated::{Client as Generated, PATH, X_SUBJECT_TOKEN};
use super::resolve::{Plan, Request};
use crate::token::{Token, TokenProvider};
use crate::transport::call::{self, Call, Traced};
use crate::transport::secrets::Secrets;
use crate::transport::{Operation, RetryPolicy, Route, Server, http};
use crate::{Client, ClientBuilder, Error};

/// The maximum size of a response. A catalog of 1,000 endpoints has about a third of a MiB.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// The maximum length of a project id or an address, in bytes.
const MAX_TEXT: usize = 2048;

/// Keystone rounds its times down to whole seconds: a new token's life may be shorter by this much.
const CLOCK_TICK: Duration = Duration::from_secs(1);

impl Credentials {
    /// Signs in. The builder has the endpoint, the project and the tokens, and inherits [`http`](Self::http),
    /// [`timeout`](Self::timeout) and [`retry`](Self::retry).
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidConfig`] where a setting is missing or wrong, or the catalog has no endpoint for the region
    ///   and the interface, or several regions of which none is chosen. It names what is missing and what exists.
    /// - [`Error::SignIn`] where the identity service does not respond with a token: with
    ///   [`is_unauthorized`](Error::is_unauthorized) where it refuses the credentials.
    /// - [`Error::Transport`] where reqwest can't be set up.
    pub async fn sign_in(self) -> Result<ClientBuilder, Error> {
        sign_in(self.resolve()?).await
    }
}

/// Signs in, and makes the builder of a client from the response.
async fn sign_in(plan: Plan) -> Result<ClientBuilder, Error> {
    let Plan { sign_in, token, project, endpoint, wanted, http: settings, timeout, retry } = plan;
    let prepared = |http| settings.iter().fold(http, |http, settings| settings(http));
    let prepare = |endpoint: String| {
        let builder = Client::builder(endpoint).retry(retry.clone()).http(prepared);
        match timeout {
            Some(timeout) => builder.timeout(timeout),
            None => builder,
        }
    };
    let Some(request) = sign_in else {
        let builder = prepare(endpoint.unwrap_or_default());
        let builder = project.id.into_iter().fold(builder, ClientBuilder::project_id);
        return Ok(token.into_iter().fold(builder, ClientBuilder::token));
    };

    let client = http::build(prepared(http::defaults()), timeout, None)?;
    let secrets = Arc::new(Secrets::of_environment(&client));
    secrets.add_password(request.secret.0.expose_secret());
    let service = Service { http: client, request, retry: retry.clone(), secrets: Arc::clone(&secrets) };
    let received = service.sign_in().await?;
    let project_id = received.project_id(&project)?;
    Received::refuse_secret(&service, "project_id", &project_id)?;
    let endpoint = match endpoint {
        Some(endpoint) => endpoint,
        None => received.endpoint(&service, &wanted)?,
    };
    if service.request.auth_url.starts_with("https:") && endpoint.starts_with("http:") {
        tracing::warn!(target: "vbs_client::sign_in", "the service's endpoint has no TLS: the token is sent to it in clear text");
    }
    let Received { token, at, details, .. } = received;
    let session = Session {
        service,
        project_id: project_id.clone(),
        expires_at: expiry(&details),
        first: Mutex::new(Some((token, at))),
    };
    Ok(prepare(endpoint).project_id(project_id).token_provider(session).secrets(secrets))
}

/// An identity service, and the request that signs in.
struct Service {
    http: reqwest::Client,
    request: Request,
    retry: RetryPolicy,
    secrets: Arc<Secrets>,
}

/// The service's response.
struct Received {
    token: Token,
    at: Instant,
    details: TokenDetails,
    request_id: Option<String>,
}

impl Traced for Received {
    fn rows(&self) -> Option<usize> {
        None
    }

    fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

impl Operation for Request {
    type Body = TokenDetails;

    fn route(&self) -> Route {
        Route { id: "create_token", method: "POST", path: PATH }
    }

    async fn send(&self, server: Server) -> Result<TokenDetails, progenitor_client::Error> {
        Ok(Generated::from(server).create_token(&self.body).await?.into_inner().token)
    }

    fn issued_token(headers: &HeaderMap) -> Option<&HeaderValue> {
        headers.get(X_SUBJECT_TOKEN)
    }
}

impl Service {
    async fn sign_in(&self) -> Result<Received, Error> {
        let attempt = |attempt: u32, _| async move {
            let call = Call {
                operation: &self.request,
                endpoint: &self.request.auth_url,
                http: &self.http,
                body_limit: BODY_LIMIT,
                token: None,
                microversion: None,
                secrets: &self.secrets,
                attempt,
                resends: attempt.saturating_sub(1),
            };
            call.send(received).await
        };
        let received = self.retry.run(None, None, None, attempt).await;
        received.map_err(|source| Error::SignIn { auth_url: self.request.auth_url.clone(), source: Box::new(source) })
    }
}

fn received(response: call::Received<'_, TokenDetails>) -> Result<Received, Error> {
    let call::Received { body: details, head, request_id } = response;
    let (token, at) = match issued_token(&head.headers, &details) {
        Ok(token) => (token, Instant::now()),
        Err(reason) => return Err(Error::undecodable(request_id, reason)),
    };
    Ok(Received { token, at, details, request_id })
}

fn issued_token(headers: &HeaderMap, details: &TokenDetails) -> Result<Token, &'static str> {
    let issued = headers.get(X_SUBJECT_TOKEN).ok_or("the response has no X-Subject-Token")?;
    let mut token = Token::from(issued.to_str().map_err(|_| "the X-Subject-Token is not text")?);
    token.to_header().map_err(|_| "the X-Subject-Token is not a valid token")?;
    let expires_at = expiry(details);
    token.expires_at = expires_at.and_then(|time| {
        let since_epoch = Duration::try_from(time.as_duration()).ok()?;
        SystemTime::UNIX_EPOCH.checked_add(since_epoch)
    });
    let life = details.issued_at.zip(expires_at).map(|(issued, expires)| expires.duration_since(issued));
    let life = life.and_then(|life| Duration::try_from(life).ok());
    token.life = life.map(|life| life.checked_sub(CLOCK_TICK).unwrap_or(life));
    Ok(token)
}

/// When the token expires; none if never, or outside the supported years.
fn expiry(details: &TokenDetails) -> Option<Timestamp> {
    details.expires_at.as_deref()?.parse().ok()
}

impl Received {
    /// The token's project, which has to be the chosen one.
    fn project_id(&self, chosen: &Reference) -> Result<String, Error> {
        let invalid = |reason: String| Error::invalid_config("project_id", reason);
        let Some(id) = self.details.project.as_ref().and_then(|project| project.id.clone()) else {
            return Err(invalid(
                "the token has no project: choose one by its id, or by its name and domain".to_owned(),
            ));
        };
        let name = self.details.project.as_ref().and_then(|project| project.name.as_ref());
        match chosen {
            Reference { id: Some(chosen), .. } if *chosen != id => {
                Err(invalid(format!("the project id is {chosen:?}, but the token's project is another one")))
            }
            // Keystone compares names as its database does: MariaDB without regard to case.
            Reference { id: None, name: Some(chosen) }
                if name.is_some_and(|name| name.to_lowercase() != chosen.to_lowercase()) =>
            {
                Err(invalid(format!("the project's name is {chosen:?}, but the token's project is another one")))
            }
            _ => Ok(id),
        }
    }

    /// Refuses a value of the service that contains a secret: errors and `Debug` show the value. A short password
    /// may be part of any name.
    fn refuse_secret(service: &Service, setting: &'static str, text: &str) -> Result<(), Error> {
        let refused = |what: &str| {
            let name = setting.replace('_', " ");
            Err(Error::invalid_config(setting, format!("the identity service has sent {what} as the {name}")))
        };
        if text.len() > MAX_TEXT {
            return refused("a text that is too long");
        }
        if service.secrets.are_in_name(text) { refused("a secret") } else { Ok(()) }
    }

    fn endpoint(&self, service: &Service, wanted: &catalog::Wanted) -> Result<String, Error> {
        let endpoint = catalog::endpoint(&self.details.catalog, wanted).map_err(|error| match error {
            // The catalog's names come from a server: they may contain a secret.
            Error::InvalidConfig { setting, reason } => {
                Error::invalid_config(setting, service.secrets.one_line(&reason))
            }
            other => other,
        })?;
        Self::refuse_secret(service, "endpoint", &endpoint)?;
        Ok(endpoint)
    }
}

/// The tokens of a client that has signed in.
struct Session {
    service: Service,
    project_id: String,
    expires_at: Option<Timestamp>,
    /// The token of the sign-in, until it is used, and when it was received.
    first: Mutex<Option<(Token, Instant)>>,
}

impl Session {
    /// The token of the sign-in, unless it was used or has expired.
    fn first(&self) -> Option<Token> {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.service.request.renewable {
            // This token can't be renewed: it is used until the service rejects it.
            let (token, _) = first.clone()?;
            return Some(Token { expires_at: None, life: None, ..token });
        }
        let (mut token, at) = first.take()?;
        match token.life {
            Some(life) => {
                token.life = Some(life.checked_sub(at.elapsed()).filter(|life| !life.is_zero())?);
                Some(token)
            }
            None => Some(token),
        }
    }
}

impl TokenProvider for Session {
    async fn token(&self, rejected: Option<Token>) -> Result<Token, Box<dyn StdError + Send + Sync>> {
        if let Some(first) = self.first().filter(|_| rejected.is_none()) {
            return Ok(first);
        }
        if !self.service.request.renewable {
            let expiry = self.expires_at.map(|time| format!(" (it expires at {time})")).unwrap_or_default();
            return Err(format!(
                "the service has rejected the token{expiry}, and another token can't renew it: sign in with a password \
                 or an application credential, or with a new token"
            )
            .into());
        }
        let received = self.service.sign_in().await?;
        let same = Reference { id: Some(self.project_id.clone()), name: None };
        received.project_id(&same)?;
        Ok(received.token)
    }
}
