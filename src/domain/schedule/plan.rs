//! What is to be done about a schedule whose tick has come: which ticks get a job, and which do not.
//!
//! A tick is *missed* if nobody looked at it within [`GRACE`] of its time, as when the service was down. Guarantees: every tick
//! from the one that was due to the present is in exactly one part of the plan; the plan's length has a bound, and so has what
//! making it costs.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Cadence;
use crate::clock::Timestamp;

/// The shortest time between two ticks.
const MINUTE: Duration = Duration::from_secs(60);
/// How late a tick may be looked at and still count as looked at in time. Ticks are a minute apart at least, so that no more
/// than two wait within it; a restart, a deployment and the taking over from a dead node are done in less.
pub const GRACE: Duration = MINUTE;
/// The most missed ticks that can be caught up with.
pub const CATCH_UP_MAX: u32 = 100;
/// The most missed ticks that are counted: a week of minutes is about as many. Beyond it only the order of magnitude is of
/// interest.
pub const COUNTED_MAX: u32 = 10_000;

/// What becomes of missed ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// They get no job.
    Skip,
    /// They get one job together, with those that wait beside them.
    Coalesce,
    /// So many of the latest get a job each, and those before them none.
    CatchUp(u32),
}

/// One tick, or several in a row that are treated as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticks {
    /// The first.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// How many, counted up to [`COUNTED_MAX`].
    pub count: u32,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What was missed and gets no job; it lies before all fires.
    pub skipped: Option<Ticks>,
    /// What gets a job each, in order.
    pub fires: Vec<Ticks>,
    /// The last tick that the plan is about.
    pub last: Timestamp,
    /// The tick after the present; none if there is none.
    pub next: Option<Timestamp>,
}

impl Ticks {
    /// A single one.
    #[must_use]
    pub const fn one(at: Timestamp) -> Self {
        Self {
            first: at,
            last: at,
            count: 1,
        }
    }
}

/// The missed ones: how many, and the latest of them.
struct Late {
    count: u32,
    latest: VecDeque<Timestamp>,
}

impl Late {
    fn push(&mut self, tick: Timestamp, kept: usize) {
        self.latest.push_back(tick);
        if self.latest.len() > kept {
            self.latest.pop_front();
        }
    }
}

/// What to do at `now` about a schedule whose next tick was `due`, which is not after it.
#[must_use]
pub fn plan(cadence: &Cadence, due: Timestamp, now: Timestamp, missed: Missed) -> Plan {
    let caught_up = match missed {
        Missed::CatchUp(most) => usize::try_from(most.min(CATCH_UP_MAX)).unwrap_or(usize::MAX),
        Missed::Skip | Missed::Coalesce => 0,
    };
    // One more than gets a job: the last that does not.
    let (late, mut next) = late(cadence, due, now.minus(GRACE), caught_up + 1);
    let mut waiting = Vec::new();
    while let Some(tick) = next.filter(|tick| *tick <= now) {
        waiting.push(Ticks::one(tick));
        next = cadence.next(tick);
    }
    let newest_late = late.latest.back().copied();
    let last = waiting.last().map(|ticks| ticks.last).or(newest_late).unwrap_or(due);
    let Some(newest_late) = newest_late else {
        return Plan {
            skipped: None,
            fires: waiting,
            last,
            next,
        };
    };
    let all = |last, count| Ticks {
        first: due,
        last,
        count,
    };
    match missed {
        Missed::Skip => Plan {
            skipped: Some(all(newest_late, late.count)),
            fires: waiting,
            last,
            next,
        },
        Missed::Coalesce => {
            let count = late
                .count
                .saturating_add(u32::try_from(waiting.len()).unwrap_or(u32::MAX));
            Plan {
                skipped: None,
                fires: vec![all(last, count.min(COUNTED_MAX))],
                last,
                next,
            }
        }
        Missed::CatchUp(_) => {
            let mut latest = late.latest;
            let left_out = (latest.len() > caught_up).then(|| latest.pop_front()).flatten();
            let caught_up = u32::try_from(latest.len()).unwrap_or(u32::MAX);
            Plan {
                skipped: left_out.map(|left_out| all(left_out, late.count.saturating_sub(caught_up).max(1))),
                fires: latest.into_iter().map(Ticks::one).chain(waiting).collect(),
                last,
                next,
            }
        }
    }
}

/// The ticks from `due` to before `until`, of which the latest `kept` are named; and the one after them.
fn late(cadence: &Cadence, due: Timestamp, until: Timestamp, kept: usize) -> (Late, Option<Timestamp>) {
    let mut late = Late {
        count: 0,
        latest: VecDeque::new(),
    };
    let mut next = Some(due);
    while let Some(tick) = next.filter(|tick| *tick < until) {
        if late.count == COUNTED_MAX {
            late.latest = latest(cadence, tick, until, kept);
            next = late.latest.back().and_then(|last| cadence.next(*last));
            break;
        }
        late.count += 1;
        late.push(tick, kept);
        next = cadence.next(tick);
    }
    (late, next)
}

/// The latest `kept` ticks before `until`, of which there is one at `known`: looked for in ever longer times before `until`, so
/// that what lies before them is not walked through.
fn latest(cadence: &Cadence, known: Timestamp, until: Timestamp, kept: usize) -> VecDeque<Timestamp> {
    let mut length = MINUTE * 60;
    loop {
        let from = until.minus(length).max(known.minus(Duration::from_micros(1)));
        let mut found = Late {
            count: 0,
            latest: VecDeque::new(),
        };
        for tick in cadence.after(from).take_while(|tick| *tick < until) {
            found.push(tick, kept);
        }
        if found.latest.len() >= kept || from < known {
            return found.latest;
        }
        length = length.saturating_mul(2);
    }
}
