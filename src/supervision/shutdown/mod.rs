//! Coming down in order: named phases, one after the other, each with a time of its own and its own answer to running out
//! of it.
//!
//! ```
//! use std::time::Duration;
//!
//! use legwork::supervision::shutdown::{OutOfTime, Phase, Shutdown};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # async fn drain_requests() {}
//! # async fn drain_streams() { std::future::pending::<()>().await }
//! # async fn close_database() -> std::io::Result<()> { Ok(()) }
//! let report = Shutdown::new()
//!     .phase(
//!         Phase::new("http")
//!             .within(Duration::from_millis(20))
//!             .task("requests", drain_requests)
//!             .task("streams", drain_streams),
//!     )
//!     .phase(
//!         Phase::new("database")
//!             .within(Duration::from_secs(5))
//!             .when_out_of_time(OutOfTime::GiveUp)
//!             .task("pool", || async { close_database().await }),
//!     )
//!     .run()
//!     .await;
//! assert_eq!(report.cut_off(), ["http/streams"]);
//! # }
//! ```
//!
//! # Guarantees
//!
//! - **In order.** Nothing of a phase is begun, and no task's closure called, before the phases ahead of it are over. Only
//!   what [`OutOfTime::RunOn`] names may still be at work by then.
//! - **Within its time.** A phase is over when all its tasks are, or when its time is; so a shutdown takes at most the sum of
//!   its limits, whatever the tasks do, as long as none of them blocks its thread.
//! - **What is cut off is gone**: the task's future is dropped before the next phase begins, and with it all that it owns.
//! - **A panic is an event, not an end**: that of a task, of the closure that makes it, of a condition, or of a destructor of
//!   any of them ends nothing but itself. The other tasks and the phases go on, unless the phase says otherwise
//!   ([`Phase::give_up_on_failure`]). Only a destructor that panics while another panic unwinds ends the process, by Rust's
//!   own rule.
//! - **All of it is told**: in the [`ShutdownReport`], and in one line of the log for each phase as it ends, with a last one
//!   (`phase` is `end`) for the whole. The lines' event is `shutdown`.
//!
//! # Threads and time
//!
//! The tasks run where [`Shutdown::run`] is awaited (its future is `Send`), in turns, on no thread or task of their
//! own: nothing is spawned, any executor will do that drives tokio's timers, and tests that pause tokio's time see
//! exact figures. Dropping the future of `run` drops what is under way and begins nothing more, which is how a second
//! signal may end a shutdown at once. A task that blocks its thread holds up its phase beyond its time: hand such work
//! to a thread, and wait for that.
//!
//! # Absent on purpose
//!
//! No graph of phases: a list is what people can read, and what may run side by side is a phase of several tasks. No process
//! exit, no signals: those are the caller's. No second try of a task: what a shutdown leaves undone, the next start must be
//! able to take up in any case.

mod course;
mod log;
mod phase;
mod report;
mod task;
#[cfg(test)]
mod tests;

pub use phase::{OutOfTime, Phase};
pub use report::{PartReport, PhaseEnd, PhaseReport, ShutdownReport, TaskEnd, TaskReport};
pub use task::TaskOutput;

use course::Course;

/// A plan for coming down: its phases in their order. Nothing happens before [`run`](Self::run).
#[derive(Debug, Default)]
pub struct Shutdown {
    phases: Vec<Phase>,
}

impl Shutdown {
    /// A plan without phases.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next phase. Two of one name are two phases; what looks a phase up by its name finds the first.
    #[must_use]
    pub fn phase(mut self, phase: Phase) -> Self {
        self.phases.push(phase);
        self
    }

    /// Goes through the phases, and tells how that went. Needs tokio's timers.
    pub async fn run(self) -> ShutdownReport {
        let mut course = Course::begin();
        for phase in self.phases {
            course.take(phase).await;
        }
        course.end()
    }
}
