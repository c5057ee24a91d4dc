//! [`Error`]: the error of a request or a listing.

mod connection;
mod retryable;

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use serde::{Deserialize, Serialize};

use crate::query::{Cursor, InvalidValue, Microversion};

/// The error of a request or a listing.
///
/// `Display` is one line that states what happened; the [`source`](StdError::source), if there is one, has the details.
/// `Debug` adds the causes, one per line; a `main` that returns the error prints that. No error has a secret, even if a
/// server sends it back: a text that contains one is withheld.
///
/// [The guide](crate::guide::errors#what-to-do) has the cause of each error and what to do about it.
#[non_exhaustive]
pub enum Error {
    /// The client can't be built from these settings.
    #[non_exhaustive]
    InvalidConfig {
        /// The builder's method, such as `endpoint`; for a setting of the environment or of clouds.yaml also `cloud`,
        /// `profile`, `file`, `environment`, `auth_type`, `auth_url`, `cacert` or `insecure`.
        setting: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The request can't be sent as it is. Nothing was sent.
    #[non_exhaustive]
    InvalidRequest {
        /// The parameter's name on the wire, such as `name~`; or a method of [`ListBackups`](crate::ListBackups) that
        /// is not a parameter, such as `concurrency`.
        parameter: String,
        /// What is wrong.
        reason: String,
    },
    /// There was no response, or it broke off.
    #[non_exhaustive]
    Transport {
        /// The request id, where a response had begun.
        request_id: Option<String>,
        /// How many attempts the page took.
        attempts: u32,
        /// A `reqwest::Error`, unless it contains a secret that a server sent back.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The status of the response was not 200.
    #[non_exhaustive]
    Status {
        /// The HTTP status.
        status: StatusCode,
        /// The id under which the service has logged the request.
        request_id: Option<String>,
        /// How many attempts the page took.
        attempts: u32,
        /// What the body states, where it is a fault.
        fault: Option<Box<Fault>>,
        /// The start of the body as plain text.
        text: String,
        /// Whether the fault states that the marker's backup does not exist.
        marker_gone: bool,
        /// See [`Error::retry_after`].
        retry_after: Option<Duration>,
    },
    /// The response is a redirect. Redirects are not followed: they would take the token along.
    #[non_exhaustive]
    Redirect {
        /// The HTTP status.
        status: StatusCode,
        /// Where it points.
        location: Option<String>,
        /// The id under which the service has logged the request.
        request_id: Option<String>,
        /// How many attempts the page took.
        attempts: u32,
    },
    /// The status of the response was 200, but its body is not what was requested, such as a list of backups.
    #[non_exhaustive]
    Undecodable {
        /// The id under which the service has logged the request.
        request_id: Option<String>,
        /// How many attempts the page took.
        attempts: u32,
        /// The start of the body.
        text: String,
        /// Whether the body was cut off by the end of the connection.
        truncated: bool,
        /// What is wrong, and where.
        source: serde_json::Error,
    },
    /// The body of the response is larger than the client's
    /// [`body_limit`](crate::ClientBuilder::body_limit).
    #[non_exhaustive]
    TooLarge {
        /// The id under which the service has logged the request.
        request_id: Option<String>,
        /// How many attempts the page took.
        attempts: u32,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The page took longer than the client's [`page_deadline`](crate::ClientBuilder::page_deadline).
    #[non_exhaustive]
    PageDeadline {
        /// How many attempts the page took.
        attempts: u32,
        /// The error of the last attempt that ended, if there was one.
        last: Option<Box<Error>>,
    },
    /// The [provider](crate::TokenProvider) returned no usable token.
    ///
    /// If its cause is an error of this crate, such as that of signing in again, methods such as
    /// [`status`](Self::status) return the cause's.
    #[non_exhaustive]
    Token {
        /// What the provider reports, or what is wrong with its token.
        source: Arc<dyn StdError + Send + Sync>,
    },
    /// Signing in failed: the identity service did not respond with a token.
    ///
    /// Methods such as [`status`](Self::status) return the cause's.
    #[non_exhaustive]
    SignIn {
        /// The address of the identity service.
        auth_url: String,
        /// What went wrong.
        source: Box<Error>,
    },
    /// The response does not state that the microversion of the request was applied, so the service may have ignored a
    /// filter. None of its backups was yielded.
    ///
    /// Where a gateway strips the header, see
    /// [`trust_microversion`](crate::ClientBuilder::trust_microversion).
    #[non_exhaustive]
    MicroversionNotHonored {
        /// The microversion of the request.
        required: Microversion,
        /// The microversion that the response states, if any.
        answered: Option<Microversion>,
        /// The id under which the service has logged the request.
        request_id: Option<String>,
        /// How many attempts the page took.
        attempts: u32,
    },
    /// The listing can't continue: the next link has no usable cursor, the links form a cycle, or a page does
    /// not follow the one before it. All backups that were yielded before are right.
    #[non_exhaustive]
    Pagination {
        /// The id under which the service has logged the request.
        request_id: Option<String>,
        /// What is wrong.
        reason: String,
        /// See [`Error::cursor`].
        cursor: Option<Cursor>,
    },
}

/// What the service, or a gateway in front of it, states about a failed request, in whichever shape.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Fault {
    /// The fault's name, such as `itemNotFound` or `Unauthorized`.
    pub kind: Option<String>,
    /// The fault's code: the HTTP status (`404`) or the vendor's (`VolumeBackup.0123`).
    pub code: Option<String>,
    /// What went wrong, as plain text.
    pub message: String,
}

impl Error {
    pub(crate) fn invalid_config(setting: &'static str, reason: impl Into<String>) -> Self {
        Self::InvalidConfig { setting, reason: reason.into() }
    }

    pub(crate) fn pagination(request_id: Option<&str>, reason: impl Into<String>) -> Self {
        Self::Pagination { request_id: request_id.map(str::to_owned), reason: reason.into(), cursor: None }
    }

    /// Valid JSON with the wrong content.
    pub(crate) fn undecodable(request_id: Option<String>, message: impl fmt::Display) -> Self {
        let source = serde::de::Error::custom(message);
        Self::Undecodable { request_id, attempts: 1, text: String::new(), truncated: false, source }
    }

    /// The HTTP status, if a response had another status than 200.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status { status, .. } | Self::Redirect { status, .. } => Some(*status),
            _ => self.cause()?.status(),
        }
    }

    /// The id under which the service has logged the request, to quote to its operator.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Transport { request_id, .. }
            | Self::Status { request_id, .. }
            | Self::Redirect { request_id, .. }
            | Self::Undecodable { request_id, .. }
            | Self::TooLarge { request_id, .. }
            | Self::MicroversionNotHonored { request_id, .. }
            | Self::Pagination { request_id, .. } => request_id.as_deref(),
            _ => self.cause()?.request_id(),
        }
    }

    /// How many attempts the page took: more than one after transient faults, 0 without a request or a token, 1 if a
    /// page was fetched and is wrong.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        match self {
            Self::Transport { attempts, .. }
            | Self::Status { attempts, .. }
            | Self::Undecodable { attempts, .. }
            | Self::TooLarge { attempts, .. }
            | Self::Redirect { attempts, .. }
            | Self::MicroversionNotHonored { attempts, .. }
            | Self::PageDeadline { attempts, .. } => *attempts,
            Self::SignIn { source, .. } => source.attempts(),
            Self::InvalidConfig { .. } | Self::InvalidRequest { .. } | Self::Token { .. } => 0,
            Self::Pagination { .. } => 1,
        }
    }

    /// Sets the number of attempts.
    pub(crate) fn with_attempts(mut self, made: u32) -> Self {
        if let Self::Transport { attempts, .. }
        | Self::Status { attempts, .. }
        | Self::Undecodable { attempts, .. }
        | Self::TooLarge { attempts, .. }
        | Self::Redirect { attempts, .. }
        | Self::MicroversionNotHonored { attempts, .. } = &mut self
        {
            *attempts = made;
        }
        self
    }

    /// Where to resume the listing with [`resume_at`](crate::ListBackups::resume_at), if that is not the last page's
    /// [`cursor`](crate::Page::cursor). Currently always `None`: listings continue by themselves where they can.
    #[must_use]
    pub fn cursor(&self) -> Option<&Cursor> {
        match self {
            Self::Pagination { cursor, .. } => cursor.as_ref(),
            _ => None,
        }
    }

    /// The fault in the response's body, if it has one.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Status { fault, .. } => fault.as_deref(),
            _ => self.cause()?.fault(),
        }
    }

    /// Whether the token, or the credentials that sign in, were not accepted (status 401).
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        self.status() == Some(StatusCode::UNAUTHORIZED)
    }

    /// Whether the token's roles do not suffice (status 403).
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.status() == Some(StatusCode::FORBIDDEN)
    }

    /// Whether something does not exist (status 404): the backup to [show](crate::Client::show_backup), that of the
    /// marker, or the endpoint. See [`is_marker_gone`](Self::is_marker_gone).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(StatusCode::NOT_FOUND)
    }

    /// Whether the marker's backup does not exist: a status 404 whose fault names it.
    #[must_use]
    pub fn is_marker_gone(&self) -> bool {
        matches!(self, Self::Status { marker_gone: true, .. })
    }

    /// Whether the project of the endpoint is not the token's (status 400, "Malformed request url").
    #[must_use]
    pub fn is_wrong_project(&self) -> bool {
        self.status() == Some(StatusCode::BAD_REQUEST)
            && self.fault().is_some_and(|fault| fault.message.eq_ignore_ascii_case("malformed request url"))
    }

    /// Whether the request was refused as invalid: by the service (status 400), or before it was sent
    /// ([`InvalidRequest`](Self::InvalidRequest)).
    #[must_use]
    pub fn is_invalid_request(&self) -> bool {
        matches!(self, Self::InvalidRequest { .. }) || self.status() == Some(StatusCode::BAD_REQUEST)
    }

    /// Whether a timeout or deadline of this client has passed. A server's own timeouts are the statuses 408 and 504.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::PageDeadline { .. } => true,
            Self::Transport { .. } => self.by_reqwest().is_some_and(reqwest::Error::is_timeout),
            _ => self.cause().is_some_and(Self::is_timeout),
        }
    }

    /// The error that this one wraps: that of signing in, or one of this crate that a provider of tokens returned.
    pub(crate) fn cause(&self) -> Option<&Self> {
        match self {
            Self::SignIn { source, .. } => Some(source),
            Self::Token { source } => source.downcast_ref().or_else(|| source.source()?.downcast_ref()),
            _ => None,
        }
    }

    pub(crate) fn by_reqwest(&self) -> Option<&reqwest::Error> {
        match self {
            Self::Transport { source, .. } => source.downcast_ref(),
            _ => None,
        }
    }
}

impl From<InvalidValue> for Error {
    fn from(invalid: InvalidValue) -> Self {
        Self::InvalidRequest { parameter: invalid.parameter.to_owned(), reason: invalid.reason }
    }
}

/// The causes of an error, outermost first. `io::Error::source` skips the error that it wraps.
pub(crate) fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| {
        let error: &'a (dyn StdError + 'static) = *error;
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        }
    })
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The cause prints its attempts and request id.
            Self::SignIn { auth_url, source } => {
                write!(f, "could not sign in at {auth_url}: ")?;
                return match &**source {
                    Self::Undecodable { text, source, .. } if source.line() != 0 || !text.is_empty() => {
                        write!(f, "the response is not that of an identity service; it starts with {text:?}")
                    }
                    source => {
                        source.fmt(f)?;
                        // Keystone responds with 201.
                        f.write_str(match source.status().map(|status| status.as_u16()) {
                            Some(200) => "; this is not an identity service",
                            Some(401) => "; the credentials may be wrong, or the user may have no role in the project",
                            Some(404) => {
                                "; the application credential may have been deleted, or there is no identity service \
                                 at this address"
                            }
                            _ => "",
                        })
                    }
                };
            }
            Self::InvalidConfig { reason, .. } => f.write_str(reason),
            Self::InvalidRequest { parameter, reason } => write!(f, "invalid parameter {parameter}: {reason}"),
            Self::Transport { source, .. } => match self.by_reqwest() {
                Some(source) => connection::describe(f, source),
                None => write!(f, "the request failed: {source}"),
            },
            Self::Status { status, fault, text, .. } => {
                write!(f, "the service responded {status}")?;
                match fault {
                    Some(fault) => write!(f, ": {}", fault.message),
                    None if text.is_empty() => Ok(()),
                    None => write!(f, ": {text}"),
                }
            }
            Self::Redirect { status, location, .. } => {
                let target = location.as_ref().map(|location| format!(" to {location}")).unwrap_or_default();
                write!(f, "the service responded {status}, a redirect{target}, which is not followed")
            }
            // Valid JSON with the wrong content: the source says all.
            Self::Undecodable { source, .. } if source.line() == 0 => source.fmt(f),
            Self::Undecodable { text, source, .. } => write!(
                f,
                "the response is not what was requested (line {}, column {}); it starts with {text:?}",
                source.line(),
                source.column()
            ),
            Self::TooLarge { limit, .. } => write!(f, "the body of the response exceeds {limit} bytes"),
            Self::PageDeadline { .. } => f.write_str("page deadline exceeded"),
            Self::Token { source } => return write!(f, "could not obtain a token: {source}"),
            Self::MicroversionNotHonored { required, answered: Some(applied), .. } => {
                write!(f, "the request needs microversion {required}, but the service applied {applied}")
            }
            Self::MicroversionNotHonored { required, answered: None, .. } => {
                write!(
                    f,
                    "the request needs microversion {required}, but the response does not state which was applied"
                )
            }
            Self::Pagination { reason, .. } => write!(f, "the listing can't continue: {reason}"),
        }?;
        match (self.attempts(), self.request_id()) {
            (0 | 1, None) => Ok(()),
            (0 | 1, Some(request_id)) => write!(f, " (request id {request_id})"),
            (attempts, None) => write!(f, " ({attempts} attempts)"),
            (attempts, Some(request_id)) => {
                write!(f, " ({attempts} attempts, request id {request_id})")
            }
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = self.to_string();
        f.write_str(&line)?;
        for cause in causes(self).skip(1).map(ToString::to_string) {
            // Does not repeat a cause that the line before contains.
            if !line.contains(&cause) {
                write!(f, "\ncaused by: {cause}")?;
                line = cause;
            }
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Transport { source, .. } => Some(&**source),
            Self::Undecodable { source, .. } => Some(source),
            Self::Token { source } => Some(&**source),
            Self::SignIn { source, .. } => source.source(),
            Self::PageDeadline { last, .. } => last.as_deref().map(|last| last as _),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_small() {
        assert!(std::mem::size_of::<Error>() <= 128, "{}", std::mem::size_of::<Error>());
    }
}
