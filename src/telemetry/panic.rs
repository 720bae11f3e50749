//! A panic in the log: once, with its place.
//!
//! Guarantees: the hook takes the place of the standard one, so that a panic is not also written as loose lines that no
//! collector can read; it logs inside the span in which the panic happened.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

use super::names::event;

/// Makes every panic of this process a log event. Who catches the panic logs what it means, not that it happened.
pub(super) fn install_hook() {
    std::panic::set_hook(Box::new(log_panic));
}

pub(super) fn log_panic(info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(
        event = event::PANIC,
        location,
        thread = thread.name().unwrap_or("unnamed"),
        error = info.payload_as_str().unwrap_or("a panic without a text"),
        backtrace,
        "code panicked"
    );
}
