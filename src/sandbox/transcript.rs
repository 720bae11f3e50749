//! What was said in the dialogue of a mail, without passwords and without the message.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Timestamp;

/// The most lines of one mail; what is said after them is left out.
const LINES_MAX: usize = 300;
/// The most characters of a line.
const CHARS_MAX: usize = 500;

/// Who said a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who sends the mail.
    Client,
    /// The sandbox.
    Server,
}

/// A line of a dialogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it was said.
    pub at: Timestamp,
    /// By whom.
    pub side: Side,
    /// The line, cut to 500 characters, with control characters replaced.
    pub text: String,
}

/// The dialogue of one mail, which goes on after the mail is taken; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    lines: Arc<Mutex<Vec<Line>>>,
}

impl Transcript {
    fn lock(&self) -> MutexGuard<'_, Vec<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was said so far.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.lock().clone()
    }

    pub(super) fn add(&self, at: Timestamp, side: Side, said: &[u8]) {
        let mut lines = self.lock();
        if lines.len() < LINES_MAX {
            lines.push(Line {
                at,
                side,
                text: shown(said),
            });
        }
    }

    /// Another one, which begins with what this one has.
    pub(super) fn branch(&self) -> Self {
        Self {
            lines: Arc::new(Mutex::new(self.lines())),
        }
    }
}

fn shown(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let printable = |char: char| if char.is_control() { '\u{fffd}' } else { char };
    let mut shown: String = text.trim_end().chars().take(CHARS_MAX).map(printable).collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}
