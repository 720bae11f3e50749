//! One value of a row, and the guard against values that a spreadsheet would take for a formula.

use crate::clock::Timestamp;

/// One value of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// Nothing: an empty field, or `null`.
    Empty,
    /// A word of ours, such as an id or the name of a state; never guarded.
    Ours(&'a str),
    /// What a client or another service wrote; guarded in CSV.
    Text(&'a str),
    /// Several of those: one field joined by `; `, or an array.
    List(&'a [String]),
    /// A number; never guarded.
    Number(i64),
    /// A time as RFC 3339 in UTC with six digits; never guarded.
    Time(Timestamp),
}

impl<'a> Cell<'a> {
    /// A word of ours, if there is one.
    #[must_use]
    pub fn ours(text: Option<&'a str>) -> Self {
        text.map_or(Self::Empty, Self::Ours)
    }

    /// What others wrote, if there is any.
    #[must_use]
    pub fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Empty, Self::Text)
    }

    /// A time, if there is one.
    #[must_use]
    pub fn time(at: Option<Timestamp>) -> Self {
        at.map_or(Self::Empty, Self::Time)
    }
}

/// What keeps a spreadsheet from taking a cell for a formula: the cell is then text.
const GUARD: char = '\'';

/// Appends `text` to `out`, guarded wherever a spreadsheet may take it for a formula: at its beginning, and wherever a program
/// that splits lines at semicolons or tabs, as many do by their locale, would begin a cell within it. Those are the
/// characters that OWASP names under "CSV Injection", their full-width forms included; spaces and quotes before them hide
/// nothing.
pub(super) fn push_guarded(text: &str, out: &mut String) {
    let mut is_start = true;
    if text.starts_with(['\t', '\r', '\n']) {
        out.push(GUARD);
    }
    for character in text.chars() {
        if is_start && matches!(character, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠') {
            out.push(GUARD);
        }
        is_start = match character {
            ';' | '\t' | '\r' | '\n' => true,
            ' ' | '"' => is_start,
            _ => false,
        };
        out.push(character);
    }
}
