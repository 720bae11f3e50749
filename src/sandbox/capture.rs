//! The mails that were taken and are still held: bounded in number and in bytes, the oldest go first.

use std::collections::VecDeque;
use std::sync::Arc;

use super::transcript::Transcript;
use crate::clock::Timestamp;

/// A mail that the relay has taken.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Counted from 1 since the relay was started.
    pub id: u64,
    /// When its final dot came.
    pub at: Timestamp,
    /// The sender of the envelope; empty for a bounce.
    pub from: String,
    /// The recipients of the envelope that were taken.
    pub to: Vec<String>,
    /// The message as sent, with the dots that were added for transparency taken away again.
    pub data: Vec<u8>,
    /// Without its angle brackets; empty if there is none.
    pub message_id: String,
    /// The subject, decoded; empty if there is none.
    pub subject: String,
    /// Which connection brought it, counted from 1; 0 for what the sandbox made itself.
    pub connection: usize,
    /// Whether that was encrypted.
    pub is_encrypted: bool,
    /// Whether that was logged in.
    pub is_logged_in: bool,
    /// What was said.
    pub transcript: Transcript,
}

impl Taken {
    /// The message as text; what is not UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.data).into_owned()
    }

    /// Whether `address` is among the recipients; its letters may be large or small.
    #[must_use]
    pub fn is_to(&self, address: &str) -> bool {
        self.to.iter().any(|to| to.to_lowercase() == address.to_lowercase())
    }
}

/// The held mails.
pub(super) struct Captures {
    held: VecDeque<Arc<Taken>>,
    bytes: usize,
    mails_max: usize,
    bytes_max: usize,
    last_id: u64,
}

impl Captures {
    pub(super) fn new(mails_max: usize, bytes_max: usize) -> Self {
        Self {
            held: VecDeque::new(),
            bytes: 0,
            mails_max,
            bytes_max,
            last_id: 0,
        }
    }

    /// Holds a mail, whose id it gives; older ones go as far as is needed. One that is too large alone is held alone.
    pub(super) fn add(&mut self, mut mail: Taken) {
        self.last_id = self.last_id.saturating_add(1);
        mail.id = self.last_id;
        self.bytes = self.bytes.saturating_add(mail.data.len());
        self.held.push_back(Arc::new(mail));
        while self.held.len() > 1 && (self.held.len() > self.mails_max || self.bytes > self.bytes_max) {
            if let Some(gone) = self.held.pop_front() {
                self.bytes = self.bytes.saturating_sub(gone.data.len());
            }
        }
    }

    pub(super) fn held(&self) -> Vec<Arc<Taken>> {
        self.held.iter().map(Arc::clone).collect()
    }

    pub(super) fn one(&self, id: u64) -> Option<Arc<Taken>> {
        let at = self.held.binary_search_by_key(&id, |mail| mail.id).ok()?;
        self.held.get(at).map(Arc::clone)
    }

    pub(super) fn clear(&mut self) {
        self.held.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(bytes: usize) -> Taken {
        Taken {
            id: 0,
            at: Timestamp::from_micros(0),
            from: String::new(),
            to: Vec::new(),
            data: vec![b'x'; bytes],
            message_id: String::new(),
            subject: String::new(),
            connection: 1,
            is_encrypted: false,
            is_logged_in: false,
            transcript: Transcript::default(),
        }
    }

    #[test]
    fn the_oldest_go_first_by_number_and_by_bytes() {
        let ids = |captures: &Captures| captures.held().iter().map(|mail| mail.id).collect::<Vec<_>>();
        let mut captures = Captures::new(3, 100);
        for _ in 0..5 {
            captures.add(mail(10));
        }
        assert_eq!(ids(&captures), [3, 4, 5]);
        captures.add(mail(85));
        assert_eq!(ids(&captures), [5, 6], "95 bytes");
        captures.add(mail(1_000));
        assert_eq!(ids(&captures), [7], "the last is held, however large");
        captures.add(mail(1));
        assert_eq!(ids(&captures), [8]);
        captures.clear();
        captures.add(mail(99));
        assert_eq!(ids(&captures), [9], "ids never come again");
        assert!(captures.one(9).is_some() && captures.one(8).is_none());
    }
}
