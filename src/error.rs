//! [`Error`], and reading what servers say about one.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use reqwest::StatusCode;
use serde_json::{Map, Value};

use crate::Fault;
use crate::microversion::Microversion;

/// Why there is no list, or no more of it.
///
/// `Display` is one line that says what happened; the [`source`](StdError::source), where there is
/// one, says more. No error has the token in it, not even where a server has sent it back.
///
/// # Troubleshooting
///
/// - [`is_unauthorized`](Self::is_unauthorized): the token is missing, malformed, expired or
///   revoked (Cinder answers all four alike). Get a new one. A revoked token can work for another
///   five minutes on some of the service's processes.
/// - [`is_forbidden`](Self::is_forbidden): the token's roles do not allow listing backups.
/// - status 400 "Malformed request url": the project of the endpoint is not the token's.
/// - status 400 "Invalid filters": the operator has not enabled this filter for plain users.
/// - [`is_not_found`](Self::is_not_found): the marker's backup does not exist any more, or the
///   endpoint is not that of a Block Storage service.
/// - status 406 and [`MicroversionNotHonored`](Self::MicroversionNotHonored): the service is older
///   than a parameter of the request; the parameter's docs have the microversion it needs.
/// - [`is_retryable`](Self::is_retryable): the same request may work later.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The client can't be built from these settings.
    #[non_exhaustive]
    InvalidConfig {
        /// The builder's method that was given it, such as `endpoint`.
        setting: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The request can't be sent as it is. Nothing was sent.
    #[non_exhaustive]
    InvalidRequest {
        /// The parameter's name on the wire, such as `name~`.
        parameter: String,
        /// What is wrong.
        reason: String,
    },
    /// There was no answer, or it broke off.
    #[non_exhaustive]
    Transport {
        /// The request id, where an answer had begun.
        request_id: Option<String>,
        /// How often the page was asked for.
        attempts: u32,
        /// What reqwest says.
        source: reqwest::Error,
    },
    /// The answer was not 200.
    #[non_exhaustive]
    Status {
        /// The HTTP status.
        status: StatusCode,
        /// The id under which the service has logged the request.
        request_id: Option<String>,
        /// How often the page was asked for.
        attempts: u32,
        /// What the body says, where it is a fault.
        fault: Option<Box<Fault>>,
        /// The start of the body as plain text; of a redirect, that it is one and where it points.
        text: String,
    },
    /// The answer was 200, but its body is not a list of backups.
    #[non_exhaustive]
    Undecodable {
        /// The id under which the service has logged the request.
        request_id: Option<String>,
        /// How often the page was asked for.
        attempts: u32,
        /// The start of the body.
        text: String,
        /// What is wrong, and where.
        source: serde_json::Error,
    },
    /// The body of the answer is larger than the client's
    /// [`body_limit`](crate::ClientBuilder::body_limit).
    #[non_exhaustive]
    TooLarge {
        /// The id under which the service has logged the request.
        request_id: Option<String>,
        /// How often the page was asked for.
        attempts: u32,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The page was not there by the client's
    /// [`page_deadline`](crate::ClientBuilder::page_deadline).
    #[non_exhaustive]
    PageDeadline {
        /// How often the page was asked for.
        attempts: u32,
        /// What the attempt before the last one came to, if there was one.
        last: Option<Box<Error>>,
    },
    /// There is no token: its [provider](crate::TokenProvider) has failed.
    #[non_exhaustive]
    Token {
        /// What the provider says.
        source: Arc<dyn StdError + Send + Sync>,
    },
    /// The request needs a microversion that the answer does not say it has applied, so that the
    /// service may have ignored a filter. No row of the answer was given out.
    ///
    /// A gateway that strips the header can be told of by
    /// [`trust_microversion`](crate::ClientBuilder::trust_microversion).
    MicroversionNotHonored {
        /// The microversion that was asked for.
        required: Microversion,
        /// The one that the answer says was applied, if it says so.
        answered: Option<Microversion>,
    },
    /// The answer says that there is more, but not how to get at it, or leads round in a circle.
    #[non_exhaustive]
    Pagination {
        /// The id under which the service has logged the request.
        request_id: Option<String>,
        /// What is wrong.
        reason: String,
        /// Where the walk can be taken up, where that is not the last page's
        /// [`next_marker`](crate::Page::next_marker).
        resume_marker: Option<String>,
    },
}

impl Error {
    pub(crate) fn pagination(request_id: Option<&str>, reason: impl Into<String>) -> Self {
        Self::Pagination { request_id: request_id.map(str::to_owned), reason: reason.into(), resume_marker: None }
    }

    /// The HTTP status, where there was an answer with another status than 200.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The id under which the service has logged the request, to quote to its operator.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Transport { request_id, .. }
            | Self::Status { request_id, .. }
            | Self::Undecodable { request_id, .. }
            | Self::TooLarge { request_id, .. }
            | Self::Pagination { request_id, .. } => request_id.as_deref(),
            _ => None,
        }
    }

    /// How often the page was asked for, as far as the error knows: more than once where there were
    /// transient faults, 0 where it was not asked for.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        match self {
            Self::Transport { attempts, .. }
            | Self::Status { attempts, .. }
            | Self::Undecodable { attempts, .. }
            | Self::TooLarge { attempts, .. }
            | Self::PageDeadline { attempts, .. } => *attempts,
            Self::InvalidConfig { .. } | Self::InvalidRequest { .. } | Self::Token { .. } => 0,
            Self::MicroversionNotHonored { .. } | Self::Pagination { .. } => 1,
        }
    }

    /// The same error after so many attempts.
    pub(crate) fn after(mut self, made: u32) -> Self {
        if let Self::Transport { attempts, .. }
        | Self::Status { attempts, .. }
        | Self::Undecodable { attempts, .. }
        | Self::TooLarge { attempts, .. } = &mut self
        {
            *attempts = made;
        }
        self
    }

    /// Where a walk that has lost its place can be taken up, with
    /// [`resume_at`](crate::ListBackups::resume_at): the start of the page whose rows are all gone.
    #[must_use]
    pub fn resume_marker(&self) -> Option<&str> {
        match self {
            Self::Pagination { resume_marker, .. } => resume_marker.as_deref(),
            _ => None,
        }
    }

    /// What the service or a gateway in front of it says is wrong, where its body is a fault.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Status { fault, .. } => fault.as_deref(),
            _ => None,
        }
    }

    /// Whether the token was not accepted (status 401).
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        self.status() == Some(StatusCode::UNAUTHORIZED)
    }

    /// Whether the token's roles are not enough (status 403).
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.status() == Some(StatusCode::FORBIDDEN)
    }

    /// Whether the marker's backup, or the endpoint, does not exist (status 404).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(StatusCode::NOT_FOUND)
    }

    /// Whether a timeout or deadline of this client has run out, as with reqwest. A server's own
    /// timeouts are the statuses 408 and 504.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::Transport { source, .. } => source.is_timeout(),
            Self::PageDeadline { .. } => true,
            _ => false,
        }
    }

    /// Whether the same request may work later: a connection that failed or broke off, a timeout,
    /// and the statuses 408, 429, 500, 502, 503 and 504.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Transport { source, .. } => !source.is_builder(),
            Self::PageDeadline { .. } => true,
            Self::Status { status, .. } => {
                matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidConfig { setting, reason } => write!(f, "invalid {setting}: {reason}"),
            Self::InvalidRequest { parameter, reason } => {
                write!(f, "invalid parameter {parameter}: {reason}")
            }
            Self::Transport { source, .. } if source.is_timeout() => f.write_str("the request timed out"),
            Self::Transport { source, .. } if source.is_connect() => f.write_str("could not connect to the service"),
            Self::Transport { source, .. } if source.is_body() || source.is_decode() => {
                f.write_str("the answer broke off")
            }
            Self::Transport { .. } => f.write_str("the request failed"),
            Self::Status { status, fault, text, .. } => {
                write!(f, "the service answered {status}")?;
                match fault {
                    Some(fault) => write!(f, ": {}", fault.message),
                    None if text.is_empty() => Ok(()),
                    None => write!(f, ": {text}"),
                }
            }
            Self::Undecodable { text, source, .. } => write!(
                f,
                "the answer is not a list of backups (line {}, column {}); it starts with {text:?}",
                source.line(),
                source.column()
            ),
            Self::TooLarge { limit, .. } => write!(f, "the answer has more than {limit} bytes"),
            Self::PageDeadline { .. } => f.write_str("the page was not there in time"),
            Self::Token { .. } => f.write_str("there is no token"),
            Self::MicroversionNotHonored { required, answered: Some(answered) } => {
                write!(f, "the request needs microversion {required}, but the service has applied {answered}")
            }
            Self::MicroversionNotHonored { required, answered: None } => {
                write!(f, "the request needs microversion {required}, but the answer does not say which was applied")
            }
            Self::Pagination { reason, .. } => {
                write!(f, "there is no way on to the next page: {reason}")
            }
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

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Transport { source, .. } => Some(source),
            Self::Undecodable { source, .. } => Some(source),
            Self::Token { source } => Some(&**source),
            Self::PageDeadline { last, .. } => last.as_deref().map(|last| last as _),
            _ => None,
        }
    }
}

/// Reads a fault, and the request id that some gateways write into the body, from whichever of
/// the contract's shapes it is in. Every text of it is cleaned once it is decoded.
pub(crate) fn read_fault(body: &[u8], clean: impl Fn(&str) -> String) -> Option<(Fault, Option<String>)> {
    let Value::Object(body) = serde_json::from_slice(body).ok()? else {
        return None;
    };
    let word = |object: &Map<String, Value>, key: &str| word(object, key).map(|text| clean(&text));
    let request_id = word(&body, "request_id");
    let fault = if let Some(message) = word(&body, "error_msg") {
        Fault { kind: None, code: word(&body, "error_code"), message }
    } else if let Some(message) = word(&body, "message") {
        // `code` is the whole status line here: "404 Not Found".
        let code = word(&body, "code").map(|code| code.split(' ').next().unwrap_or_default().to_owned());
        Fault { kind: word(&body, "title"), code, message }
    } else {
        let (key, fault) = body.iter().find_map(|(key, value)| Some((key, value.as_object()?)))?;
        let kind = if key == "error" { word(fault, "title") } else { Some(clean(key)) };
        Fault { kind, code: word(fault, "code"), message: word(fault, "message")? }
    };
    Some((fault, request_id))
}

fn word(object: &Map<String, Value>, key: &str) -> Option<String> {
    match object.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// How much of a server's text goes into an error, in characters.
const TEXT_LIMIT: usize = 500;

/// One line of plain text: without HTML, control characters and runs of blanks, cut where it gets
/// too long to read.
pub(crate) fn plain_text(text: &str) -> String {
    let text = without_tags(text);
    let text = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&nbsp;", " "), ("&amp;", "&")]
        .iter()
        .fold(text, |text, (entity, character)| text.replace(entity, character));
    let words: Vec<_> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    cut(&words.join(" "))
}

/// The start of a text, as it is.
pub(crate) fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_LIMIT) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Puts a blank in the place of each tag. A `<` that opens none stays.
fn without_tags(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, tag)) = rest.split_once('<') {
        plain.push_str(before);
        if !tag.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!') {
            plain.push('<');
            rest = tag;
            continue;
        }
        // What these hold is not for people.
        let end = match tag.get(..5).map(str::to_ascii_lowercase).as_deref() {
            Some("style") => "</style>",
            Some("scrip") => "</script>",
            _ => ">",
        };
        match (tag.split_once(end), end) {
            (Some((_, after)), _) => {
                plain.push(' ');
                rest = after;
            }
            // There is no other end further on: looking for it at every tag would take forever.
            (None, ">") => return plain + "<" + tag,
            (None, _) => return plain,
        }
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(body: &str) -> Option<(Option<String>, Option<String>, String)> {
        read_fault(body.as_bytes(), plain_text).map(|(fault, _)| (fault.kind, fault.code, fault.message))
    }

    fn some(kind: Option<&str>, code: Option<&str>, message: &str) -> Option<(Option<String>, Option<String>, String)> {
        Some((kind.map(str::to_owned), code.map(str::to_owned), message.to_owned()))
    }

    #[test]
    fn reads_every_shape() {
        assert_eq!(
            fault(r#"{"badRequest":{"code":400,"message":"Invalid filters name~ are found in query options."}}"#),
            some(Some("badRequest"), Some("400"), "Invalid filters name~ are found in query options.")
        );
        assert_eq!(
            fault(
                r#"{"error":{"code":401,"title":"Unauthorized","message":"The request you have made requires authentication."}}"#
            ),
            some(Some("Unauthorized"), Some("401"), "The request you have made requires authentication.")
        );
        assert_eq!(
            fault(
                r#"{"message":"The resource could not be found.<br /><br />\n\n\n","code":"404 Not Found","title":"Not Found"}"#
            ),
            some(Some("Not Found"), Some("404"), "The resource could not be found.")
        );
        let gateway =
            r#"{"error_msg":"Incorrect IAM authentication information","error_code":"APIGW.0301","request_id":"r1"}"#;
        assert_eq!(fault(gateway), some(None, Some("APIGW.0301"), "Incorrect IAM authentication information"));
        assert_eq!(read_fault(gateway.as_bytes(), plain_text).and_then(|(_, id)| id).as_deref(), Some("r1"));
        assert_eq!(
            fault(r#"{"error":{"message":"no such backup","code":"VolumeBackup.0123"}}"#),
            some(None, Some("VolumeBackup.0123"), "no such backup")
        );
    }

    #[test]
    fn knows_what_is_no_fault() {
        for body in [
            "",
            "null",
            "[]",
            "{}",
            "\"text\"",
            "<html></html>",
            r#"{"badRequest":"no"}"#,
            r#"{"error":{"code":401}}"#,
            "{\"a\":",
        ] {
            assert_eq!(fault(body), None, "{body}");
        }
        assert_eq!(read_fault(b"\xff\xfe", plain_text), None);
    }

    #[test]
    fn makes_one_plain_line() {
        assert_eq!(
            plain_text("<html><head><title>414</title><style>p { x: 1 }</style></head>\r\n<p>Too &lt;long&gt;</p>"),
            "414 Too <long>"
        );
        assert_eq!(plain_text("limit < 5 and > 3 <"), "limit < 5 and > 3 <");
        assert_eq!(plain_text("a<b unclosed"), "a<b unclosed");
        assert_eq!(plain_text("bell\u{7} and \u{1b}[31mred"), "bell and [31mred");
        assert_eq!(plain_text("a <style>never ends"), "a");
        assert_eq!(plain_text("a < b <i>c</i> <d"), "a < b c <d");
        assert_eq!(plain_text(&"\u{e9}".repeat(TEXT_LIMIT + 1)).chars().count(), TEXT_LIMIT + 3);
    }

    /// In time that grows with the text, not with its square.
    #[test]
    fn takes_on_any_text() {
        for tag in ["<", "<a", "< ", "<style", "<a>", "</", "&lt;<"] {
            assert!(plain_text(&tag.repeat(300_000)).len() <= 4 * TEXT_LIMIT);
        }
    }

    #[test]
    fn is_small() {
        assert!(std::mem::size_of::<Error>() <= 128, "{}", std::mem::size_of::<Error>());
    }
}
