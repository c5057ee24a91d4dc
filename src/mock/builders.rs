//! [`PageBuilder`] and [`ErrorBuilder`]: pages and errors without a server.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;

use crate::{Backup, Cursor, Error, Fault, Microversion, Page};

/// Makes a [`Page`] without a server.
///
/// # Examples
///
/// ```
/// use vbs_client::mock::{PageBuilder, Row};
/// use vbs_client::{Backup, BackupDetail, Cursor, Page};
///
/// let page: Page = PageBuilder::new([Row::new("id-2"), Row::new("id-1")]).count(7).cursor(Cursor::after("id-1")).build();
/// assert_eq!((page.backups.len(), page.count, page.next_marker()), (2, Some(7), Some("id-1")));
///
/// let last: Page<BackupDetail> = PageBuilder::new([Row::new("id-0").size(40)]).build();
/// assert!(last.is_last());
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct PageBuilder<T = Backup> {
    backups: Vec<T>,
    count: Option<u64>,
    cursor: Option<Cursor>,
    request_id: Option<String>,
    microversion: Option<Microversion>,
}

impl<T> PageBuilder<T> {
    /// A page with these backups: [`Row`](crate::mock::Row)s, or the rows of the page's type. It is the last page,
    /// unless it has a [`cursor`](Self::cursor).
    pub fn new(backups: impl IntoIterator<Item = impl Into<T>>) -> Self {
        let backups = backups.into_iter().map(Into::into).collect();
        Self { backups, count: None, cursor: None, request_id: None, microversion: None }
    }

    /// Sets how many backups match the filters. Default: none.
    pub fn count(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// Sets where the next page starts. Default: none, which makes it the last page.
    pub fn cursor(mut self, cursor: Cursor) -> Self {
        self.cursor = Some(cursor);
        self
    }

    /// Sets the id under which the service has logged the request. Default: none.
    pub fn request_id(mut self, request_id: impl Into<String>) -> Self {
        self.request_id = Some(request_id.into());
        self
    }

    /// Sets the microversion that the response states. Default: none.
    pub fn microversion(mut self, microversion: Microversion) -> Self {
        self.microversion = Some(microversion);
        self
    }

    /// Builds the page.
    #[must_use]
    pub fn build(self) -> Page<T> {
        let Self { backups, count, cursor, request_id, microversion } = self;
        Page { backups, count, next: Ok(cursor), request_id, microversion }
    }
}

/// Makes an [`Error`] without a server: of every kind but [`Error::Transport`], which only reqwest can make.
///
/// # Examples
///
/// ```
/// use vbs_client::mock::ErrorBuilder;
///
/// let busy = ErrorBuilder::status(503).attempts(4).request_id("req-1").build();
/// assert!(busy.is_retryable());
/// assert_eq!(busy.to_string(), "the service responded 503 Service Unavailable (4 attempts, request id req-1)");
///
/// assert!(ErrorBuilder::marker_gone("id-1").build().is_marker_gone());
/// ```
#[derive(Debug)]
#[must_use]
pub struct ErrorBuilder(Error);

impl ErrorBuilder {
    /// [`Error::InvalidConfig`], of the builder's method `setting`.
    pub fn invalid_config(setting: &'static str, reason: impl Into<String>) -> Self {
        Self(Error::invalid_config(setting, reason))
    }

    /// [`Error::InvalidRequest`], of the parameter with this name on the wire.
    pub fn invalid_request(parameter: impl Into<String>, reason: impl Into<String>) -> Self {
        Self(Error::InvalidRequest { parameter: parameter.into(), reason: reason.into() })
    }

    /// [`Error::Status`] with an HTTP status and without a [`fault`](Self::fault).
    ///
    /// # Panics
    ///
    /// Where the status is not in the range 100 to 999.
    pub fn status(status: u16) -> Self {
        Self(Error::Status {
            status: status_code(status),
            request_id: None,
            attempts: 1,
            fault: None,
            text: String::new(),
            marker_gone: false,
            retry_after: None,
        })
    }

    /// [`Error::Status`] 404, whose fault states that the backup with this id, the marker, does not exist.
    pub fn marker_gone(id: &str) -> Self {
        let mut builder = Self::status(404).fault("itemNotFound", "404", format!("Backup {id} could not be found."));
        if let Error::Status { marker_gone, .. } = &mut builder.0 {
            *marker_gone = true;
        }
        builder
    }

    /// [`Error::Redirect`], to this location.
    ///
    /// # Panics
    ///
    /// Where the status is not in the range 100 to 999.
    pub fn redirect(status: u16, location: impl Into<String>) -> Self {
        let (status, location) = (status_code(status), Some(location.into()));
        Self(Error::Redirect { status, location, request_id: None, attempts: 1 })
    }

    /// [`Error::Undecodable`], of a response whose body begins with this text.
    pub fn undecodable(body: impl Into<String>) -> Self {
        let text = body.into();
        let source = match serde_json::from_str::<crate::query::List<Backup>>(&text) {
            Err(source) => source,
            Ok(_) => serde::de::Error::custom("the response is not what was requested"),
        };
        Self(Error::Undecodable { request_id: None, attempts: 1, text, truncated: false, source })
    }

    /// [`Error::TooLarge`], with the limit in bytes.
    pub fn too_large(limit: usize) -> Self {
        Self(Error::TooLarge { request_id: None, attempts: 1, limit })
    }

    /// [`Error::PageDeadline`], after an attempt that ended with this error.
    pub fn page_deadline(last: impl Into<Option<Error>>) -> Self {
        Self(Error::PageDeadline { attempts: 1, last: last.into().map(Box::new) })
    }

    /// [`Error::Token`], with what the provider reports.
    pub fn token(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(Error::Token { source: Arc::from(source.into()) })
    }

    /// [`Error::SignIn`], with this cause.
    pub fn sign_in(auth_url: impl Into<String>, source: Error) -> Self {
        Self(Error::SignIn { auth_url: auth_url.into(), source: Box::new(source) })
    }

    /// [`Error::MicroversionNotHonored`], where the response states the second microversion, or none.
    pub fn microversion_not_honored(required: Microversion, answered: impl Into<Option<Microversion>>) -> Self {
        let answered = answered.into();
        Self(Error::MicroversionNotHonored { required, answered, request_id: None, attempts: 1 })
    }

    /// [`Error::Pagination`], without a [`cursor`](Self::cursor).
    pub fn pagination(reason: impl Into<String>) -> Self {
        Self(Error::pagination(None, reason))
    }

    /// Sets the fault of an [`Error::Status`]. Default: none.
    pub fn fault(mut self, kind: impl Into<String>, code: impl Into<String>, message: impl Into<String>) -> Self {
        if let Error::Status { fault, .. } = &mut self.0 {
            let stated = Fault { kind: Some(kind.into()), code: Some(code.into()), message: message.into() };
            *fault = Some(Box::new(stated));
        }
        self
    }

    /// Sets the start of the body as plain text, of an [`Error::Status`]. Default: empty.
    pub fn text(mut self, body: impl Into<String>) -> Self {
        if let Error::Status { text, .. } = &mut self.0 {
            *text = body.into();
        }
        self
    }

    /// Sets the delay before a retry that the response states, of an [`Error::Status`]. Default: none.
    pub fn retry_after(mut self, delay: Duration) -> Self {
        if let Error::Status { retry_after, .. } = &mut self.0 {
            *retry_after = Some(delay);
        }
        self
    }

    /// Makes the body of an [`Error::Undecodable`] one that was cut off by the end of the connection.
    pub fn truncated(mut self) -> Self {
        if let Error::Undecodable { truncated, .. } = &mut self.0 {
            *truncated = true;
        }
        self
    }

    /// Sets where the listing can be resumed, of an [`Error::Pagination`]. Default: none.
    pub fn cursor(mut self, at: Cursor) -> Self {
        if let Error::Pagination { cursor, .. } = &mut self.0 {
            *cursor = Some(at);
        }
        self
    }

    /// Sets how many attempts the page took, if the error has that number. Default: 1.
    pub fn attempts(mut self, made: u32) -> Self {
        match &mut self.0 {
            Error::PageDeadline { attempts, .. } => *attempts = made,
            _ => self.0 = self.0.with_attempts(made),
        }
        self
    }

    /// Sets the id under which the service has logged the request, if the error has one. Default: none.
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        if let Error::Transport { request_id, .. }
        | Error::Status { request_id, .. }
        | Error::Redirect { request_id, .. }
        | Error::Undecodable { request_id, .. }
        | Error::TooLarge { request_id, .. }
        | Error::MicroversionNotHonored { request_id, .. }
        | Error::Pagination { request_id, .. } = &mut self.0
        {
            *request_id = Some(id.into());
        }
        self
    }

    /// Builds the error.
    #[must_use]
    pub fn build(self) -> Error {
        self.0
    }
}

#[allow(clippy::expect_used)]
fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).expect("an HTTP status")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Does not compile until a new kind of error has a builder.
    #[test]
    fn every_kind_of_error_but_transport_has_a_builder() {
        let kind = |error: &Error| match error {
            Error::Transport { .. } => 0,
            Error::InvalidConfig { .. } => 1,
            Error::InvalidRequest { .. } => 2,
            Error::Status { .. } => 3,
            Error::Redirect { .. } => 4,
            Error::Undecodable { .. } => 5,
            Error::TooLarge { .. } => 6,
            Error::PageDeadline { .. } => 7,
            Error::Token { .. } => 8,
            Error::MicroversionNotHonored { .. } => 9,
            Error::Pagination { .. } => 10,
            Error::SignIn { .. } => 11,
        };
        let built = [
            ErrorBuilder::invalid_config("endpoint", "the endpoint has no host"),
            ErrorBuilder::invalid_request("limit", "it is 0"),
            ErrorBuilder::status(500),
            ErrorBuilder::redirect(302, "/login"),
            ErrorBuilder::undecodable("<html>"),
            ErrorBuilder::too_large(1),
            ErrorBuilder::page_deadline(None),
            ErrorBuilder::token("no password"),
            ErrorBuilder::microversion_not_honored(Microversion::new(3, 31), None),
            ErrorBuilder::pagination("the links form a cycle"),
            ErrorBuilder::sign_in("https://iam", ErrorBuilder::status(401).build()),
        ];
        let kinds: Vec<_> = built.iter().map(|builder| kind(&builder.0)).collect();
        assert_eq!(kinds, (1..=11).collect::<Vec<_>>());
    }
}
