//! [`Call`]: one request of any operation, and its response. Lists, single objects and signing in are sent by it.

use std::error::Error as StdError;
use std::sync::{Arc, OnceLock};

use http_body_util::LengthLimitError;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_ENCODING, HeaderMap, HeaderValue};

use super::fault;
use super::hooks::{Head, RequestContext, Server};
use super::operation::Operation;
use super::retry::Failure;
use super::secrets::Secrets;
use crate::Error;
use crate::error::causes;
use crate::generated::{OPENSTACK_API_VERSION, X_AUTH_TOKEN};
use crate::query::{Microversion, Query};

/// One request of an operation.
pub(crate) struct Call<'a, O> {
    pub(crate) operation: &'a O,
    /// Where it is sent, without its path and query.
    pub(crate) endpoint: &'a str,
    pub(crate) http: &'a reqwest::Client,
    pub(crate) body_limit: usize,
    pub(crate) token: Option<HeaderValue>,
    pub(crate) microversion: Option<Microversion>,
    pub(crate) secrets: &'a Secrets,
    /// The number of the attempt, from 1.
    pub(crate) attempt: u32,
    /// How many times the request was sent before.
    pub(crate) resends: u32,
}

/// A successful response.
pub(crate) struct Received<'a, T> {
    pub(crate) body: T,
    pub(crate) head: &'a Head,
    pub(crate) request_id: Option<String>,
}

/// What the signals of a successful attempt state.
pub(crate) trait Traced {
    fn rows(&self) -> Option<usize>;
    fn request_id(&self) -> Option<&str>;
}

impl<O: Operation> Call<'_, O> {
    /// Sends the request and reads its response with `read`, which can fail, too.
    pub(crate) async fn send<T: Traced>(
        &self,
        read: impl FnOnce(Received<'_, O::Body>) -> Result<T, Error>,
    ) -> Result<T, Failure> {
        self.trace(self.exchange(read)).await
    }

    /// The headers of the request that are no parameters of the contract.
    fn headers(&self) -> HeaderMap {
        // Two numbers and a point are always a valid header value.
        let microversion = self.microversion.and_then(|version| version.to_header().try_into().ok());
        let headers = [(X_AUTH_TOKEN, self.token.clone()), (OPENSTACK_API_VERSION, microversion)];
        headers.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// Also returns the status of the response.
    async fn exchange<T>(
        &self,
        read: impl FnOnce(Received<'_, O::Body>) -> Result<T, Error>,
    ) -> (Option<StatusCode>, Result<T, Failure>) {
        let head = Arc::new(OnceLock::new());
        let context = RequestContext { headers: self.headers(), body_limit: self.body_limit, head: Arc::clone(&head) };
        let server = Server { endpoint: self.endpoint.to_owned(), http: self.http.clone(), context };
        let sent = self.operation.send(server).await;

        let head = head.get();
        if let Some(token) = head.and_then(|head| O::issued_token(&head.headers)) {
            self.secrets.add_token(token);
        }
        let request_id = head.and_then(|head| fault::request_id(&head.headers, self.secrets));
        let result = match (sent, head) {
            (Ok(body), Some(head)) => read(Received { body, head, request_id }),
            (Ok(_), None) => Err(Error::undecodable(request_id, "the response has no head")),
            (Err(error), head) => Err(self.error(error, head, request_id).await),
        };
        (head.map(|head| head.status), result.map_err(Failure::from))
    }

    /// The error of an unexpected response, or of a request without a response.
    async fn error(&self, error: progenitor_client::Error, head: Option<&Head>, request_id: Option<String>) -> Error {
        use progenitor_client::Error as Generated;
        match error {
            Generated::CommunicationError(source)
            | Generated::ResponseBodyError(source)
            | Generated::InvalidUpgrade(source) => {
                if causes(&source).any(<dyn StdError>::is::<LengthLimitError>) {
                    Error::TooLarge { request_id, attempts: 1, limit: self.body_limit }
                } else {
                    let source = fault::transport(source, self.endpoint, self.secrets);
                    Error::Transport { request_id, attempts: 1, source }
                }
            }
            Generated::InvalidResponsePayload(_, _)
                if head.is_some_and(|head| head.headers.contains_key(CONTENT_ENCODING)) =>
            {
                let encoding = head.and_then(|head| head.headers.get(CONTENT_ENCODING)?.to_str().ok());
                let encoding = self.secrets.one_line(encoding.unwrap_or_default());
                let reason = format!("the response has Content-Encoding {encoding:?}, which was not requested");
                Error::undecodable(request_id, reason)
            }
            Generated::InvalidResponsePayload(body, source) => {
                let truncated = source.is_eof() && head.is_some_and(|head| head.ends_with_connection);
                fault::undecodable(&body, &source, truncated, request_id, self.secrets)
            }
            Generated::UnexpectedResponse(response) => {
                let marker = self.operation.query().and_then(Query::marker);
                fault::of_status(response, request_id, marker, self.secrets).await
            }
            // Unreachable: the values were checked before, and build.rs leaves no error responses.
            Generated::ErrorResponse(_) | Generated::InvalidRequest(_) | Generated::Custom(_) => {
                Error::InvalidRequest { parameter: "request".to_owned(), reason: "it can't be built".to_owned() }
            }
        }
    }
}
