//! Jobs and their attempts: inserting, claiming, finishing, cancelling, rescuing and reading them.
//!
//! Guarantees: every state is decided by [`crate::domain::job::transition`] on what the row says inside the same
//! transaction; every write about an attempt names its fence; a claim never hands one job to two attempts.

mod aside;
mod bulk;
mod claim;
mod deadline;
mod depths;
mod faults;
mod finish;
mod insert;
mod order;
mod page;
mod progress;
mod read;
mod record;
mod rescue;
mod retention;
mod row;
mod unique;

pub use bulk::{
    Carrier, ChangedJob, Done, Meant, MeantJob, MeantPage, PORTION_MAX, Portion, PortionDone, do_portion, meant_page,
};
pub use claim::{ClaimRequest, Claimed, ClaimedJob, KnownKind};
pub use deadline::{OVERDUE_MAX, any_overdue, end_overdue, running_overdue};
pub use depths::{DepthCounts, Place, ahead, depths, oldest, to_come};
pub use faults::{GivenUp, GivenUpFilter, GivenUpPage, given_up};
pub use finish::{AttemptFinish, Finished};
pub use insert::NewJob;
pub use order::{ChangedArgs, OrderRefused, cancel, retry, retry_with};
pub use page::{JobFilter, JobPage, SCANNED_MAX, list};
pub use progress::{AttemptProgress, Held, hold, no_return};
pub use read::{
    ATTEMPTS_SHOWN_MAX, JobScope, arguments, attempts_of, available, cancel_requested, one, running, running_by_node,
    unknown_kinds,
};
pub use record::{AttemptRecord, JobRecord};
pub use rescue::{RESCUED_MAX, any_stray, rescue, rescue_node, rescue_strays, rescue_unlisted, running_on};
pub use retention::{FinishedUntil, OldJobs, PAGE_MAX, forget, old_jobs};
pub use unique::{Enqueued, holder_of};

pub(super) use claim::claim;
pub(super) use finish::finish;
pub(super) use insert::insert;
pub(super) use progress::progress;

/// Rows that one statement finds by their ids. SQLite takes 32,766 values in a statement.
const STATEMENT_ROWS_MAX: usize = 500;

#[cfg(test)]
mod tests;
