//! Jobs that are made again and again: when they are due, and what becomes of the times that nobody was there for.
//!
//! Guarantees: pure, and the same answer on every node of one version: the rules of all time zones are part of the binary.
//! The ticks of a cadence strictly increase. What a look at a late schedule costs has a bound, however late it is.
//!
//! Left out: who looks, and when (`workers`); that each tick is settled once (`store`).

mod cadence;
mod cron;
mod jitter;
mod plan;
#[cfg(test)]
mod tests;
mod zone;

use super::named::named;

pub use cadence::Cadence;
pub use cron::{Cron, NotACron};
pub use jitter::jitter;
pub use plan::{CATCH_UP_MAX, COUNTED_MAX, GRACE, Missed, Plan, Ticks, plan};
pub use zone::{UnknownZone, Zone, Zones};

named! {
    /// What happens at a tick while the job of the one before has not ended.
    Overlap {
        /// Another job is made beside it.
        Allow = "allow",
        /// The tick is skipped.
        Skip = "skip",
    }
}

named! {
    /// What became of a tick.
    FireOutcome {
        /// A job was made.
        Fired = "fired",
        /// One job was made for several ticks.
        Coalesced = "coalesced",
        /// A person had a job made, apart from any tick.
        Ordered = "ordered",
        /// Nobody was there in time, and it was skipped.
        SkippedMissed = "skipped_missed",
        /// The job before it had not ended, and it was skipped.
        SkippedOverlap = "skipped_overlap",
        /// No job could be made.
        Refused = "refused",
    }
}
