//! The shapes of a fault in a failed response, and the errors made of them.

use std::error::Error as StdError;

use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Response, StatusCode, Url};
use serde_json::{Map, Value};

use super::plain_text::{MAX_TEXT, first_characters, shorten, without_controls};
use super::retry_after;
use super::secrets::{Secrets, WITHHELD};
use crate::error::causes;
use crate::generated::X_OPENSTACK_REQUEST_ID;
use crate::{Error, Fault};

/// The maximum of a body that is shown, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// How much more is read, to find a secret across the end of the shown part.
const MARGIN: usize = 1024;

pub(crate) fn request_id(headers: &HeaderMap, secrets: &Secrets) -> Option<String> {
    Some(secrets.one_line(&String::from_utf8_lossy(headers.get(X_OPENSTACK_REQUEST_ID)?.as_bytes())))
}

/// The error of a response with an unexpected status.
pub(crate) async fn of_status(
    response: Response,
    request_id: Option<String>,
    marker: Option<&str>,
    secrets: &Secrets,
) -> Error {
    let status = response.status();
    if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
        let location = response.headers().get(LOCATION);
        let location = location.map(|location| secrets.one_line(&String::from_utf8_lossy(location.as_bytes())));
        return Error::Redirect { status, location, request_id, attempts: 1 };
    }
    let delay = retry_after::in_headers(response.headers());
    let body = start_of_body(response).await;
    let json = serde_json::from_slice::<Map<String, Value>>(&body).ok();
    let (fault, request_id_in_body) = json.as_ref().and_then(read).unzip();
    let marker_gone = status == StatusCode::NOT_FOUND
        && marker.zip(fault.as_ref()).is_some_and(|(id, fault)| names_backup(&fault.message, id));
    Error::Status {
        status,
        request_id: request_id.or_else(|| Some(secrets.one_line(&request_id_in_body.flatten()?))),
        attempts: 1,
        text: secrets.one_line(&text_of_body(&body, secrets)),
        marker_gone,
        fault: fault.map(|fault| Box::new(shown(&fault, secrets))),
        retry_after: delay.or_else(|| retry_after::in_body(json.as_ref()?)),
    }
}

/// The error of a body that can't be decoded.
pub(crate) fn undecodable(
    body: &[u8],
    source: &serde_json::Error,
    truncated: bool,
    request_id: Option<String>,
    secrets: &Secrets,
) -> Error {
    // serde quotes refused values completely, and the path has the keys of maps.
    let message = source.to_string();
    let place = match source.line() {
        0 => String::new(),
        line => format!(" at line {line} column {}", source.column()),
    };
    let message = first_characters(message.strip_suffix(&place).unwrap_or(&message), 2 * MAX_TEXT);
    let source = serde::de::Error::custom(secrets.one_line(message) + &place);
    let text = shorten(&without_controls(&text_of_body(body, secrets)));
    Error::Undecodable { request_id, attempts: 1, truncated, text, source }
}

/// The error of reqwest, with the endpoint in place of the request's URL. It may have a secret that the server sent
/// back (HTTP/2 has messages of its own).
pub(crate) fn transport(source: reqwest::Error, endpoint: &str, secrets: &Secrets) -> Box<dyn StdError + Send + Sync> {
    let source = match Url::parse(endpoint) {
        Ok(endpoint) => source.with_url(endpoint),
        Err(_) => source.without_url(),
    };
    let text = causes(&source).fold(format!("{source:?}"), |text, cause| format!("{text} {cause}"));
    if secrets.are_in(&text) { WITHHELD.into() } else { source.into() }
}

/// The start of a body. A body that breaks off is accepted, because the status decides.
async fn start_of_body(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let (true, Ok(Some(chunk))) = (body.len() < MAX_BODY + MARGIN, response.chunk().await) {
        body.extend_from_slice(chunk.get(..MAX_BODY + MARGIN - body.len()).unwrap_or(&chunk));
    }
    body
}

/// The start of a body, as it is shown.
fn text_of_body(body: &[u8], secrets: &Secrets) -> String {
    let start = |bytes| String::from_utf8_lossy(body.get(..bytes).unwrap_or(body));
    if secrets.are_in(&start(MAX_BODY + MARGIN)) { WITHHELD.to_owned() } else { start(MAX_BODY).into_owned() }
}

/// Whether a message states that the backup with this id does not exist, as Cinder's does: "Backup .. could
/// not be found.". One that only quotes the request's URL does not.
fn names_backup(message: &str, id: &str) -> bool {
    message.to_ascii_lowercase().match_indices("backup").any(|(at, backup)| {
        let rest = message.get(at + backup.len()..).unwrap_or_default();
        let name = rest.trim_start_matches([' ', '\'', '"', '`', ':']);
        let after = name.strip_prefix(id);
        rest != name && after.is_some_and(|after| !after.starts_with(|c: char| c.is_alphanumeric() || "-_".contains(c)))
    })
}

/// The fault without secrets, as it is shown.
pub(crate) fn shown(fault: &Fault, secrets: &Secrets) -> Fault {
    let show = |text: &String| secrets.one_line(text);
    // The whole status line, where it is "404 Not Found".
    let code = fault.code.as_ref().map(show).map(|code| match code.split_once(' ') {
        Some((status, _)) if status.parse::<u16>().is_ok() => status.to_owned(),
        _ => code,
    });
    Fault { kind: fault.kind.as_ref().map(show), code, message: show(&fault.message) }
}

/// Reads a fault, and the request id that some gateways write into the body, from whichever of the
/// contract's shapes it is in.
pub(crate) fn read(body: &Map<String, Value>) -> Option<(Fault, Option<String>)> {
    let word = |object: &Map<String, Value>, key: &str| match object.get(key)? {
        Value::String(text) => Some(text.clone()),
        // An f64 loses digits: the rest of a secret would not be recognized.
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => None,
    };
    let request_id = word(body, "request_id");
    let fault = if let Some(message) = word(body, "error_msg") {
        Fault { kind: None, code: word(body, "error_code"), message }
    } else if let Some(message) = word(body, "message") {
        Fault { kind: word(body, "title"), code: word(body, "code"), message }
    } else {
        let (key, fault) = body.iter().find_map(|(key, value)| Some((key, value.as_object()?)))?;
        let kind = if key == "error" { word(fault, "title") } else { Some(key.clone()) };
        Fault { kind, code: word(fault, "code"), message: word(fault, "message")? }
    };
    Some((fault, request_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(body: &str) -> Option<(Option<String>, Option<String>, String)> {
        let body = serde_json::from_str(body).ok()?;
        let (fault, _) = read(&body)?;
        let fault = shown(&fault, &Secrets::default());
        Some((fault.kind, fault.code, fault.message))
    }

    fn some(kind: Option<&str>, code: Option<&str>, message: &str) -> Option<(Option<String>, Option<String>, String)> {
        Some((kind.map(str::to_owned), code.map(str::to_owned), message.to_owned()))
    }

    #[test]
    fn every_shape_of_a_fault_is_read() {
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
        let body = serde_json::from_str(gateway).unwrap();
        assert_eq!(read(&body).and_then(|(_, id)| id).as_deref(), Some("r1"));
        assert_eq!(
            fault(r#"{"error":{"message":"no such backup","code":"VolumeBackup.0123"}}"#),
            some(None, Some("VolumeBackup.0123"), "no such backup")
        );
    }

    #[test]
    fn a_body_without_a_fault_has_none() {
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
    }

    #[test]
    fn a_missing_backup_is_told_from_a_quoted_url() {
        for message in ["Backup b-1 could not be found.", "backup b-1 not found", "no Backup 'b-1'.", "Backup: b-1"] {
            assert!(names_backup(message, "b-1"), "{message}");
        }
        for message in [
            "GET /v3/p/backups?marker=b-1 was not found",
            "Backup b-12 could not be found.",
            "Backup b could not be found.",
            "Project b-1 could not be found.",
            "backupb-1",
            "",
        ] {
            assert!(!names_backup(message, "b-1"), "{message}");
        }
    }
}
