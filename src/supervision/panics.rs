//! Catching panics and putting them into words.
//!
//! Guarantees: what is caught here never unwinds further, not even when dropping the panic's payload panics again; the
//! text is bounded, so that a panic cannot fill the log or the tree's memory.
//!
//! Left out: the hook that logs a panic, which is the application's; [`capture_backtraces`] adds to it.

use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The longest text kept of a panic, in characters: enough for an assertion with both of its sides.
pub(super) const TEXT_CHARS_MAX: usize = 500;

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

/// A panic that was caught.
#[derive(Clone, Debug)]
pub(super) struct Panic {
    /// Its message.
    pub(super) text: String,
    /// Where it happened and how it came there, if [`capture_backtraces`] was called.
    pub(super) trace: Option<Trace>,
}

/// Where a panic happened.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    /// File, line and column.
    pub(super) location: String,
    /// Not resolved yet, which is what costs.
    pub(super) backtrace: Arc<Backtrace>,
}

thread_local! {
    /// How many [`caught`] are under way on this thread: a panic outside of them is nobody's here.
    static CATCHING: Cell<u32> = const { Cell::new(0) };
    /// The trace of the panic that unwinds, from the hook to whoever catches it.
    static TRACE: RefCell<Option<Trace>> = const { RefCell::new(None) };
}

/// From now on, the panics of supervised actors are caught with their place and backtrace, which
/// [`Tree::backtrace`](super::Tree::backtrace) shows. Adds to the panic hook that is set, so call it after setting one;
/// to be called once in a process. Capturing costs some 10 µs a panic, resolving is done for whoever asks.
pub fn capture_backtraces() {
    let other = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if CATCHING.get() > 0 {
            let trace = Trace {
                location: info.location().map(ToString::to_string).unwrap_or_default(),
                backtrace: Arc::new(Backtrace::force_capture()),
            };
            TRACE.with(|slot| slot.replace(Some(trace)));
        }
        other(info);
    }));
}

/// Runs `work`, and gives its panic if it panics.
///
/// Whatever `work` changed before it panicked stays changed: the caller must not use it again, or rebuild it first.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Panic> {
    CATCHING.set(CATCHING.get() + 1);
    let done = catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(CATCHING.get() - 1);
    done.map_err(|payload| {
        let text = panic_text(&*payload);
        let trace = TRACE.with(RefCell::take);
        // A payload may be any value, and its destructor may panic in turn; the second payload is leaked, since
        // dropping it could go on like this for ever.
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            mem::forget(second);
        }
        Panic { text, trace }
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
        let text = |work: fn()| caught(work).unwrap_err().text;
        assert_eq!(text(|| panic!("plain")), "plain");
        assert_eq!(text(|| panic!("with {}", 7)), "with 7");
        assert_eq!(text(|| std::panic::panic_any(7)), "a panic without a message");
        let long = text(|| panic!("{}", "ü".repeat(2_000)));
        assert_eq!(long.chars().count(), TEXT_CHARS_MAX);
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_contained() {
        assert!(caught(|| std::panic::panic_any(Nasty)).map(|()| 0).is_err());
    }
}
