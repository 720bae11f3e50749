//! Faults that are asked for: by operators, and by tests.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The text of a panic that was asked for.
pub(super) const INJECTED: &str = "a panic was asked for";

/// A fault that a test wants of a child: see [`Universe::inject`](super::Universe::inject).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The handler of the nth message from now on panics instead of handling it; 1 is the next.
    PanicAt(u64),
    /// The handler of the nth message from now on never comes to its end.
    HangAt(u64),
    /// Each coming life begins this late.
    SlowStart(Duration),
    /// The factory panics this many times.
    FailedStarts(u32),
}

/// The faults that one child is to show.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Whether there are any; asked for each message.
    any: AtomicBool,
    list: Mutex<Vec<Fault>>,
}

/// What is to happen to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Twist {
    Panic,
    Hang,
}

impl Faults {
    pub(super) fn add(&self, fault: Fault) {
        self.with(|list| list.push(fault));
        self.any.store(true, Ordering::SeqCst);
    }

    /// Counts a message; what is to happen to it instead of being handled.
    pub(super) fn on_message(&self) -> Option<Twist> {
        if !self.any.load(Ordering::Relaxed) {
            return None;
        }
        self.with(|list| {
            let mut twist = None;
            list.retain_mut(|fault| match fault {
                Fault::PanicAt(0 | 1) => {
                    twist = Some(Twist::Panic);
                    false
                }
                Fault::HangAt(0 | 1) => {
                    twist = Some(Twist::Hang);
                    false
                }
                Fault::PanicAt(left) | Fault::HangAt(left) => {
                    *left -= 1;
                    true
                }
                Fault::SlowStart(_) | Fault::FailedStarts(_) => true,
            });
            twist
        })
    }

    /// How late a life is to begin.
    pub(super) fn start_delay(&self) -> Option<Duration> {
        if !self.any.load(Ordering::Relaxed) {
            return None;
        }
        self.with(|list| {
            list.iter().find_map(|fault| match fault {
                Fault::SlowStart(delay) => Some(*delay),
                _ => None,
            })
        })
    }

    /// Whether the factory is to fail this time.
    pub(super) fn fails_start(&self) -> bool {
        self.any.load(Ordering::Relaxed)
            && self.with(|list| {
                list.iter_mut().any(|fault| match fault {
                    Fault::FailedStarts(left) if *left > 0 => {
                        *left -= 1;
                        true
                    }
                    _ => false,
                })
            })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Vec<Fault>) -> T) -> T {
        act(&mut self.list.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Panics because it was asked for.
#[expect(clippy::panic, reason = "it is what was asked for")]
pub(super) fn panic_as_asked() {
    std::panic::panic_any(INJECTED);
}
