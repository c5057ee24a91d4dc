//! One page from the service: attempts, tokens, hooks, and what can go wrong.

use std::error::Error as StdError;
use std::future::pending;
use std::pin::pin;
use std::sync::OnceLock;
use std::time::Duration;

use futures_util::future::{Either, select};
use http_body_util::{LengthLimitError, Limited};
use progenitor_client::{ClientHooks, OperationInfo, ResponseValue};
use reqwest::Response;
use reqwest::header::{HeaderMap, HeaderValue, LOCATION};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::field::{Empty, debug};
use tracing::{Instrument, Span};

use crate::ahead::Pace;
use crate::client::Inner;
use crate::error::{cut, plain_text, read_fault};
use crate::generated::{self, OPENSTACK_API_VERSION, X_AUTH_TOKEN, X_OPENSTACK_REQUEST_ID};
use crate::microversion::Microversion;
use crate::parameter::Given;
use crate::retry::retry_after;
use crate::token::Token;
use crate::{BackupList, Error};

/// What is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) given: &'a Given,
    pub(crate) microversion: Option<Microversion>,
    /// Which page of a walk it is, from 1 on.
    pub(crate) page: u64,
    pub(crate) due: Due<'a>,
}

/// When a page has to be there.
#[derive(Clone, Copy)]
pub(crate) enum Due<'a> {
    By(Option<Instant>),
    /// The walk says so once it waits for it.
    InTurn(&'a Pace),
}

impl Request<'_> {
    async fn deadline(&self) -> Option<Instant> {
        match self.due {
            Due::By(deadline) => deadline,
            Due::InTurn(pace) => pace.deadline(self.page).await,
        }
    }
}

/// A decoded page, and what the headers said of it.
pub(crate) struct Answer {
    pub(crate) list: BackupList,
    pub(crate) request_id: Option<String>,
    pub(crate) microversion: Option<Microversion>,
}

impl Inner {
    /// When a page has to be there that is asked for now.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.page_deadline.and_then(|deadline| Instant::now().checked_add(deadline))
    }

    /// One page, in as many attempts as it takes and may take.
    pub(crate) async fn fetch(&self, request: Request<'_>) -> Result<Answer, Error> {
        let mut renewed = false;
        let mut delays = self.retry.delays();
        let mut last = None;
        let mut attempt = 0_u32;
        let mut expired = pin!(async {
            match request.deadline().await {
                Some(deadline) => sleep_until(deadline).await,
                None => pending().await,
            }
        });
        loop {
            attempt = attempt.saturating_add(1);
            let attempted = pin!(self.attempt(request, attempt, &mut renewed));
            let (result, retry_after) = match select(attempted, expired.as_mut()).await {
                Either::Left((attempted, _)) => attempted,
                Either::Right(_) => return Err(Error::PageDeadline { attempts: attempt, last: last.map(Box::new) }),
            };
            let error = match result {
                Ok(answer) => return Ok(answer),
                Err(error) => error.after(attempt),
            };
            let delay = delays.next().filter(|_| error.is_retryable());
            let Some(delay) = delay else {
                return Err(error);
            };
            let (wait, failed) = (self.retry.wait(delay, retry_after), Instant::now());
            if let Due::InTurn(pace) = request.due {
                pace.set_crowded();
            }
            let deadline = request.deadline().await;
            let wait = wait.saturating_sub(failed.elapsed());
            // What can't be waited for in time need not be waited for at all.
            if deadline.is_some_and(|deadline| wait >= deadline.saturating_duration_since(Instant::now())) {
                return Err(error);
            }
            tracing::warn!(page = request.page, attempt, wait = debug(wait), %error, "asking again");
            sleep(wait).await;
            last = Some(error);
        }
    }

    /// One attempt, with a new token where the first one is rejected, once to a page; and how long
    /// the answer asks to be left alone.
    async fn attempt(
        &self,
        request: Request<'_>,
        attempt: u32,
        renewed: &mut bool,
    ) -> (Result<Answer, Error>, Option<Duration>) {
        let token = match self.tokens.current().await {
            Ok(token) => token,
            Err(error) => return (Err(error), None),
        };
        let first = self.send(request, &token, attempt).await;
        let rejected = matches!(&first.0, Err(error) if error.is_unauthorized());
        if !rejected || std::mem::replace(renewed, true) {
            return first;
        }
        match self.tokens.renewed(&token).await {
            None => first,
            Some(Err(error)) => (Err(error), None),
            Some(Ok(token)) => self.send(request, &token, attempt).await,
        }
    }

    async fn send(
        &self,
        request: Request<'_>,
        token: &Token,
        attempt: u32,
    ) -> (Result<Answer, Error>, Option<Duration>) {
        let span = tracing::debug_span!(
            "request",
            operation = "list_backups",
            page = request.page,
            attempt,
            status = Empty,
            request_id = Empty,
            duration = Empty,
        );
        self.exchange(request, token).instrument(span).await
    }

    /// One request and its answer, decoded and checked to be in the microversion asked for.
    async fn exchange(&self, request: Request<'_>, token: &Token) -> (Result<Answer, Error>, Option<Duration>) {
        let (span, start) = (Span::current(), Instant::now());
        let call = Call {
            token: token.header.clone(),
            // Two numbers and a point: any header can have that.
            microversion: request.microversion.and_then(|version| version.to_header().try_into().ok()),
            body_limit: self.body_limit,
            headers: OnceLock::new(),
        };
        let client = generated::Client::new_with_client(&self.endpoint, self.http.clone(), call);
        let answer = request.given.request(&client).project_id(&self.project_id).send().await;

        let secrets = Secrets(token.header.as_ref());
        let headers = client.inner.headers.get();
        let request_id = headers.and_then(|headers| secrets.request_id(headers));
        let result = match answer {
            Ok(answer) => {
                span.record("status", answer.status().as_u16());
                self.honored(request.microversion, answer.into_inner(), headers, request_id)
            }
            Err(error) => Err(self.error(error, secrets, request_id).await),
        };
        let said = match &result {
            Ok(answer) => answer.request_id.as_deref(),
            Err(error) => {
                error.status().map(|status| span.record("status", status.as_u16()));
                error.request_id()
            }
        };
        said.map(|request_id| span.record("request_id", request_id));
        span.record("duration", debug(start.elapsed()));
        (result, headers.and_then(retry_after))
    }

    fn honored(
        &self,
        required: Option<Microversion>,
        list: BackupList,
        headers: Option<&HeaderMap>,
        request_id: Option<String>,
    ) -> Result<Answer, Error> {
        let mut values = headers.into_iter().flat_map(|headers| headers.get_all(OPENSTACK_API_VERSION)).peekable();
        let trusted = self.trust_microversion && values.peek().is_none();
        let answered = Microversion::from_headers(values.map(HeaderValue::as_bytes));
        let honors = |required| answered.map_or(trusted, |answered| answered >= required);
        match required {
            Some(required) if !honors(required) => Err(Error::MicroversionNotHonored { required, answered }),
            _ => Ok(Answer { list, request_id, microversion: answered }),
        }
    }

    async fn error(&self, error: progenitor_client::Error, secrets: Secrets<'_>, request_id: Option<String>) -> Error {
        use progenitor_client::Error as Generated;
        match error {
            Generated::CommunicationError(source)
            | Generated::ResponseBodyError(source)
            | Generated::InvalidUpgrade(source) => {
                if exceeds_limit(&source) {
                    Error::TooLarge { request_id, attempts: 1, limit: self.body_limit }
                } else {
                    Error::Transport { request_id, attempts: 1, source }
                }
            }
            Generated::InvalidResponsePayload(body, source) => secrets.undecodable(&body, source, request_id),
            Generated::UnexpectedResponse(response) => secrets.status(response, request_id).await,
            // There are none: build.rs takes the responses that would become one out of the contract.
            Generated::ErrorResponse(answer) => {
                Error::Status { status: answer.status(), request_id, attempts: 1, fault: None, text: String::new() }
            }
            // The values were checked before, more strictly.
            Generated::InvalidRequest(reason) | Generated::Custom(reason) => {
                Error::InvalidRequest { parameter: "request".to_owned(), reason }
            }
        }
    }
}

/// What the generated client has for it, but told at once that all is UTF-8: finding that out for each
/// string by itself is a seventh of the work.
pub(crate) async fn decode<T: DeserializeOwned, E>(
    mut response: Response,
) -> Result<ResponseValue<T>, progenitor_client::Error<E>> {
    let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
    let body = response.bytes().await.map_err(progenitor_client::Error::ResponseBodyError)?;
    let decoded = match str::from_utf8(&body) {
        Ok(text) => serde_json::from_str(text),
        // The error says where.
        Err(_) => serde_json::from_slice(&body),
    };
    match decoded {
        Ok(value) => Ok(ResponseValue::new(value, status, headers)),
        Err(error) => Err(progenitor_client::Error::InvalidResponsePayload(body, error)),
    }
}

fn exceeds_limit(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.is::<LengthLimitError>() {
            return true;
        }
        source = cause.source();
    }
    false
}

/// After how much of an error's body no more of it is read, in bytes.
const ERROR_BODY_LIMIT: usize = 64 * 1024;

/// The start of a body. One that breaks off is as good: the status decides.
async fn start_of(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let (true, Ok(Some(chunk))) = (body.len() < ERROR_BODY_LIMIT, response.chunk().await) {
        body.extend_from_slice(&chunk);
    }
    body
}

/// What must not get into an error, even where a server has sent it back: the token.
#[derive(Clone, Copy)]
struct Secrets<'a>(Option<&'a HeaderValue>);

impl Secrets<'_> {
    fn redact(self, text: &str) -> String {
        let token = self.0.and_then(|token| token.to_str().ok()).unwrap_or_default();
        // An encoding may have put escapes between its parts.
        let parts = token.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| part.len() >= 16);
        // A shorter one is no token of Keystone's, and could be part of any word.
        let whole = Some(token).filter(|token| token.len() >= 8);
        whole.into_iter().chain(parts).fold(text.to_owned(), |text, part| text.replace(part, "[token]"))
    }

    /// One line of plain text, without the token.
    fn clean(self, text: &str) -> String {
        plain_text(&self.redact(text))
    }

    fn request_id(self, headers: &HeaderMap) -> Option<String> {
        Some(self.clean(&String::from_utf8_lossy(headers.get(X_OPENSTACK_REQUEST_ID)?.as_bytes())))
    }

    fn undecodable(self, body: &[u8], source: serde_json::Error, request_id: Option<String>) -> Error {
        // It quotes values of the body.
        let said = source.to_string();
        let clean = self.redact(&said);
        let source = if clean == said { source } else { serde::de::Error::custom(clean) };
        Error::Undecodable { request_id, attempts: 1, text: cut(&self.redact(&String::from_utf8_lossy(body))), source }
    }

    async fn status(self, response: Response, request_id: Option<String>) -> Error {
        let status = response.status();
        if status.is_redirection() {
            let location =
                response.headers().get(LOCATION).map(|location| String::from_utf8_lossy(location.as_bytes()));
            let target = location.map(|location| format!(" to {}", self.clean(&location))).unwrap_or_default();
            let text = format!("a redirect{target}: redirects are not followed, since they would take the token along");
            return Error::Status { status, request_id, attempts: 1, fault: None, text };
        }
        let body = start_of(response).await;
        let (fault, request_id_in_body) = read_fault(&body, |text| self.clean(text)).unzip();
        Error::Status {
            status,
            request_id: request_id.or(request_id_in_body.flatten()),
            attempts: 1,
            fault: fault.map(Box::new),
            text: self.clean(&String::from_utf8_lossy(&body)),
        }
    }
}

/// What the hooks know of the request at hand.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    token: Option<HeaderValue>,
    microversion: Option<HeaderValue>,
    body_limit: usize,
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

    async fn exec(&self, request: reqwest::Request, _: &OperationInfo) -> reqwest::Result<Response> {
        let response: http::Response<reqwest::Body> = self.client.execute(request).await?.into();
        self.inner.headers.get_or_init(|| response.headers().clone());
        // This body is unpacked already, so that the limit holds for what memory has to hold.
        Ok(response.map(|body| reqwest::Body::wrap(Limited::new(body, self.inner.body_limit))).into())
    }
}
