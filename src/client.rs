//! [`Client`] and its builder; the hooks that add the token and the microversion to a request.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use progenitor_client::{ClientHooks, OperationInfo};
use reqwest::header::{HeaderMap, HeaderValue, LOCATION};
use reqwest::{Response, Url};

use crate::error::{cut, plain_text, read_fault};
use crate::generated::{self, OPENSTACK_API_VERSION, X_AUTH_TOKEN, X_OPENSTACK_REQUEST_ID};
use crate::microversion::Microversion;
use crate::parameter::Given;
use crate::{BackupList, Error, ListBackups};

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
pub struct Client(Arc<Inner>);

struct Inner {
    /// Up to where the contract's path begins, without a slash at the end.
    endpoint: String,
    project_id: String,
    token: Option<HeaderValue>,
    microversion: Option<Microversion>,
    trust_microversion: bool,
    http: reqwest::Client,
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
            token: None,
            microversion: None,
            trust_microversion: false,
            http: reqwest::Client::builder()
                .user_agent(concat!(
                    env!("CARGO_PKG_NAME"),
                    "/",
                    env!("CARGO_PKG_VERSION")
                ))
                .connect_timeout(Duration::from_secs(10))
                .timeout(Duration::from_secs(60)),
        }
    }

    /// A request for the project's backups, to be narrowed down and sent.
    pub fn list_backups(&self) -> ListBackups {
        ListBackups::new(self.clone())
    }

    /// The lowest microversion that every request asks for.
    pub(crate) fn microversion(&self) -> Option<Microversion> {
        self.0.microversion
    }

    /// One answer, decoded and checked to be in the microversion that was asked for.
    pub(crate) async fn fetch(
        &self,
        given: &Given,
        microversion: Option<Microversion>,
    ) -> Result<Answer, Error> {
        let inner = &*self.0;
        let version = microversion.map(|version| HeaderValue::try_from(version.to_header()));
        let call = Call {
            token: inner.token.clone(),
            microversion: version.transpose().map_err(|e| Error::InvalidRequest {
                parameter: OPENSTACK_API_VERSION.to_string(),
                reason: e.to_string(),
            })?,
            headers: OnceLock::new(),
        };
        let client = generated::Client::new_with_client(&inner.endpoint, inner.http.clone(), call);
        let answer = given
            .request(&client)
            .project_id(&inner.project_id)
            .send()
            .await;

        let headers = client.inner.headers.get();
        let request_id = headers.and_then(|headers| self.request_id(headers));
        let list = match answer {
            Ok(answer) => answer.into_inner(),
            Err(error) => return Err(self.error(error, request_id).await),
        };
        let values = headers
            .into_iter()
            .flat_map(|headers| headers.get_all(OPENSTACK_API_VERSION));
        let answered = Microversion::from_headers(values.map(HeaderValue::as_bytes));
        match microversion {
            Some(required) if !self.honors(required, answered) => {
                Err(Error::MicroversionNotHonored { required, answered })
            }
            _ => Ok(Answer {
                list,
                request_id,
                microversion: answered,
            }),
        }
    }

    fn honors(&self, required: Microversion, answered: Option<Microversion>) -> bool {
        answered.map_or(self.0.trust_microversion, |answered| answered >= required)
    }

    async fn error(&self, error: progenitor_client::Error, request_id: Option<String>) -> Error {
        use progenitor_client::Error as Generated;
        match error {
            Generated::CommunicationError(source)
            | Generated::ResponseBodyError(source)
            | Generated::InvalidUpgrade(source) => Error::Transport { request_id, source },
            Generated::InvalidResponsePayload(body, source) => {
                self.undecodable(&body, source, request_id)
            }
            Generated::UnexpectedResponse(response) => self.status(response, request_id).await,
            // There are none: build.rs takes the responses that would become one out of the contract.
            Generated::ErrorResponse(answer) => Error::Status {
                status: answer.status(),
                request_id,
                fault: None,
                text: String::new(),
            },
            // The values were checked before, more strictly.
            Generated::InvalidRequest(reason) | Generated::Custom(reason) => {
                Error::InvalidRequest {
                    parameter: "request".to_owned(),
                    reason,
                }
            }
        }
    }

    fn undecodable(
        &self,
        body: &[u8],
        source: serde_json::Error,
        request_id: Option<String>,
    ) -> Error {
        let body = String::from_utf8_lossy(body);
        let clean = self.redact(&body);
        // serde_json quotes values of the body.
        let source = if clean == body {
            source
        } else {
            let again = serde_json::from_str::<BackupList>(&clean).err();
            again.unwrap_or_else(|| serde::de::Error::custom("the body has the token in it"))
        };
        Error::Undecodable {
            request_id,
            text: cut(&clean),
            source,
        }
    }

    async fn status(&self, response: Response, request_id: Option<String>) -> Error {
        let status = response.status();
        let location = response
            .headers()
            .get(LOCATION)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let body = self.redact(&String::from_utf8_lossy(&start(response).await));
        let (fault, request_id_in_body) = read_fault(body.as_bytes()).unzip();
        Error::Status {
            status,
            request_id: request_id.or(request_id_in_body.flatten()),
            fault: fault.map(Box::new),
            text: match location {
                Some(location) if status.is_redirection() => plain_text(&self.redact(&location)),
                _ => plain_text(&body),
            },
        }
    }

    fn request_id(&self, headers: &HeaderMap) -> Option<String> {
        let value = headers.get(X_OPENSTACK_REQUEST_ID)?;
        Some(plain_text(
            &self.redact(&String::from_utf8_lossy(value.as_bytes())),
        ))
    }

    /// Takes the token out of what a server has sent, before it goes into an error.
    fn redact(&self, text: &str) -> String {
        match self.0.token.as_ref().and_then(|token| token.to_str().ok()) {
            // A shorter one is no token of Keystone's, and could be part of any word.
            Some(token) if token.len() >= 8 => text.replace(token, "[token]"),
            _ => text.to_owned(),
        }
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

/// A decoded page, and what the headers said of it.
pub(crate) struct Answer {
    pub(crate) list: BackupList,
    pub(crate) request_id: Option<String>,
    pub(crate) microversion: Option<Microversion>,
}

/// How much of an error's body is read, in bytes.
const ERROR_BODY_LIMIT: usize = 64 * 1024;

/// The start of a body. One that breaks off is as good: the status decides.
async fn start(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let (true, Ok(Some(chunk))) = (body.len() < ERROR_BODY_LIMIT, response.chunk().await) {
        body.extend_from_slice(&chunk);
    }
    body.truncate(ERROR_BODY_LIMIT);
    body
}

/// What the hooks know of the request at hand.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    token: Option<HeaderValue>,
    microversion: Option<HeaderValue>,
    /// The answer's, for the cases in which the generated client loses them.
    headers: OnceLock<HeaderMap>,
}

impl ClientHooks<Call> for generated::Client {
    async fn pre<E>(
        &self,
        request: &mut reqwest::Request,
        _: &OperationInfo,
    ) -> Result<(), progenitor_client::Error<E>> {
        let headers = request.headers_mut();
        // progenitor's own, which means nothing to the service.
        headers.remove("api-version");
        if let Some(token) = &self.inner.token {
            headers.insert(X_AUTH_TOKEN, token.clone());
        }
        if let Some(microversion) = &self.inner.microversion {
            headers.insert(OPENSTACK_API_VERSION, microversion.clone());
        }
        Ok(())
    }

    async fn post<E>(
        &self,
        result: &reqwest::Result<Response>,
        _: &OperationInfo,
    ) -> Result<(), progenitor_client::Error<E>> {
        if let Ok(response) = result {
            self.inner
                .headers
                .get_or_init(|| response.headers().clone());
        }
        Ok(())
    }
}

/// Settings of a [`Client`].
#[must_use]
pub struct ClientBuilder {
    endpoint: String,
    project_id: Option<String>,
    token: Option<String>,
    microversion: Option<Microversion>,
    trust_microversion: bool,
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
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// How long one request may take, from connecting to the end of its answer. 60 seconds unless
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
    /// any host.
    pub fn http(
        mut self,
        settings: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Self {
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
        let (endpoint, in_endpoint) = parse_endpoint(&self.endpoint)?;
        let project_id = match (self.project_id, in_endpoint) {
            (Some(given), Some(in_endpoint)) if given != in_endpoint => {
                return Err(invalid(
                    "project_id",
                    format!("it is {given:?}, but the endpoint has {in_endpoint:?}"),
                ));
            }
            (Some(project_id), _) | (None, Some(project_id)) => project_id,
            (None, None) => {
                return Err(invalid(
                    "project_id",
                    "it is missing, and the endpoint has none",
                ));
            }
        };
        if project_id.is_empty()
            || !project_id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        {
            return Err(invalid(
                "project_id",
                format!("{project_id:?} has other characters than letters, digits, - and _"),
            ));
        }
        let http = self
            .http
            .redirect(reqwest::redirect::Policy::none())
            .build();
        Ok(Client(Arc::new(Inner {
            endpoint,
            project_id,
            token: self.token.map(header).transpose()?,
            microversion: self.microversion,
            trust_microversion: self.trust_microversion,
            http: http.map_err(|source| Error::Transport {
                request_id: None,
                source,
            })?,
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
    Error::InvalidConfig {
        setting,
        reason: reason.into(),
    }
}

fn header(token: String) -> Result<HeaderValue, Error> {
    if token.is_empty() {
        return Err(invalid("token", "it is empty"));
    }
    let mut header = HeaderValue::try_from(token).map_err(|_| {
        invalid(
            "token",
            "it has characters that no header can carry, such as a line break",
        )
    })?;
    header.set_sensitive(true);
    Ok(header)
}

/// The address up to where the contract's path begins, and the project id, if it is there.
fn parse_endpoint(endpoint: &str) -> Result<(String, Option<String>), Error> {
    let refuse = |reason: &str| Err(invalid("endpoint", reason));
    // The URL parser would mend what is missing here: `https:host` and `https:\\host` too.
    let scheme = endpoint
        .split_once("://")
        .map(|(scheme, _)| scheme.to_ascii_lowercase());
    if !matches!(scheme.as_deref(), Some("http" | "https")) {
        return refuse("it has to begin with https:// or http://");
    }
    let url = Url::parse(endpoint).map_err(|e| invalid("endpoint", e.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("it has a user name or password in it");
    }
    if url.query().is_some() {
        return refuse("it has a query");
    }
    if url.fragment().is_some() {
        return refuse("it has a fragment");
    }
    let path = url.path().strip_suffix('/').unwrap_or(url.path());
    let mut segments: Vec<&str> = path.split('/').skip(1).collect();
    let project_id = match segments.as_slice() {
        [.., "v3"] => None,
        [.., "v3", project_id] => Some((*project_id).to_owned()),
        _ => {
            segments.push("v3");
            None
        }
    };
    segments.truncate(segments.len() - 1 - usize::from(project_id.is_some()));
    if segments
        .iter()
        .any(|segment| segment.is_empty() || is_version(segment))
    {
        return refuse(
            "its path has to end before the version, with v3, or with v3 and the project id",
        );
    }
    let origin = url.origin().ascii_serialization();
    Ok((
        segments
            .iter()
            .fold(origin, |address, segment| address + "/" + segment),
        project_id,
    ))
}

/// Whether this is a version in a path, such as `v2` or `v3.0`.
fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(endpoint: &str) -> (String, Option<String>) {
        parse_endpoint(endpoint).unwrap()
    }

    #[test]
    fn takes_an_endpoint_as_people_have_it() {
        for (endpoint, base, project_id) in [
            ("https://host", "https://host", None),
            ("https://host/", "https://host", None),
            ("HTTPS://Host:8776", "https://host:8776", None),
            ("http://[::1]:8776/v3/", "http://[::1]:8776", None),
            ("https://host/volume", "https://host/volume", None),
            ("https://host/volume/", "https://host/volume", None),
            ("https://host/v3", "https://host", None),
            ("https://host/volume/v3", "https://host/volume", None),
            (
                "https://host/volume/v3/b23b-5_Z",
                "https://host/volume",
                Some("b23b-5_Z"),
            ),
            ("https://host/a/b/v3/p/", "https://host/a/b", Some("p")),
        ] {
            assert_eq!(
                parsed(endpoint),
                (base.to_owned(), project_id.map(str::to_owned)),
                "{endpoint}"
            );
        }
    }

    #[test]
    fn refuses_any_other() {
        for endpoint in [
            "",
            "host",
            "host:8776",
            "/v3",
            "//host",
            "https:host",
            "https:\\\\host",
            "ftp://host",
            "file:///v3",
            "https://",
            "https://ho st",
            "https://user@host",
            "https://user:pw@host",
            "https://:pw@host",
            "https://host?a=b",
            "https://host/?",
            "https://host/v3#f",
            "https://host/v3/p/backups",
            "https://host/v2/p",
            "https://host/v2",
            "https://host/v3.0",
            "https://host//v3",
            "https://host/volume//",
        ] {
            let error = parse_endpoint(endpoint).expect_err(endpoint);
            assert!(
                error.to_string().starts_with("invalid endpoint: "),
                "{error}"
            );
        }
    }
}
