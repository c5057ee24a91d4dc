//! The signals of an attempt: a span by OpenTelemetry's conventions for HTTP clients, and an event with the outcome.
//! docs/signals.md documents all targets of this crate.

use std::borrow::Cow;
use std::fmt;

use reqwest::{StatusCode, Url};
use tokio::time::Instant;
use tracing::field::{Empty, display};
use tracing::{Instrument, Span};

use super::call::{Call, Traced};
use super::operation::{Operation, Route};
use super::retry::Failure;
use crate::Error;

impl<O: Operation> Call<'_, O> {
    /// Makes the attempt within its span, then emits the event. Neither costs anything if it is not enabled.
    pub(crate) async fn trace<T: Traced>(
        &self,
        attempt: impl Future<Output = (Option<StatusCode>, Result<T, Failure>)>,
    ) -> Result<T, Failure> {
        let (start, span) = (Instant::now(), self.span());
        let (status, outcome) = attempt.instrument(span.clone()).await;
        let status = status.map(|status| status.as_u16());
        let (response, error) = match &outcome {
            Ok(response) => (Some(response), None),
            Err(failure) => (None, Some(&failure.error)),
        };
        let request_id = response.map_or_else(|| error.and_then(Error::request_id), Traced::request_id);
        if !span.is_disabled() {
            span.record("http.response.status_code", status);
            span.record("openstack.request_id", request_id);
            if let Some(error) = error {
                span.record("error.type", &*error_type(error));
                span.record("otel.status_code", "ERROR");
            }
        }
        tracing::debug!(
            target: "vbs_client::request",
            operation = self.operation.route().id,
            host = server(self.endpoint).map(|(host, port)| display(format!("{host}:{port}"))),
            page = self.operation.page(),
            attempt = self.attempt,
            query = self.operation.query().map(|query| display(self.secrets.checked(&format!("{query:?}")).to_owned())),
            status,
            request_id,
            rows = response.and_then(Traced::rows),
            duration = ?start.elapsed(),
            error = error.map(|error| display(Cause(error))),
            "the attempt {}",
            if error.is_some() { "failed" } else { "succeeded" },
        );
        outcome
    }

    fn span(&self) -> Span {
        let Route { id, method, path } = self.operation.route();
        let span = tracing::debug_span!(
            target: "vbs_client::request",
            "request",
            otel.name = Empty,
            otel.kind = "client",
            otel.status_code = Empty,
            operation = id,
            http.request.method = method,
            http.request.resend_count = Some(self.resends).filter(|resends| *resends > 0),
            http.response.status_code = Empty,
            server.address = Empty,
            server.port = Empty,
            url.template = path,
            page = self.operation.page(),
            attempt = self.attempt,
            openstack.request_id = Empty,
            error.type = Empty,
        );
        if !span.is_disabled() {
            span.record("otel.name", display(format_args!("{method} {path}")));
            if let Some((host, port)) = server(self.endpoint) {
                span.record("server.address", host);
                span.record("server.port", port);
            }
        }
        span
    }
}

/// The host and the port of an endpoint.
fn server(endpoint: &str) -> Option<(String, u16)> {
    let url = Url::parse(endpoint).ok()?;
    Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
}

/// `error.type`: the status, or one of the words in docs/signals.md.
fn error_type(error: &Error) -> Cow<'static, str> {
    let word = match error {
        Error::Status { status, .. } | Error::Redirect { status, .. } => return status.as_str().to_owned().into(),
        Error::Transport { .. } if error.is_timeout() => "timeout",
        Error::Transport { .. } if error.by_reqwest().is_some_and(reqwest::Error::is_connect) => "connect",
        Error::Transport { .. } => "transport",
        Error::Undecodable { .. } => "undecodable",
        Error::TooLarge { .. } => "too_large",
        Error::MicroversionNotHonored { .. } => "microversion_not_honored",
        _ => "_OTHER",
    };
    word.into()
}

/// An error, with the detail that its text lacks.
struct Cause<'a>(&'a Error);

impl fmt::Display for Cause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        match self.0 {
            Error::Undecodable { source, .. } if source.line() != 0 => write!(f, ": {source}"),
            _ => Ok(()),
        }
    }
}
