//! What happened to jobs, for those who follow them: written in each transition's own transaction, read in order.
//!
//! Guarantees:
//! - **Written with what they tell of.** A shared transaction collects the changes that it makes ([`Effects`]) and writes
//!   them at its end, one row for each workspace: no statement for a job. What is rolled back takes its changes along.
//! - **Read completely.** A reader that goes on from a [`Cursor`] misses nothing and gets nothing twice: rows are read in an
//!   order in which none appears behind the reader any more (see `dialect`).
//! - **Told at once.** Who waits in this process is woken after the commit, by the [`Hub`], which costs nothing while nobody
//!   waits. A wake that is lost costs a delay: whoever waits looks by itself now and then.
//!
//! Left out: streams and waiting as clients see them (`api`).

mod change;
mod cursor;
mod effects;
mod hub;
mod read;
mod retention;

pub use change::Change;
pub use cursor::{Cursor, NotACursor};
pub use hub::{Hub, Interest, Subscription};
pub use read::{Followed, Page, after, end, is_kept};
pub use retention::forget;

pub(in crate::store) use change::Written;
pub(in crate::store) use effects::Effects;

#[cfg(test)]
mod tests;
