//! Texts of the service, without what could control the terminal.

use std::fmt::Write;

/// Whether a character controls a terminal, ends a line, or changes the order of the text around it.
fn is_control(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

pub fn printable(text: &str) -> String {
    text.replace(is_control, "\u{fffd}")
}

/// The same JSON value, in ASCII where `printable` would replace a character.
pub fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for char in json.chars() {
        // JSON has line ends between values only, and the other control characters in strings only.
        if is_control(char) && char != '\n' {
            let _ = write!(text, "\\u{:04x}", u32::from(char));
        } else {
            text.push(char);
        }
    }
    text
}
