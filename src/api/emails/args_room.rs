//! How many bytes the jobs of one request may have together.
//!
//! Guarantees: a few short words can have a template make a long mail, a thousand times over; what is made before the limits are
//! asked, and kept in memory until it is committed, is bounded by this.

use crate::api::http::Fields;

/// The most bytes of the arguments of one request's jobs: more than it can bring with it, so that what it says itself fits.
const ARGS_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What is left of it.
pub(in crate::api) struct ArgsRoom {
    left: Option<usize>,
}

impl ArgsRoom {
    /// All of it.
    pub(in crate::api) const fn new() -> Self {
        Self {
            left: Some(ARGS_BYTES_MAX),
        }
    }

    /// Whether a mail can still be made; if not, that is noted in `fields`, for the item that they are within.
    pub(in crate::api) fn is_open(&self, fields: &mut Fields) -> bool {
        if self.is_full() {
            let detail = format!(
                "and what is before it come to more than {ARGS_BYTES_MAX} bytes, which is as many as one request may make; ask for it \
                 in another"
            );
            fields.refuse("", detail);
        }
        !self.is_full()
    }

    /// Whether more was asked for than there was.
    pub(in crate::api) const fn is_full(&self) -> bool {
        self.left.is_none()
    }

    /// Takes the room for arguments of so many bytes; where there is not as much, that is noted in `fields`, and there is none
    /// for what comes behind them.
    pub(in crate::api) fn take(&mut self, bytes: usize, fields: &mut Fields) {
        self.left = self.left.and_then(|left| left.checked_sub(bytes));
        self.is_open(fields);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_one_that_was_too_large_has_no_room() {
        let (mut room, mut fields) = (ArgsRoom::new(), Fields::new());
        room.take(ARGS_BYTES_MAX - 1, &mut fields);
        room.take(1, &mut fields);
        assert!(room.is_open(&mut fields) && fields.is_fine());
        fields.enter("/messages/2".to_owned());
        room.take(1, &mut fields);
        assert!(!room.is_open(&mut fields));
        let refused = fields.finish().unwrap_err();
        assert_eq!(refused.errors()[0].pointer, "/messages/2");
    }
}
