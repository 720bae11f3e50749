//! Other nodes on the same database: telling them of jobs that became available here, and hearing of theirs.
//!
//! Guarantees: this node's own dispatcher is told first and whatever becomes of the rest; nothing here blocks whoever
//! commits. A file has no neighbours. What is lost on the way is found by polls.

use std::sync::Arc;

use super::postgres::{Channel, Heard, OnHeard, start_listener};
use super::{Database, OnAvailable};
use crate::domain::job::Queue;
use crate::supervision::Supervisor;

/// What tells this node and its neighbours of available jobs; `on_available` is called for both kinds.
pub(super) fn meet(database: &Database, on_available: &OnAvailable, supervisor: &Supervisor) -> OnAvailable {
    let Database::Postgres(settings) = database else {
        return Arc::clone(on_available);
    };
    let own = Arc::clone(on_available);
    let heard = Arc::clone(on_available);
    let on_heard: OnHeard = Arc::new(move |said| match said {
        Heard::Message(Channel::Available, name) => {
            if let Ok(queue) = name.parse::<Queue>() {
                heard(&[queue]);
            }
        }
        Heard::Message(Channel::Events | Channel::Cancels, _) => {}
        Heard::Again => heard(Queue::ALL),
    });
    let announcer = start_listener(settings, on_heard, supervisor);
    Arc::new(move |queues: &[Queue]| {
        own(queues);
        for queue in queues {
            announcer.tell(Channel::Available, queue.as_str());
        }
    })
}
