//! A shutdown in the log: a line for each phase that began, as it ends, and one for the whole.

use super::report::{PhaseEnd, PhaseReport, ShutdownReport, millis};
use crate::telemetry::names::event;

pub(super) fn phase(report: &PhaseReport) {
    let (phase, duration_ms) = (report.name.as_str(), millis(report.duration));
    let words = match report.how {
        PhaseEnd::OutOfTime => "phase ran out of its time",
        PhaseEnd::Failed => "phase left something undone",
        PhaseEnd::Done | PhaseEnd::Skipped | PhaseEnd::NotReached => {
            tracing::info!(event = event::SHUTDOWN, phase, duration_ms, "phase done");
            return;
        }
    };
    tracing::warn!(
        event = event::SHUTDOWN,
        phase,
        duration_ms,
        limit_ms = millis(report.limit),
        cut_off = listed(&report.cut_off()),
        error = listed(&report.errors()),
        "{words}"
    );
}

pub(super) fn end(report: &ShutdownReport) {
    let duration_ms = millis(report.duration);
    if report.is_clean() {
        tracing::info!(event = event::SHUTDOWN, phase = "end", duration_ms, "down in order");
        return;
    }
    tracing::warn!(
        event = event::SHUTDOWN,
        phase = "end",
        duration_ms,
        cut_off = listed(&report.cut_off()),
        not_reached = listed(&report.not_reached()),
        "down, with something left undone"
    );
}

/// The texts as one, since fields of the log are flat; `None`, which leaves the field out, if there are none.
fn listed<T: AsRef<str>>(texts: &[T]) -> Option<String> {
    let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}
