//! What was said in a delivery, by both sides: for whoever asks later why a mail came to what it did.
//!
//! Guarantees: no more than [`TRANSCRIPT_BYTES_MAX`] is kept, of a longer one its beginning and its end, with how much lies
//! between; each line is printable, with addresses masked; of a message only its size is kept. What must not be kept (a
//! login) is for whoever writes here to leave out.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::words::sanitise;

/// The most bytes of a transcript, with what is said of lines that were left out.
pub const TRANSCRIPT_BYTES_MAX: usize = 8 * 1024;
/// The most bytes of its beginning, and of its end; what is left is for the line between them.
const HALF_BYTES_MAX: usize = TRANSCRIPT_BYTES_MAX / 2 - 64;
/// The most bytes of one line: an answer is cut at [`super::WORDS_CHARS_MAX`] characters of at most 4 bytes before.
const LINE_BYTES_MAX: usize = HALF_BYTES_MAX;

/// Who said a line.
#[derive(Clone, Copy)]
pub(super) enum Side {
    /// We.
    Client,
    /// The server.
    Server,
    /// Nobody: what happened to the connection.
    Nobody,
}

/// Lines such as `12 C: DATA`, each with the milliseconds since the delivery began. It is written to through a shared
/// reference, so that it survives the delivery, which may be dropped at any time.
pub struct Transcript {
    began: Instant,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    beginning: String,
    /// Lines behind the beginning, while they fit.
    end: VecDeque<String>,
    end_bytes: usize,
    /// Lines between the two.
    left_out: usize,
}

impl Transcript {
    /// An empty one, whose time begins now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            kept: Mutex::default(),
        }
    }

    /// Adds a line of ours or the server's, which is printable already.
    pub(super) fn line(&self, side: Side, words: impl fmt::Display) {
        let ms = self.began.elapsed().as_millis();
        let mark = match side {
            Side::Client => "C:",
            Side::Server => "S:",
            Side::Nobody => "--",
        };
        let mut kept = self.lock();
        if kept.end.is_empty() && kept.left_out == 0 {
            let before = kept.beginning.len();
            // Writing to a text cannot fail.
            let _written = writeln!(kept.beginning, "{ms} {mark} {words}");
            if kept.beginning.len() <= HALF_BYTES_MAX {
                return;
            }
            let line = kept.beginning.split_off(before);
            kept.push_end(line);
        } else {
            kept.push_end(format!("{ms} {mark} {words}\n"));
        }
    }

    /// Adds what the server said, or what happened, in whatever words.
    pub(super) fn foreign(&self, side: Side, words: &str) {
        self.line(side, sanitise(words));
    }

    /// What was said so far, which is forgotten here; none if that is nothing.
    #[must_use]
    pub fn take(&self) -> Option<String> {
        let kept = std::mem::take(&mut *self.lock());
        let mut text = kept.beginning;
        if kept.left_out > 0 {
            let _written = writeln!(text, "... {} lines left out ...", kept.left_out);
        }
        text.extend(kept.end);
        (!text.is_empty()).then_some(text)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // A line is either there or not.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn push_end(&mut self, mut line: String) {
        if line.len() > LINE_BYTES_MAX {
            let end = (0..LINE_BYTES_MAX).rev().find(|at| line.is_char_boundary(*at));
            line.truncate(end.unwrap_or(0));
            line.push('\n');
        }
        self.end_bytes = self.end_bytes.saturating_add(line.len());
        self.end.push_back(line);
        while self.end_bytes > HALF_BYTES_MAX {
            let Some(oldest) = self.end.pop_front() else { break };
            self.end_bytes = self.end_bytes.saturating_sub(oldest.len());
            self.left_out = self.left_out.saturating_add(1);
        }
    }
}

impl Default for Transcript {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[tokio::test(start_paused = true)]
    async fn each_line_has_its_time_and_who_said_it() {
        let transcript = Transcript::new();
        transcript.line(Side::Nobody, "connected");
        tokio::time::advance(std::time::Duration::from_millis(12)).await;
        transcript.foreign(Side::Server, "220 hello <ada@example.org>\r\n");
        transcript.line(Side::Client, format_args!("EHLO {}", "x"));
        let text = transcript.take().unwrap();
        assert_eq!(
            text,
            "0 -- connected\n12 S: 220 hello <a***@example.org>\n12 C: EHLO x\n"
        );
        assert_eq!(transcript.take(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_long_one_the_beginning_and_the_end_are_kept() {
        let transcript = Transcript::new();
        for number in 0..1_000 {
            transcript.line(Side::Client, format_args!("RCPT TO:<{number}***@example.org>"));
        }
        let text = transcript.take().unwrap();
        assert!(text.starts_with("0 C: RCPT TO:<0***@example.org>\n"));
        assert!(text.ends_with("0 C: RCPT TO:<999***@example.org>\n"));
        let shown = text.lines().count() - 1;
        let left_out = 1_000 - shown;
        assert!(
            text.contains(&format!("\n... {left_out} lines left out ...\n")),
            "{text}"
        );
    }

    proptest! {
        #[test]
        fn it_is_never_larger_than_its_limit(lines in prop::collection::vec((0..9_000_usize, any::<bool>()), 0..60)) {
            let transcript = Transcript::new();
            for (length, is_wide) in lines {
                transcript.line(Side::Server, if is_wide { "ä" } else { "x" }.repeat(length));
            }
            let text = transcript.take().unwrap_or_default();
            prop_assert!(text.len() <= TRANSCRIPT_BYTES_MAX, "{}", text.len());
        }
    }
}
