//! What limits leave to start, and what is written of what started under them.
//!
//! Guarantees: a limit is never passed by claims that begin after it was set, however many nodes claim; a claim that began before
//! a queue had its first limit may start jobs beside it. Who claims under limits holds the queue's row in `limited_queues` until
//! the claim is committed, and counts what runs only then: so two claims never count the same free place. Who does not get that
//! row leaves alone what limits may concern, and looks again at once. What runs is counted from the jobs themselves, which only
//! the fence of an attempt ends: there is no count that a stale attempt could give back twice.

use std::collections::HashMap;
use std::time::Duration;

use crate::store::dialect::prelude::*;

use super::ClaimedJob;
use super::lanes::Look;
use crate::clock::Timestamp;
use crate::domain::id::WorkspaceId;
use crate::domain::job::{Queue, Rate, Room};
use crate::store::dialect::{InsertMany, ListedLane, LockedFree, Value};
use crate::store::limits::{self, Standing};
use crate::store::schema::limited_queues;
use crate::store::{Connection, StoreError};

/// When to look again at what another claim is deciding on: such a claim takes some milliseconds.
const DECIDED_SOON: Duration = Duration::from_millis(5);

/// Limits of a queue, as one claim has to do with them.
pub(super) struct Limits {
    queue: Queue,
    hold: Hold,
    /// Whether the queue itself is known to have no limit. It stays so while this claim holds the limits, which whoever sets one
    /// waits for.
    has_none_of_queue: bool,
    /// The rates that were seen, and when their buckets are full again; those of the queue itself have no workspace and no key.
    rates: HashMap<(String, String), (Rate, Option<Timestamp>)>,
}

/// Whether this claim decides what starts under limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    /// There are none.
    Unlimited,
    /// It does.
    Mine,
    /// Another one does.
    Others,
}

impl Limits {
    /// Takes the queue's limits, if it has any and nobody else has them.
    pub(super) fn enter(connection: &mut Connection, queue: Queue, is_limited: bool) -> Result<Self, StoreError> {
        let mut hold = Hold::Unlimited;
        if is_limited {
            let row = limited_queues::table
                .filter(limited_queues::queue.eq(queue.as_str()))
                .select(limited_queues::queue);
            let held: Vec<String> = LockedFree(row).load(connection)?;
            hold = if held.is_empty() { Hold::Others } else { Hold::Mine };
        }
        Ok(Self {
            queue,
            hold,
            has_none_of_queue: false,
            rates: HashMap::new(),
        })
    }

    /// What the limit of the queue itself leaves.
    pub(super) fn room_of_queue(&mut self, connection: &mut Connection, now: Timestamp) -> Result<Room, StoreError> {
        if self.hold == Hold::Unlimited || self.has_none_of_queue {
            return Ok(Room::ENDLESS);
        }
        let Some(standing) = limits::of_queue(connection, self.queue)? else {
            self.has_none_of_queue = self.hold == Hold::Mine;
            return Ok(Room::ENDLESS);
        };
        if self.hold == Hold::Others {
            return Ok(decided_soon(now));
        }
        Ok(self.noted((String::new(), String::new()), standing, now))
    }

    /// Enters into the lanes what limits leave of each.
    pub(super) fn enter_rooms(
        &mut self,
        connection: &mut Connection,
        look: &mut Look,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if self.hold == Hold::Unlimited {
            return Ok(());
        }
        let keyed = look.workspaces.iter_mut().flat_map(|seen| {
            let name = seen.name.as_str();
            let lanes = seen.lanes.iter_mut().filter(|lane| !lane.key.is_empty());
            lanes.map(move |lane| (name, lane))
        });
        if self.hold == Hold::Others {
            keyed.for_each(|(_, lane)| lane.room = decided_soon(now));
            return Ok(());
        }
        let keyed: Vec<_> = keyed.collect();
        if keyed.is_empty() {
            return Ok(());
        }
        let asked: Vec<ListedLane<'_>> = keyed
            .iter()
            .map(|(name, lane)| ListedLane {
                w: name,
                k: &lane.key,
                n: 0,
            })
            .collect();
        let standings = limits::of_lanes(connection, self.queue, &asked)?;
        let rooms: HashMap<_, _> = standings
            .into_iter()
            .map(|(lane, standing)| (lane.clone(), self.noted(lane, standing, now)))
            .collect();
        for (name, lane) in keyed {
            if let Some(room) = rooms.get(&(name.to_owned(), lane.key.clone())) {
                lane.room = *room;
            }
        }
        Ok(())
    }

    /// What a limit leaves; its rate is kept for what will have started.
    fn noted(&mut self, lane: (String, String), standing: Standing, now: Timestamp) -> Room {
        if let Some(rate) = standing.limit.rate {
            self.rates.insert(lane, (rate, standing.full_at));
        }
        standing.room(now)
    }

    /// Writes what these jobs have used up of rates, one row for each bucket; answers when the first bucket that is empty now
    /// gives the next start.
    pub(super) fn started(
        &mut self,
        connection: &mut Connection,
        jobs: &[ClaimedJob],
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        if self.rates.is_empty() {
            return Ok(None);
        }
        let mut of_lanes: HashMap<(WorkspaceId, &str), u64> = HashMap::new();
        for job in jobs.iter().filter(|job| !job.limit_key.is_empty()) {
            *of_lanes.entry((job.workspace, &job.limit_key)).or_default() += 1;
        }
        let of_queue = (
            (String::new(), String::new()),
            u64::try_from(jobs.len()).unwrap_or(u64::MAX),
        );
        let of_lanes = of_lanes
            .into_iter()
            .map(|((workspace, key), count)| ((workspace.to_string(), key.to_owned()), count));
        let (mut rows, mut next_at): (Vec<Vec<Value>>, Option<Timestamp>) = (Vec::new(), None);
        for (lane, count) in of_lanes.chain([of_queue]).filter(|(_, count)| *count > 0) {
            let Some((rate, full_at)) = self.rates.get(&lane) else {
                continue;
            };
            let full_at = rate.used(*full_at, count, now);
            let its_next = rate.room(Some(full_at), now).next_at;
            next_at = next_at.into_iter().chain(its_next).min();
            rows.push(vec![
                Value::Text(Some(self.queue.to_string())),
                Value::Text(Some(lane.0)),
                Value::Text(Some(lane.1)),
                Value::Number(Some(full_at.as_micros())),
            ]);
        }
        // The next look reads anew.
        self.rates.clear();
        InsertMany {
            table: "limit_buckets",
            columns: &["queue", "workspace_id", "limit_key", "full_at"],
            rows,
            on_conflict: " ON CONFLICT (queue, workspace_id, limit_key) DO UPDATE SET full_at = excluded.full_at",
        }
        .execute(connection)?;
        Ok(next_at)
    }
}

fn decided_soon(now: Timestamp) -> Room {
    Room {
        now: Some(0),
        next_at: Some(now.plus(DECIDED_SOON)),
    }
}
