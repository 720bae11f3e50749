//! The contract of a kind of work, the registry of kinds, enqueueing, and the execution of one attempt.
//!
//! Guarantees:
//! - A job is made by [`new_job`] and inserted in its caller's transaction; there is no other way in.
//! - An attempt runs under a panic guard, a time limit and a stop signal, and its end is written whatever happens to it: an
//!   [`Attempt`] that is dropped before its end was written says so to the ledger by itself.
//! - What an attempt may still do when it is stopped is fixed: it is told, has [`GRACE`] to end by itself, and is then
//!   dropped; past its point of no return it is never simply run again.
//!
//! To add a kind: one file in `kinds/` that implements [`Kind`], one line where the application builds its [`Registry`].
//!
//! Left out: when jobs are claimed and which actor runs them (`workers`); how they are kept (`store`).

pub mod accounts;
mod attempt;
mod attempts;
mod conclude;
mod context;
mod depth;
mod elsewhere;
mod enqueue;
mod kind;
pub mod kinds;
mod ledger;
mod mail_counts;
mod outcome;
mod paused;
mod progress;
mod quotas;
mod recurring;
mod registry;
mod run;
mod stop;
mod suppressions;
mod templates;
mod told;

pub use attempt::{Attempt, AttemptParts, Report};
pub use attempts::{AttemptHandle, Attempts};
pub use context::{JobContext, Stopped};
pub use depth::{DepthLimits, Depths, Full, FullOf, WORKSPACES_MAX};
pub use elsewhere::{KINDS_MAX, KindsChange, KindsElsewhere, known_by};
pub use enqueue::{Order, new_job};
pub use kind::{ArgsError, ErasedKind, Kind, Prepared};
pub use ledger::{Ledger, MemoryLedger};
pub use mail_counts::{MailCounts, MailsFull, WRITTEN_EVERY as MAILS_WRITTEN_EVERY, first_hour, hour_before};
pub use outcome::{Failure, Outcome, RetryWish};
pub use paused::PausedQueues;
pub use quotas::OwnQuotas;
pub use recurring::{RecurringReport, Unmade, recurring};
pub use registry::Registry;
pub use run::GRACE;
pub use stop::StopCause;
pub use suppressions::SuppressionList;
pub use templates::{LoadedTemplate, TemplateLibrary, Unrendered, UsedTemplate};

#[cfg(test)]
mod tests;
