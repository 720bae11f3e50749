//! Catching panics and putting them into words.
//!
//! Guarantees: what is caught here never unwinds further, not even when dropping the panic's payload panics again; the
//! text is bounded, so that a panic cannot fill the log or the tree's memory.
//!
//! Left out: the place in the source. The payload does not hold it; a panic hook set once by the application logs it.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The longest text kept of a panic, in characters: enough for an assertion with both of its sides.
const TEXT_CHARS_MAX: usize = 500;

/// The message of a panic, from the payload that `catch_unwind` or a join error gives; at most 500 characters.
///
/// A payload that is no text (`std::panic::panic_any`) is named as such.
#[must_use]
pub fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message");
    text.chars().take(TEXT_CHARS_MAX).collect()
}

/// Runs `work`, and gives the text of its panic if it panics.
///
/// Whatever `work` changed before it panicked stays changed: the caller must not use it again, or rebuild it first.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let text = panic_text(&*payload);
        // A payload may be any value, and its destructor may panic in turn; the second payload is leaked, since
        // dropping it could go on like this for ever.
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            mem::forget(second);
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nasty;
    impl Drop for Nasty {
        fn drop(&mut self) {
            panic!("the payload panics as well");
        }
    }

    #[test]
    fn the_text_of_a_panic_is_its_message_and_is_bounded() {
        assert_eq!(caught(|| panic!("plain")), Err::<(), _>("plain".to_owned()));
        assert_eq!(caught(|| panic!("with {}", 7)), Err::<(), _>("with 7".to_owned()));
        assert_eq!(
            caught(|| std::panic::panic_any(7)),
            Err::<(), _>("a panic without a message".to_owned())
        );
        let long = caught(|| panic!("{}", "ü".repeat(2_000))).map(|()| 0).unwrap_err();
        assert_eq!(long.chars().count(), TEXT_CHARS_MAX);
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_contained() {
        assert!(caught(|| std::panic::panic_any(Nasty)).map(|()| 0).is_err());
    }
}
