//! How far an attempt has come.

use serde::{Deserialize, Serialize};

/// How far an attempt has come, in the work's own units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Units done.
    pub done: u64,
    /// Units in all, if they are known.
    pub total: Option<u64>,
    /// What is being done, for people; at most [`Progress::NOTE_MAX`] characters.
    pub note: Option<String>,
}

impl Progress {
    /// The longest note that is kept, in characters: one line on a page.
    pub const NOTE_MAX: usize = 200;

    /// Progress of `done` units out of `total`; a note longer than the limit is cut.
    #[must_use]
    pub fn new(done: u64, total: Option<u64>, note: Option<&str>) -> Self {
        Self {
            done,
            total,
            note: note.map(|text| text.chars().take(Self::NOTE_MAX).collect()),
        }
    }
}
