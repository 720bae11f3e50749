//! Jobs and their attempts: inserting, claiming, finishing, cancelling, rescuing and reading them.
//!
//! Guarantees: every state is decided by [`crate::domain::job::transition`] on what the row says inside the same
//! transaction; every write about an attempt names its fence; a claim never hands one job to two attempts.

mod after;
mod arguments;
mod aside;
mod awaited;
mod bulk;
mod claim;
mod deadline;
mod depths;
mod faults;
mod finish;
mod insert;
mod kinds;
mod order;
mod overlooked;
mod page;
mod progress;
mod read;
mod record;
mod release;
mod rescue;
mod retention;
mod row;
mod unique;
mod waited;

pub use after::NoSuchJob;
pub use awaited::Awaited;
pub use bulk::{
    Carrier, ChangedJob, Done, Meant, MeantJob, MeantPage, PORTION_MAX, Portion, PortionDone, do_portion, meant_page,
};
pub use claim::{ClaimRequest, Claimed, ClaimedJob, KnownKind};
pub use deadline::{OVERDUE_MAX, any_overdue, end_overdue, running_overdue};
pub use depths::{DepthCounts, Place, ahead, depths, oldest, to_come};
pub use faults::{GivenUp, GivenUpFilter, GivenUpPage, given_up};
pub use finish::{AttemptFinish, Finished};
pub use insert::NewJob;
pub use kinds::{WaitingKind, waiting_kinds};
pub use order::{ChangedArgs, OrderRefused, cancel, resolve, retry, retry_with};
pub use overlooked::{Overlooked, overlooked, settle_overlooked};
pub use page::{JobFilter, JobPage, SCANNED_MAX, list};
pub use progress::{AttemptProgress, Held, hold, no_return};
pub use read::{
    ATTEMPTS_SHOWN_MAX, JobArguments, JobScope, TRANSCRIPTS_SHOWN_MAX, add_transcripts, arguments, attempts_of,
    available, cancel_requested, count_ended_as, one, running, running_by_node,
};
pub use record::{AttemptRecord, JobRecord};
pub use rescue::{RESCUED_MAX, any_stray, rescue, rescue_node, rescue_strays, rescue_unlisted, running_on};
pub use retention::{FinishedUntil, OldJobs, PAGE_MAX, forget, old_jobs};
pub use unique::{Enqueued, holder_of};

pub(super) use after::{hold_for_batch, insert_after};
pub(super) use arguments::{JOINED as JOINED_ARGS, delete as delete_arguments};
pub(super) use aside::set_aside;
pub(super) use awaited::SHOWN_RUN_AT;
pub(super) use claim::claim;
pub(super) use finish::finish;
pub(super) use insert::insert;
pub(super) use progress::progress;
pub(super) use release::release_finishing;
pub(super) use row::StandingRow;
pub(super) use waited::{Ended, look_at_batch, tell};

/// Rows that one statement finds by their ids. SQLite takes 32,766 values in a statement.
pub(super) const STATEMENT_ROWS_MAX: usize = 500;

#[cfg(test)]
mod tests;
