//! Why a job waits, in words for whoever asks.
//!
//! Guarantees: the first reason is told that would have to go first: nothing is said of a turn while nobody can perform the
//! job at all. It is what this process knows at that moment, and decides nothing.

use crate::api::State;
use crate::api::health::what_ails;
use crate::clock::Timestamp;
use crate::domain::job::{JobState, Queue, Room};
use crate::store::Count;

/// The actor that claims for all queues.
const DISPATCHER: &str = "dispatcher";

/// What of a job decides why it waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing<'a> {
    pub(super) state: JobState,
    pub(super) queue: &'a str,
    pub(super) kind: &'a str,
    pub(super) version: i64,
    pub(super) run_at: Timestamp,
}

/// What a job waits for, as far as its own row, the kinds and the pauses tell: what is looked up for each job accepted.
pub(super) fn waits_for(job: Standing<'_>, state: &State) -> Option<String> {
    match job.state {
        JobState::Scheduled => return Some(format!("its time, {}", job.run_at)),
        JobState::Retryable => return Some(format!("its next attempt, at {}", job.run_at)),
        JobState::Available => {}
        _ => return None,
    }
    let kind = job.kind;
    let Some(known) = state.registry.get(kind) else {
        return Some(format!("a worker that knows the kind {kind}"));
    };
    if job.version > known.version().into() {
        return Some(format!(
            "a worker that knows version {} of the kind {kind}",
            job.version
        ));
    }
    let queue = job.queue;
    let is_paused = queue.parse().is_ok_and(|queue| state.paused.contains(queue));
    is_paused.then(|| format!("the paused queue {queue} to be resumed"))
}

/// What a job waits for that could be claimed, as far as those tell who would have to claim and perform it.
pub(super) fn waits_for_whom(job: Standing<'_>, state: &State) -> Option<String> {
    let queue = job.queue.parse::<Queue>().ok()?;
    if job.state != JobState::Available {
        return None;
    }
    if state.depths.alive().is_some_and(|alive| alive.work == 0) {
        return Some("a node that performs jobs; none is alive".to_owned());
    }
    let worker = state.workers.iter().find(|worker| worker.queue == queue)?;
    // Where nothing is performed, others are to be asked.
    let mut needed = [worker.worker, DISPATCHER].into_iter().filter(|_| worker.slots > 0);
    needed.find_map(|name| {
        let ails = what_ails(&state.tree.inspect(name).ok()?)?;
        Some(format!("the {name}: {ails}"))
    })
}

/// What a job waits for that could be claimed but for a limit: an end of another, or time.
pub(super) fn waits_for_room(key: &str, room: Room) -> Option<String> {
    if !room.is_full() {
        return None;
    }
    let whose = if key.is_empty() {
        "its queue"
    } else {
        "its key or its queue"
    };
    Some(match room.next_at {
        Some(at) => format!("its time under the rate of {whose}, {at} at the earliest"),
        None => format!("a place under the limit of {whose}"),
    })
}

/// What a job waits for that will be claimed: its turn, with so many before it.
pub(super) fn waits_for_turn(job: Standing<'_>, ahead: Count, state: &State) -> Option<String> {
    let queue = job.queue.parse::<Queue>().ok()?;
    let worker = state.workers.iter().find(|worker| worker.queue == queue)?;
    let node = state.tree.inspect(worker.worker).ok();
    let is_busy = worker.slots > 0 && node.is_some_and(|node| node.in_flight.is_some_and(|busy| busy >= worker.slots));
    let before = match (ahead.count, ahead.is_capped) {
        (0, _) => "it is the next one".to_owned(),
        (1, _) => "one job goes before it".to_owned(),
        (count, false) => format!("{count} jobs go before it"),
        (count, true) => format!("over {count} jobs go before it"),
    };
    let slots = worker.slots;
    if is_busy {
        return Some(format!("one of the {slots} slots of the {}; {before}", worker.worker));
    }
    (ahead.count > 0).then(|| format!("its turn; {before}"))
}
