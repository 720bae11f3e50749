//! The actors that perform jobs, and the dispatcher and keeper beside them.
//!
//! Guarantees: the dispatcher claims at most as many jobs as a worker has free slots; jobs of one queue start in the order
//! in which they were claimed; a worker's restart neither ends its attempts nor loses what waits in its mailbox; a wake
//! that is lost costs one poll.
//!
//! Left out: what the work is (`jobs::kinds`), and how a failing actor is restarted (`supervision`).

mod beat;
mod clearing;
mod contracting;
mod counting;
mod deadlines;
mod dispatcher;
mod guard;
mod keeper;
mod kinds;
mod lane;
mod lease;
mod ledger;
mod mail_counting;
mod overlooked;
mod report_files;
mod rescue;
mod retiming;
mod scheduler;
mod slots;
mod ticking;
mod unlisted;
mod uses;
mod wakes;
mod worker;

pub use beat::Sign;
pub use clearing::Walk;
pub use contracting::Contracting;
pub use counting::count_depths;
pub use dispatcher::{Dispatcher, DispatcherParts, POLL_EVERY};
pub use guard::{GUARD_EVERY, Guard, GuardParts};
pub use keeper::{Keeper, KeeperParts};
pub use lane::{Lane, LaneParts};
pub use lease::{LEASE, LEASE_BEAT, Lease, LeaseChange, Term};
pub use mail_counting::MailLedger;
pub use rescue::Rescued;
pub use scheduler::{Admit, Scheduler, SchedulerParts};
pub use slots::Slots;
pub use wakes::{Wake, Wakes};
pub use worker::{Perform, Worker};

#[cfg(test)]
mod tests;
