//! A text that contains a token or a part of it: it is withheld, whatever is around it.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use reqwest::header::HeaderValue;

/// No part of a token of this length is shown.
const WINDOW: usize = 16;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    token: &'a [u8],
    parts: Vec<Part<'a>>,
}

#[derive(Arbitrary, Debug)]
struct Part<'a> {
    before: &'a str,
    start: u16,
    length: u16,
    encoding: Encoding,
}

#[derive(Arbitrary, Debug)]
enum Encoding {
    Plain,
    Lower,
    Upper,
    Json,
    Percent,
    /// Wrapped, each line indented.
    Lines,
}

impl Encoding {
    fn encode(&self, part: &str) -> String {
        match self {
            Self::Plain => part.to_owned(),
            Self::Lower => part.to_lowercase(),
            Self::Upper => part.to_uppercase(),
            Self::Json => part.bytes().map(|byte| format!("\\u{byte:04x}")).collect(),
            Self::Percent => part.bytes().map(|byte| format!("%{byte:02x}")).collect(),
            Self::Lines => part.chars().map(|c| format!("{c}\r\n ")).collect(),
        }
    }
}

/// The texts in which a part is searched for: unchanged, without blanks, and unescaped.
fn views(text: &str) -> [String; 3] {
    let unescape = |text: &str, start: &str, digits: usize| {
        let mut pieces = text.split(start);
        let first = pieces.next().unwrap_or_default().to_owned();
        pieces.fold(first, |all, piece| match piece.get(..digits).and_then(|code| u32::from_str_radix(code, 16).ok()) {
            Some(code) => all + &char::from_u32(code).map(String::from).unwrap_or_default() + &piece[digits..],
            None => all + start + piece,
        })
    };
    let text = text.to_ascii_lowercase();
    let dense = text.split_whitespace().collect();
    let unescaped = unescape(&unescape(&text, "\\u", 4), "%", 2);
    [text, dense, unescaped]
}

fuzz_target!(|input: Input| {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=.";
    let token: String = input.token.iter().map(|byte| LETTERS[*byte as usize % LETTERS.len()] as char).collect();
    if token.len() < WINDOW {
        return;
    }
    let mut text = String::new();
    for part in &input.parts {
        let start = part.start as usize % token.len();
        let end = token.len().min(start + part.length as usize);
        text += part.before;
        text += &part.encoding.encode(&token[start..end]);
    }
    let shown = vbs_client::fuzzing::withhold(&HeaderValue::try_from(&token).unwrap(), &text);
    assert!(shown.chars().count() <= 503 && !shown.contains(|c: char| c.is_control()), "{shown:?}");
    let token = token.to_ascii_lowercase();
    for (view, name) in views(&shown).iter().zip(["as it is", "without blanks", "unescaped"]) {
        for start in 0..=token.len() - WINDOW {
            let window = &token[start..start + WINDOW];
            assert!(!view.contains(window), "{window} {name} in {shown:?}");
        }
    }
});
