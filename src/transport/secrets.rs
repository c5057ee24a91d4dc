//! [`Secrets`]: whether a text contains a secret of this client. Such a text is withheld as a whole.

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};
use std::env;
use std::fmt;
use std::iter::successors;
use std::sync::{PoisonError, RwLock};

use percent_encoding::percent_decode_str;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderValue};

use super::plain_text::{ENTITIES, first_characters, plain_text, shorten};

/// Shown in place of a text that contains a secret.
pub(crate) const WITHHELD: &str = "(withheld: it contains a secret)";

/// The length of the parts that are searched for, in bytes; a shorter secret is searched for as a whole.
const WINDOW: usize = 16;

/// Shorter tokens are not searched for: they could be part of any word.
const MIN_TOKEN: usize = 8;

/// Shorter passwords are not searched for.
const MIN_PASSWORD: usize = 4;

/// How many tokens are searched for: the current one and those before it.
const MAX_TOKENS: usize = 8;

/// The variables that reqwest reads the proxies from, in lower case.
const PROXIES: &[&str] = &["http_proxy", "https_proxy", "all_proxy"];

/// The secrets of a client. `Debug` does not show them.
#[derive(Default)]
pub(crate) struct Secrets(RwLock<Known>);

#[derive(Default)]
struct Known {
    /// Passwords of users and proxies, and secrets of application credentials.
    passwords: Vec<Needle>,
    /// The current token is the last one.
    tokens: VecDeque<(HeaderValue, Vec<Needle>)>,
}

/// The parts of a secret; one is enough to find it.
struct Needle {
    parts: HashSet<Vec<u8>>,
    length: usize,
    is_ascii: bool,
}

impl Secrets {
    /// The secrets of the environment: the credentials of its proxies, as the client sends them.
    pub(crate) fn of_environment(http: &reqwest::Client) -> Self {
        let secrets = Self::default();
        for name in PROXIES.iter().flat_map(|name| [(*name).to_owned(), name.to_ascii_uppercase()]) {
            secrets.add_proxy(&env::var(name).unwrap_or_default(), http);
        }
        secrets
    }

    fn add_proxy(&self, address: &str, http: &reqwest::Client) {
        let address = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let Ok(url) = Url::parse(&address) else { return };
        let [user, password] = [url.username(), url.password().unwrap_or_default()];
        // Without a password, the user's name is the secret: the key of an account.
        let secret = if password.is_empty() { user } else { password };
        if secret.is_empty() {
            return;
        }
        let [user, password, decoded] =
            [user, password, secret].map(|text| percent_decode_str(text).decode_utf8_lossy());
        self.add_password(secret);
        self.add_password(&decoded);
        let request = http.get(url.clone()).basic_auth(user, Some(password)).build();
        let header = request.ok().and_then(|request| request.headers().get(AUTHORIZATION).cloned());
        if let Some(encoded) = header.as_ref().and_then(|header| header.to_str().ok()?.strip_prefix("Basic ")) {
            self.add_password(encoded);
        }
    }

    pub(crate) fn add_password(&self, password: &str) {
        if password.chars().count() >= MIN_PASSWORD {
            self.0.write().unwrap_or_else(PoisonError::into_inner).passwords.extend(needles(password));
        }
    }

    pub(crate) fn add_token(&self, token: &HeaderValue) {
        let is_known = |known: &Known| known.tokens.iter().any(|(known, _)| known == token);
        if token.len() < MIN_TOKEN || is_known(&self.0.read().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        let Ok(text) = token.to_str() else { return };
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.tokens.push_back((token.clone(), needles(text)));
        if known.tokens.len() > MAX_TOKENS {
            known.tokens.pop_front();
        }
    }

    /// Whether the text contains one of the secrets, or 16 characters of it, plain or escaped.
    pub(crate) fn are_in(&self, text: &str) -> bool {
        self.find(text, 1)
    }

    /// The same for an id or a name that has to be shown: a short secret may be part of any.
    pub(crate) fn are_in_name(&self, name: &str) -> bool {
        self.find(name, WINDOW)
    }

    /// Looks for the parts of at least this length.
    fn find(&self, text: &str, shortest: usize) -> bool {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let needles = || known.tokens.iter().flat_map(|(_, needles)| needles).chain(&known.passwords);
        let is_in = |text: &str, ascii: bool| {
            let text = squeeze(text, ascii);
            let mut needles = needles().filter(|needle| needle.is_ascii == ascii && needle.length >= shortest);
            needles.any(|needle| text.as_bytes().windows(needle.length).any(|part| needle.parts.contains(part)))
        };
        forms(text).any(|text| is_in(&text, true) || is_in(&text, false))
    }

    /// The text, unless it contains a secret.
    pub(crate) fn checked<'a>(&self, text: &'a str) -> &'a str {
        if self.are_in(text) { WITHHELD } else { text }
    }

    /// The start of a text as one line of plain text, unless it contains a secret.
    pub(crate) fn one_line(&self, text: &str) -> String {
        // Also without its markup, which may split the secret, or be part of a password.
        let plain = plain_text(self.checked(text));
        shorten(self.checked(&plain))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

/// What to search for: the secret, also decoded as if it contained escapes.
fn needles(secret: &str) -> Vec<Needle> {
    let needle = |secret: &str| {
        let is_ascii = secret.is_ascii();
        let secret = squeeze(secret, is_ascii);
        let length = secret.len().min(WINDOW);
        let parts = (length > 0).then(|| secret.as_bytes().windows(length).map(<[u8]>::to_vec).collect());
        parts.map(|parts| Needle { parts, length, is_ascii })
    };
    forms(secret).filter_map(|secret| needle(&secret)).collect()
}

/// A text in lower case, without what may separate the characters of a secret: blanks, line breaks, `+` (a blank in a
/// form), backslashes; and, for an ASCII secret, without other characters.
fn squeeze(text: &str, ascii: bool) -> String {
    let kept = |c: &char| {
        if c.is_ascii() { c.is_ascii_graphic() && !['\\', '+'].contains(c) } else { !ascii && !c.is_whitespace() }
    };
    text.chars().filter(kept).flat_map(char::to_lowercase).collect()
}

/// How many times a text may be escaped.
const MAX_ROUNDS: usize = 4;

/// A text, and each of its forms after another round of decoding. Not the last one only: what looks like an escape may
/// end with the secret's first characters.
fn forms(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let next = |text: &Cow<'_, str>| {
        let decoded = decode(text);
        (decoded != **text).then_some(Cow::Owned(decoded))
    };
    successors(Some(Cow::Borrowed(text)), next).take(1 + MAX_ROUNDS)
}

/// A text without the escapes of addresses, JSON and HTML: `%41`, `\u0041`, `\n`, `&#x41;`, `&#65;`, `&lt;`.
fn decode(text: &str) -> String {
    let text = percent_decode_str(text).decode_utf8_lossy();
    let (mut decoded, mut rest) = (String::with_capacity(text.len()), &*text);
    while let Some(first) = rest.chars().next() {
        let (character, length) = escape(rest).unwrap_or((first, first.len_utf8()));
        decoded.push(character);
        rest = rest.get(length..).unwrap_or_default();
    }
    decoded
}

/// The longest decimal number in an entity, without zeros at its start: `&#1114111;`.
const MAX_DIGITS: usize = 7;

/// The length of an escape of JSON, such as `\u0041`.
const JSON_ESCAPE: usize = 6;

/// The character of the escape at the start of a text, if there is one, and the escape's length.
fn escape(text: &str) -> Option<(char, usize)> {
    let code = |digits: &str, radix| {
        let is_code = digits.chars().all(|c| c.is_ascii_hexdigit());
        u32::from_str_radix(digits, radix).ok().filter(|_| is_code)
    };
    if text.starts_with('\\') {
        if ["\\n", "\\r", "\\t"].iter().any(|blank| text.starts_with(blank)) {
            return Some((' ', 2));
        }
        // A character above U+FFFF takes two escapes.
        let unit = |at| u16::try_from(code(text.get(at..at + JSON_ESCAPE)?.strip_prefix("\\u")?, 16)?).ok();
        let units = [Some(unit(0)?), unit(JSON_ESCAPE)];
        let character = char::decode_utf16(units.into_iter().flatten()).next()?.ok()?;
        return Some((character, character.len_utf16() * JSON_ESCAPE));
    }
    if let Some(number) = text.strip_prefix("&#") {
        let (digits, radix) = number.strip_prefix(['x', 'X']).map_or((number, 10), |digits| (digits, 16));
        let digits = digits.trim_start_matches('0');
        let end = first_characters(digits, MAX_DIGITS + 1).find(';')?;
        return Some((char::from_u32(code(digits.get(..end)?, radix)?)?, text.len() - digits.len() + end + 1));
    }
    let (name, character) = ENTITIES.iter().find(|(name, _)| text.starts_with(name))?;
    Some((character.chars().next()?, name.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "gAAAAABlQ7-xY_2fkZ0pVtNq8sJdUoWcHbMiEr3LyTgSaKzXvPnDeFwOuRh";

    fn of_token(token: &str) -> Secrets {
        let secrets = Secrets::default();
        secrets.add_token(&HeaderValue::from_str(token).unwrap());
        secrets
    }

    fn of_password(password: &str) -> Secrets {
        let secrets = Secrets::default();
        secrets.add_password(password);
        secrets
    }

    #[test]
    fn a_token_is_found_in_every_encoding() {
        let secrets = of_token(TOKEN);
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
            each(|c| format!("{c}\\n")),
            each(|c| format!("{c}\u{200b}")),
            each(|c| format!("&#{:012};", c as u32)),
            each(|c| format!("&#x{:08x};", c as u32)),
            each(|c| format!("%25{:02x}", c as u32)),
            each(|c| format!("%252525{:02x}", c as u32)),
            each(|c| format!("&amp;#{};", c as u32)),
            each(|c| format!("&amp;amp;amp;#{};", c as u32)),
            each(|c| format!("\\u0026amp;%2523{};", c as u32)),
            TOKEN.replace('_', "\\_"),
            TOKEN[..WINDOW].to_owned(),
            TOKEN[20..20 + WINDOW].to_owned(),
        ] {
            assert_eq!(secrets.one_line(&format!("a {text} b")), WITHHELD, "{text}");
        }
        let in_markup = each(|c| format!("{c}<b></b>"));
        assert_eq!(secrets.one_line(&in_markup), WITHHELD);
    }

    #[test]
    fn a_token_is_found_next_to_what_looks_like_an_escape() {
        let token = "4a5b6c7d8e9f0a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6e7f";
        let (part, secrets) = (&token[10..10 + WINDOW], of_token(token));
        for start in ["%", "%4", "\\u00", "\\u004", "&#", "&#x", "&#x4", "\\", "%%"] {
            for end in ["", ";", "1", "%", "\\"] {
                assert!(secrets.are_in(&format!("{start}{part}{end}")), "{start} {end}");
            }
        }
    }

    #[test]
    fn what_has_no_secret_is_shown() {
        for text in ["", "a", &TOKEN[..WINDOW - 1], "100 % of \\users &# &#x; \\u12 %e", "\u{e9}\u{20ac}"] {
            assert_eq!(of_token(TOKEN).checked(text), text);
            assert_eq!(Secrets::default().checked(text), text);
        }
        assert!(!of_token("short").are_in("a short text"));
        assert!(!of_password("abc").are_in("abc"));
        assert!(!of_password("    ").are_in("a b"));
        let secrets = of_token("12345678");
        assert!(secrets.are_in("a12345678b") && !secrets.are_in("1234567") && !secrets.are_in_name("a12345678b"));
        assert!(of_token(TOKEN).are_in_name(TOKEN));
    }

    #[test]
    fn a_password_is_found_in_every_encoding() {
        for password in [
            "abcd",
            "not a secret",
            "p\u{e4}ssw\u{f6}rd",
            "\u{43f}\u{430}\u{440}\u{43e}\u{43b}\u{44c}",
            "a\\b\\c\\d",
            "k\u{1f511}ey\u{10fffd}",
            "100%41x",
            "Correct<horse>&\"Battery\"",
        ] {
            let secrets = of_password(password);
            let json: String = password.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            let percent: String = password.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let form: String = form_urlencoded::byte_serialize(password.as_bytes()).collect();
            let wrapped: String = password.chars().map(|c| format!("{c}\r\n\u{a0}")).collect();
            let entities: String = password.chars().map(|c| format!("&#{};", c as u32)).collect();
            for text in [password, &json, &percent, &form, &entities, &wrapped, &password.to_uppercase()] {
                assert_eq!(secrets.one_line(&format!("no {text}!")), WITHHELD, "{password} as {text}");
            }
        }
    }

    #[test]
    fn the_tokens_before_the_present_one_are_known_and_bounded() {
        let secrets = of_password("open sesame");
        let tokens: Vec<_> = (0..=MAX_TOKENS).map(|number| format!("{number}token{number}").repeat(3)).collect();
        for token in tokens.iter().chain(&tokens[1..]) {
            secrets.add_token(&HeaderValue::from_str(token).unwrap());
        }
        let known: Vec<_> = tokens.iter().map(|token| secrets.are_in(token)).collect();
        assert_eq!((known[0], known[1..].iter().all(|known| *known)), (false, true), "{known:?}");
        assert!(secrets.are_in("open+sesame"));
    }

    #[test]
    fn the_credentials_of_a_proxy_are_known_also_as_they_are_sent() {
        let secrets = Secrets::default();
        let http = reqwest::Client::new();
        secrets.add_proxy("http://user:pass%40word@proxy:3128", &http);
        secrets.add_proxy("other:sesame42@proxy", &http);
        for text in ["pass@word", "pass%40word", "Basic dXNlcjpwYXNzQHdvcmQ=", "is Sesame42 right?"] {
            assert_eq!(secrets.one_line(text), WITHHELD, "{text}");
        }
        assert_eq!(secrets.one_line("no user at http://proxy:3128"), "no user at http://proxy:3128");
        assert_eq!(secrets.one_line("the other user"), "the other user");
    }

    /// It is the key of an account.
    #[test]
    fn the_user_of_a_proxy_is_known_where_there_is_no_password() {
        let http = reqwest::Client::new();
        for address in ["http://key%2D0123456789@proxy", "key%2D0123456789:@proxy:3128"] {
            let secrets = Secrets::default();
            secrets.add_proxy(address, &http);
            for text in ["no such user: key-0123456789", "key%2D0123456789", "Basic a2V5LTAxMjM0NTY3ODk6"] {
                assert_eq!(secrets.one_line(text), WITHHELD, "{address}: {text}");
            }
        }
    }

    #[test]
    fn a_huge_text_of_any_kind_is_read() {
        let secrets = of_token(&TOKEN.repeat(150));
        for tag in ["<", "<a", "< ", "<style", "<a>", "</", "&lt;<", "\\u0041", "%41", "&#", "&#x", TOKEN] {
            assert!(secrets.one_line(&tag.repeat(100_000)).chars().count() <= 503);
        }
    }
}
