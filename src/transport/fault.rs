//! What a failed response states, in plain text and without the token.

use std::collections::HashSet;
use std::error::Error as StdError;
use std::fmt::{self, Write};

use foldhash::fast::RandomState;
use reqwest::header::{HeaderMap, HeaderValue, LOCATION};
use reqwest::{Response, StatusCode, Url};
use serde_json::{Map, Value};

use crate::error::causes;
use crate::generated::X_OPENSTACK_REQUEST_ID;
use crate::{Error, Fault};

/// How much of the body of a failed response is read, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// How much of a server's text an error has, in characters.
const MAX_TEXT: usize = 500;

/// No part of a token of this length gets into an error, in characters.
const WINDOW: usize = 16;

/// Shorter tokens are not looked for: they could be part of any word.
const MIN_TOKEN: usize = 8;

/// Shorter passwords are not looked for.
const MIN_PASSWORD: usize = 4;

/// How many characters an encoding may take for one, as `\ud83d\ude00` does.
const MAX_ESCAPE: usize = 12;

/// The digits of the longest entity: `&#1114111;`.
const MAX_DIGITS: usize = 7;

/// How much is read beyond where a text is cut, in characters: a part of a secret is found that the cut goes
/// through.
const MARGIN: usize = WINDOW * MAX_ESCAPE;

/// Reads what servers send, and takes the secrets out of it, even where a server has sent them back: the token,
/// and the password that it was obtained with.
#[derive(Clone, Copy)]
pub(crate) struct Redactor<'a> {
    token: &'a str,
    password: &'a str,
}

impl<'a> Redactor<'a> {
    pub(crate) fn new(token: Option<&'a HeaderValue>, password: Option<&'a str>) -> Self {
        let token = token.and_then(|token| token.to_str().ok()).filter(|token| token.len() >= MIN_TOKEN);
        let password = password.filter(|password| password.chars().count() >= MIN_PASSWORD);
        Self { token: token.unwrap_or_default(), password: password.unwrap_or_default() }
    }

    /// A text without the secrets.
    pub(crate) fn redact(self, text: &str) -> String {
        let text = redact(text, self.token, "[token]");
        if self.password.is_empty() {
            return text;
        }
        let text = redact(&text, self.password, "[secret]");
        // As a form has it.
        if self.password.contains(' ') { redact(&text, &self.password.replace(' ', "+"), "[secret]") } else { text }
    }

    pub(crate) fn finds(self, text: &str) -> bool {
        self.redact(text) != text
    }

    /// The start of a text without the secrets, and whether it is not the whole text.
    fn cut(self, text: &str, characters: usize) -> (String, bool) {
        let read = first(text, characters + MARGIN);
        let redacted = self.redact(read);
        let whole = read.len() == text.len();
        // The end may be a part of a secret that is too short to be found.
        let certain = redacted.chars().count().saturating_sub(if whole { 0 } else { MARGIN });
        let start = first(&redacted, certain.min(characters));
        (start.to_owned(), !whole || start.len() < redacted.len())
    }

    /// The start of a text, without the secrets.
    fn start(self, text: &str) -> String {
        let (start, is_cut) = self.cut(text, MAX_TEXT);
        if is_cut { start + "..." } else { start }
    }

    /// The start of a text as one line of plain text, without the secrets.
    pub(crate) fn clean(self, text: &str) -> String {
        // Before its markup goes, which may be a part of a password.
        let (start, _) = self.cut(text, MAX_BODY);
        self.start(&plain_text(&start))
    }

    pub(crate) fn request_id(self, headers: &HeaderMap) -> Option<String> {
        Some(self.clean(&String::from_utf8_lossy(headers.get(X_OPENSTACK_REQUEST_ID)?.as_bytes())))
    }

    /// The error of a body that is not what it should be.
    pub(crate) fn undecodable(
        self,
        body: &[u8],
        source: &serde_json::Error,
        truncated: bool,
        request_id: Option<String>,
    ) -> Error {
        let text = self.start(&String::from_utf8_lossy(body.get(..MAX_BODY).unwrap_or(body)));
        Error::Undecodable { request_id, attempts: 1, truncated, text, source: self.decode_error(source) }
    }

    /// The error of reqwest, with the endpoint in place of the request's URL; its text alone, where a server
    /// has sent the token back in it (HTTP/2 has messages of its own).
    pub(crate) fn transport(self, source: reqwest::Error, endpoint: &str) -> Box<dyn StdError + Send + Sync> {
        let source = match Url::parse(endpoint) {
            Ok(endpoint) => source.with_url(endpoint),
            Err(_) => source.without_url(),
        };
        let text = causes(&source).fold(format!("{source:?}"), |text, cause| format!("{text} {cause}"));
        if self.redact(&text) == text {
            return source.into();
        }
        self.clean(&causes(&source).last().map(ToString::to_string).unwrap_or_default()).into()
    }

    /// serde quotes the values that it refuses, whole.
    fn decode_error(self, source: &serde_json::Error) -> serde_json::Error {
        let mut message = Start(String::new());
        // It ends with an error where the message is longer.
        let _ = write!(message, "{source}");
        let (line, column) = (source.line(), source.column());
        let place = format!(" at line {line} column {column}");
        let message = self.start(message.0.trim_end_matches(&place));
        serde::de::Error::custom(message + &place)
    }

    /// The error of a response with another status.
    pub(crate) async fn status(self, response: Response, request_id: Option<String>, marker: Option<&str>) -> Error {
        let status = response.status();
        if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
            let location = response.headers().get(LOCATION);
            let location = location.map(|location| self.clean(&String::from_utf8_lossy(location.as_bytes())));
            return Error::Redirect { status, location, request_id, attempts: 1 };
        }
        let body = start_of(response).await;
        let json = serde_json::from_slice::<Map<String, Value>>(&body).ok();
        let (fault, request_id_in_body) = json.and_then(|json| read_fault(&json, |text| self.clean(text))).unzip();
        Error::Status {
            status,
            request_id: request_id.or(request_id_in_body.flatten()),
            attempts: 1,
            text: self.clean(&String::from_utf8_lossy(&body)),
            marker_gone: status == StatusCode::NOT_FOUND
                && marker.zip(fault.as_ref()).is_some_and(|(id, fault)| names_backup(&fault.message, id)),
            fault: fault.map(Box::new),
        }
    }
}

/// A text without a secret, in upper and lower case, cut, wrapped or escaped.
fn redact(text: &str, secret: &str, mark: &str) -> String {
    // As it is, too: what looks like an escape may end with the secret's first characters.
    redact_as(first_character, &redact_as(unescape, text, secret, mark), secret, mark)
}

/// The same, where its characters are read so.
fn redact_as(read: Read, text: &str, secret: &str, mark: &str) -> String {
    let ascii = secret.is_ascii();
    let (secret, own) = significant(secret, read, ascii);
    let (characters, places) = significant(text, read, ascii);
    let length = own.len().clamp(1, WINDOW);
    let parts: HashSet<_, RandomState> = windows(&secret, length).collect();
    let mut redacted = String::new();
    let mut copied = 0;
    // Where a part of the secret ends, in characters.
    let mut end = 0;
    for ((at, place), window) in places.iter().enumerate().zip(windows(&characters, length)) {
        if parts.contains(window) {
            if at >= end {
                redacted += text.get(copied..place.0).unwrap_or_default();
                redacted += mark;
            }
            end = at + length;
            copied = places.get(end - 1).map_or(copied, |last| last.1);
        }
    }
    redacted + text.get(copied..).unwrap_or_default()
}

/// All parts of a text that have so many characters.
fn windows(text: &str, length: usize) -> impl Iterator<Item = &str> {
    let starts = || text.char_indices().map(|(start, _)| start).chain([text.len()]);
    starts().zip(starts().skip(length)).filter_map(|(from, to)| text.get(from..to))
}

/// The start of a body. One that breaks off is as good: the status decides.
async fn start_of(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let (true, Ok(Some(chunk))) = (body.len() < MAX_BODY, response.chunk().await) {
        body.extend_from_slice(chunk.get(..MAX_BODY - body.len()).unwrap_or(&chunk));
    }
    body
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

/// Reads a fault, and the request id that some gateways write into the body, from whichever of the
/// contract's shapes it is in. Every text of it is cleaned once it is decoded.
pub(crate) fn read_fault(body: &Map<String, Value>, clean: impl Fn(&str) -> String) -> Option<(Fault, Option<String>)> {
    let word = |object: &Map<String, Value>, key: &str| match object.get(key)? {
        Value::String(text) => Some(clean(text)),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let request_id = word(body, "request_id");
    let fault = if let Some(message) = word(body, "error_msg") {
        Fault { kind: None, code: word(body, "error_code"), message }
    } else if let Some(message) = word(body, "message") {
        // `code` is the whole status line here: "404 Not Found".
        let code = word(body, "code").map(|code| code.split(' ').next().unwrap_or_default().to_owned());
        Fault { kind: word(body, "title"), code, message }
    } else {
        let (key, fault) = body.iter().find_map(|(key, value)| Some((key, value.as_object()?)))?;
        let kind = if key == "error" { word(fault, "title") } else { Some(clean(key)) };
        Fault { kind, code: word(fault, "code"), message: word(fault, "message")? }
    };
    Some((fault, request_id))
}

/// The last one is a part of others that are escaped twice.
const ENTITIES: &[(&str, &str)] =
    &[("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&apos;", "'"), ("&nbsp;", " "), ("&amp;", "&")];

/// One line of plain text: without HTML, control characters and runs of blanks.
pub(crate) fn plain_text(text: &str) -> String {
    let mut pieces = text.split('<');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let is_tag = piece.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
        let hidden = ["style", "script"]
            .iter()
            .any(|name| piece.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)));
        match piece.split_once('>') {
            _ if hidden => plain.push(' '),
            Some((_, after)) if is_tag => plain.extend([" ", after]),
            _ => plain.extend(["<", piece]),
        }
    }
    let plain = ENTITIES.iter().fold(plain, |text, (entity, character)| text.replace(entity, character));
    let words = plain.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// The first characters of a text.
fn first(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// The start of what is written to it.
struct Start(String);

impl Write for Start {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.push_str(first(text, 2 * MAX_TEXT));
        if self.0.len() < 2 * MAX_TEXT { Ok(()) } else { Err(fmt::Error) }
    }
}

/// Reads the first character of a text, and its length there in bytes.
type Read = fn(&str) -> Option<(char, usize)>;

/// The characters of a text that a token can have, in lower case, and where each begins and ends in it.
/// Blanks and line breaks are left out; so is what is not ASCII where the secret is.
fn significant(text: &str, read: Read, ascii: bool) -> (String, Vec<(usize, usize)>) {
    let (mut characters, mut places, mut at) = (String::new(), Vec::new(), 0);
    while let Some((character, length)) = text.get(at..).and_then(read) {
        let is_text = !character.is_ascii() && !character.is_whitespace() && !ascii;
        if (character.is_ascii_graphic() || is_text) && character != '\\' {
            characters.push(character.to_ascii_lowercase());
            places.push((at, at + length));
        }
        at += length;
    }
    (characters, places)
}

fn first_character(text: &str) -> Option<(char, usize)> {
    text.chars().next().map(|first| (first, first.len_utf8()))
}

/// The same where it may be escaped: `A`, `\u0041`, `%41`, `&#x41;`, `&#65;` or, as HTML has names for some, `&lt;`.
fn unescape(text: &str) -> Option<(char, usize)> {
    let escapes = [("\\u", 16, Some(4), ""), ("%", 16, Some(2), ""), ("&#x", 16, None, ";"), ("&#", 10, None, ";")];
    let decoded = escapes.iter().find_map(|(start, radix, digits, end)| {
        let rest = text.strip_prefix(start)?;
        let digits = digits.or_else(|| first(rest, MAX_DIGITS + 1).find(end))?;
        let code = rest.get(..digits).filter(|code| code.chars().all(|c| c.is_ascii_hexdigit()))?;
        Some((char::from_u32(u32::from_str_radix(code, *radix).ok()?)?, start.len() + digits + end.len()))
    });
    let named = || {
        let (name, character) = ENTITIES.iter().find(|(name, _)| text.starts_with(name))?;
        Some((character.chars().next()?, name.len()))
    };
    decoded.or_else(|| surrogates(text)).or_else(named).or_else(|| first_character(text))
}

/// A character in the two escapes that JSON has for it: `\ud83d\ude00`.
fn surrogates(text: &str) -> Option<(char, usize)> {
    let unit = |at| u16::from_str_radix(text.get(at..)?.strip_prefix("\\u")?.get(..4)?, 16).ok();
    let character = char::decode_utf16([unit(0)?, unit(MAX_ESCAPE / 2)?]).next()?.ok()?;
    (character.len_utf16() == 2).then_some((character, MAX_ESCAPE))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "gAAAAABlQ7-xY_2fkZ0pVtNq8sJdUoWcHbMiEr3LyTgSaKzXvPnDeFwOuRh";

    fn redact(text: &str) -> String {
        let header = HeaderValue::from_static(TOKEN);
        Redactor::new(Some(&header), None).redact(text)
    }

    #[test]
    fn a_token_is_redacted_in_every_encoding() {
        let each = |escape: fn(char) -> String| TOKEN.chars().map(escape).collect::<String>();
        for text in [
            TOKEN.to_owned(),
            TOKEN.to_lowercase(),
            TOKEN.to_uppercase(),
            each(|c| format!("\\u{:04x}", c as u32)),
            each(|c| format!("%{:02X}", c as u32)),
            each(|c| format!("&#x{:x};", c as u32)),
            each(|c| format!("&#{};", c as u32)),
            each(|c| format!("{c}\r\n")),
            TOKEN.replace('_', "\\_"),
            TOKEN[..WINDOW].to_owned(),
            TOKEN[20..20 + WINDOW].to_owned(),
        ] {
            assert_eq!(redact(&format!("a {text} b")).replace("\r\n", ""), "a [token] b", "{text}");
        }
    }

    #[test]
    fn a_token_is_redacted_next_to_what_looks_like_an_escape() {
        let token = HeaderValue::from_static("4a5b6c7d8e9f0a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6e7f");
        let part = |at: usize| token.to_str().unwrap()[at..at + WINDOW].to_owned();
        for start in ["%", "%4", "\\u00", "\\u004", "&#", "&#x", "&#x4", "\\", "%%"] {
            for end in ["", ";", "1", "%", "\\"] {
                let text = Redactor::new(Some(&token), None).redact(&format!("{start}{}{end}", part(10)));
                assert!(!text.contains(&part(10)), "{start} {end}: {text}");
            }
        }
    }

    #[test]
    fn what_is_no_token_stays() {
        for text in ["", "a", &TOKEN[..WINDOW - 1], "100 % of \\users &# &#x; \\u12 %e", "\u{e9}\u{20ac}"] {
            assert_eq!(redact(text), text);
        }
        for short in ["", "short"] {
            let header = HeaderValue::from_static(short);
            assert_eq!(Redactor::new(Some(&header), None).redact("a short text"), "a short text");
        }
        let header = HeaderValue::from_static("12345678");
        assert_eq!(Redactor::new(Some(&header), None).redact("a12345678b 1234567"), "a[token]b 1234567");
    }

    #[test]
    fn a_password_is_redacted_like_a_token() {
        for password in [
            "abcd",
            "not a secret",
            "p\u{e4}ssw\u{f6}rd",
            "\u{43f}\u{430}\u{440}\u{43e}\u{43b}\u{44c}",
            "a\\b\\c\\d",
            "k\u{1f511}ey\u{10fffd}",
        ] {
            let redactor = Redactor::new(None, Some(password));
            let escaped: String = password.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            let wrapped: String = password.chars().map(|c| format!("{c}\r\n\u{a0}")).collect();
            let entities: String = password.chars().map(|c| format!("&#{};", c as u32)).collect();
            for text in [password, &escaped, &entities, wrapped.trim_end()] {
                assert_eq!(redactor.redact(&format!("no {text}!")), "no [secret]!", "{password}");
            }
        }
        let header = HeaderValue::from_static(TOKEN);
        let both = Redactor::new(Some(&header), Some("open sesame"));
        assert_eq!(both.redact(&format!("{TOKEN} for open sesame")), "[token] for [secret]");
        assert_eq!(Redactor::new(None, Some("abc")).redact("abc"), "abc");
    }

    #[test]
    fn a_cut_shows_no_part_of_a_token() {
        let header = HeaderValue::from_static(TOKEN);
        let redactor = Redactor::new(Some(&header), None);
        let escaped: String = TOKEN.chars().map(|c| format!("\\u{:04x}", c as u32)).collect();
        for before in MAX_TEXT - 70..MAX_TEXT + 5 {
            for (token, start) in [(TOKEN, "gA"), (&escaped, "\\u0067")] {
                let text = redactor.clean(&format!("{}{token}", "x".repeat(before)));
                assert!(!text.contains(start), "{before}: {text}");
            }
        }
    }

    #[test]
    fn a_cut_shows_no_part_of_a_secret_that_is_there_often() {
        let password = "swordfish123";
        let redactor = Redactor::new(None, Some(password));
        for before in 0..password.len() + 1 {
            for text in [redactor.start(&text_of(before, password)), redactor.clean(&text_of(before, password))] {
                assert!(!text.contains("sword"), "{before}: {text}");
            }
        }
    }

    /// Longer than what is read of a body.
    fn text_of(before: usize, password: &str) -> String {
        "x".repeat(before) + &format!("{password} ").repeat(MAX_BODY / password.len())
    }

    #[test]
    fn a_password_with_markup_is_redacted() {
        let password = "Correct<horse>&\"Battery\"";
        let redactor = Redactor::new(None, Some(password));
        for text in [password, "Correct&lt;horse&gt;&amp;&quot;Battery&quot;", "Correct%3Chorse%3E%26%22Battery%22"] {
            assert_eq!(redactor.clean(&format!("no {text}!")), "no [secret]!");
        }
        assert_eq!(Redactor::new(None, Some("open sesame")).clean("p=open+sesame;"), "p=[secret];");
    }

    fn fault(body: &str) -> Option<(Option<String>, Option<String>, String)> {
        let body = serde_json::from_str(body).ok()?;
        read_fault(&body, plain_text).map(|(fault, _)| (fault.kind, fault.code, fault.message))
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
        assert_eq!(read_fault(&body, plain_text).and_then(|(_, id)| id).as_deref(), Some("r1"));
        assert_eq!(
            fault(r#"{"error":{"message":"no such backup","code":"VolumeBackup.0123"}}"#),
            some(None, Some("VolumeBackup.0123"), "no such backup")
        );
    }

    #[test]
    fn what_is_no_fault_is_none() {
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

    #[test]
    fn a_text_becomes_one_plain_line() {
        assert_eq!(
            plain_text("<html><head><title>414</title><style>p { x: 1 }</style></head>\r\n<p>Too &lt;long&gt;</p>"),
            "414 Too <long>"
        );
        assert_eq!(plain_text("limit < 5 and > 3 <"), "limit < 5 and > 3 <");
        assert_eq!(plain_text("a<b unclosed"), "a<b unclosed");
        assert_eq!(plain_text("bell\u{7} and \u{1b}[31mred"), "bell and [31mred");
        assert_eq!(plain_text("a <style>never ends"), "a");
        assert_eq!(plain_text("a < b <i>c</i> <d"), "a < b c <d");
        assert_eq!(Redactor::new(None, None).clean(&"\u{e9}".repeat(MAX_TEXT + 1)).chars().count(), MAX_TEXT + 3);
    }

    /// In time that grows with the text, not with its square.
    #[test]
    fn any_text_is_read_in_linear_time() {
        let token = HeaderValue::try_from(TOKEN.repeat(150)).unwrap();
        for tag in ["<", "<a", "< ", "<style", "<a>", "</", "&lt;<", "\\u0041", "%41", "&#", TOKEN] {
            assert!(Redactor::new(Some(&token), None).clean(&tag.repeat(300_000)).len() <= 8 * MAX_TEXT);
        }
    }
}
