//! HTML and other texts as one short line of plain text.

/// The maximum of a server's text in an error, in characters.
pub(crate) const MAX_TEXT: usize = 500;

/// `&amp;` is last: text that is escaped twice contains it.
pub(crate) const ENTITIES: &[(&str, &str)] =
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
    without_controls(&ENTITIES.iter().fold(plain, |text, (entity, character)| text.replace(entity, character)))
}

/// A text without line breaks, other control characters and runs of blanks.
pub(crate) fn without_controls(text: &str) -> String {
    text.split(separates).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn separates(c: char) -> bool {
    // These change the direction of the text around them: a terminal would show another message.
    let is_bidi = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_whitespace() || c.is_control() || is_bidi
}

/// The start of a text, up to the maximum in an error.
pub(crate) fn shorten(text: &str) -> String {
    let start = first_characters(text, MAX_TEXT);
    if start.len() < text.len() { format!("{start}...") } else { start.to_owned() }
}

pub(crate) fn first_characters(text: &str, number: usize) -> &str {
    text.char_indices().nth(number).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_one_plain_line() {
        assert_eq!(
            plain_text("<html><head><title>414</title><style>p { x: 1 }</style></head>\r\n<p>Too &lt;long&gt;</p>"),
            "414 Too <long>"
        );
        assert_eq!(plain_text("limit < 5 and > 3 <"), "limit < 5 and > 3 <");
        assert_eq!(plain_text("a<b unclosed"), "a<b unclosed");
        assert_eq!(plain_text("bell\u{7} and \u{1b}[31mred"), "bell and [31mred");
        assert_eq!(plain_text("a\u{2028}b\u{2029}c\u{85}d \u{202e}e\u{2066}f\u{200f}"), "a b c d e f");
        assert_eq!(plain_text("a <style>never ends"), "a");
        assert_eq!(plain_text("a < b <i>c</i> <d"), "a < b c <d");
        assert_eq!(shorten(&"\u{e9}".repeat(MAX_TEXT + 1)).chars().count(), MAX_TEXT + 3);
        assert_eq!(shorten(&"\u{e9}".repeat(MAX_TEXT)).chars().count(), MAX_TEXT);
    }
}
