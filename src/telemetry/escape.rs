//! Text that others gave, made harmless for a log that people and programs read line by line.
//!
//! Guarantees: no character of such a text ends a line, moves a terminal's cursor or colours it, or turns the order of what
//! is read around, so that nobody can write a line that the service did not.

use std::fmt::{self, Write};

/// Whether `char` must not reach the log as it is: control characters (line ends and the starts of terminal sequences among
/// them), the line and paragraph separators of Unicode, and its marks that change the direction of writing.
pub(super) fn is_unsafe(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{061c}' | '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes what it is given with unsafe characters escaped as Rust escapes them: `\n`, `\u{1b}`.
pub(super) struct Escaping<'a>(pub(super) &'a mut dyn Write);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(is_unsafe) {
            let (safe, unsafe_rest) = rest.split_at(at);
            self.0.write_str(safe)?;
            let mut chars = unsafe_rest.chars();
            if let Some(char) = chars.next() {
                write!(self.0, "{}", char.escape_default())?;
            }
            rest = chars.as_str();
        }
        self.0.write_str(rest)
    }
}

/// Writes JSON with the unsafe characters that JSON would allow escaped as JSON escapes them: `\u009b`. They can only stand
/// within strings there.
pub(super) fn write_json(text: &str, out: &mut dyn Write) -> fmt::Result {
    // Nearly all lines are of these alone, and bytes are quicker to look at than characters.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return out.write_str(text);
    }
    let mut rest = text;
    while let Some(at) = rest.find(is_unsafe) {
        let (safe, unsafe_rest) = rest.split_at(at);
        out.write_str(safe)?;
        let mut chars = unsafe_rest.chars();
        if let Some(char) = chars.next() {
            // All of them are in the first plane, so that one unit of UTF-16 says each.
            write!(out, "\\u{:04x}", u32::from(char))?;
        }
        rest = chars.as_str();
    }
    out.write_str(rest)
}
