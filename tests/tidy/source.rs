//! The files that the rules read, and their code without comments and texts.

use std::fs;
use std::io;
use std::path::Path;

/// One file of the crate.
pub(crate) struct Source {
    /// Its path from the root of the crate, with forward slashes.
    pub(crate) path: String,
    /// What it holds.
    pub(crate) text: String,
}

impl Source {
    /// A file that is not on disk, for the tests of the rules.
    pub(crate) fn sample(path: &str, text: &str) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
        }
    }

    /// The text with comments and string literals blanked, so that only code is left; lines stay where they are.
    pub(crate) fn code(&self) -> String {
        blank(&self.text)
    }

    /// Whether it lies under the folder, or is the file, that `place` names.
    pub(crate) fn is_in(&self, place: &str) -> bool {
        self.path == place
            || self
                .path
                .strip_prefix(place)
                .is_some_and(|rest| place.ends_with('/') || rest.starts_with('/'))
    }
}

/// All files under `folder` whose name ends with one of `endings`, ordered by path.
pub(crate) fn files(root: &Path, folder: &str, endings: &[&str]) -> io::Result<Vec<Source>> {
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        if !folder.exists() {
            continue;
        }
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
                let name = path
                    .strip_prefix(root)
                    .unwrap_or(&path)
                    .to_string_lossy()
                    .replace('\\', "/");
                found.push(Source {
                    path: name,
                    text: fs::read_to_string(&path)?,
                });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

/// `text` with comments, strings and character literals replaced by blanks.
fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = literal_or_comment(rest, code.chars().last());
        let (taken, left) = rest.split_at(if length == 0 { first.len_utf8() } else { length });
        if length == 0 {
            code.push(first);
        } else {
            code.extend(taken.chars().map(|char| if char == '\n' { '\n' } else { ' ' }));
        }
        rest = left;
    }
    code
}

/// The bytes of the comment or literal that `text` starts with; 0 if it starts with code.
fn literal_or_comment(text: &str, before: Option<char>) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if let Some(rest) = text.strip_prefix("/*") {
        return rest.find("*/").map_or(text.len(), |end| end + 4);
    }
    let in_word = before.is_some_and(|char| char.is_alphanumeric() || char == '_');
    if let Some(rest) = text.strip_prefix('r').filter(|_| !in_word) {
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        let opening = 1 + hashes;
        if rest.split_at(hashes).1.starts_with('"') {
            let closing = format!("\"{}", "#".repeat(hashes));
            let inner = text.split_at(opening + 1).1;
            return inner
                .find(&closing)
                .map_or(text.len(), |end| opening + 1 + end + closing.len());
        }
    }
    if let Some(rest) = text.strip_prefix('"') {
        return closing_quote(rest, '"').map_or(text.len(), |end| end + 1);
    }
    match text.strip_prefix('\'') {
        // A lifetime has no closing quote after one character or escape.
        Some(rest) => match closing_quote(rest, '\'') {
            Some(end) if rest.starts_with('\\') || rest.chars().nth(1) == Some('\'') => end + 1,
            _ => 0,
        },
        None => 0,
    }
}

/// The bytes up to and with the first `quote` that no backslash precedes.
fn closing_quote(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, char) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if char == '\\' {
            escaped = true;
        } else if char == quote {
            return Some(at + 1);
        }
    }
    None
}

/// Whether `code` holds `wanted` where it is not a part of a longer name.
pub(crate) fn has(code: &str, wanted: &str) -> bool {
    let part_of_name = |char: char| char.is_alphanumeric() || char == '_';
    let starts_name = wanted.starts_with(part_of_name);
    let ends_name = wanted.ends_with(part_of_name);
    code.match_indices(wanted).any(|(at, _)| {
        let before = code.split_at(at).0.chars().next_back().is_some_and(part_of_name);
        let after = code
            .split_at(at + wanted.len())
            .1
            .chars()
            .next()
            .is_some_and(part_of_name);
        !(starts_name && before || ends_name && after)
    })
}

#[test]
fn comments_and_texts_are_blanked_and_code_is_kept() {
    let text = "let a = \"diesel \\\" x\"; // diesel\n/* diesel\n */ let b: &'a str = r#\"di\"esel\"#; let c = '\"'; let d = '\\''; e::f()";
    let code = blank(text);
    assert!(!code.contains("diesel") && !code.contains("esel"), "{code}");
    for kept in ["let a = ", "let b: &'a str = ", "let c = ", "let d = ", "e::f()"] {
        assert!(code.contains(kept), "{kept} in {code}");
    }
    assert_eq!(
        (code.lines().count(), code.chars().count()),
        (text.lines().count(), text.chars().count())
    );
}

#[test]
fn a_part_of_a_longer_name_is_not_found() {
    assert!(has("use diesel::prelude", "diesel::") && has("x.do_send(y)", "do_send("));
    assert!(!has("use mydiesel::x", "diesel::") && !has("env::variable", "env::var"));
}
