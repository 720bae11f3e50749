//! Other nodes on the same database: telling them of jobs that became available here and of what happened to jobs, and hearing
//! of theirs, and of changes to who may come in, of which the database itself tells.
//!
//! Guarantees: this node's own dispatcher is told first and whatever becomes of the rest; nothing here blocks whoever
//! commits. A file has no neighbours. What is lost on the way is found by polls.

use std::sync::Arc;

use super::credentials::{Changed, CredentialWatch};
use super::events::Hub;
use super::postgres::{Channel, Heard, OnHeard, start_listener};
use super::{Database, OnAvailable};
use crate::domain::job::Queue;
use crate::supervision::Supervisor;

/// What tells this node and its neighbours of available jobs; `on_available` is called for both kinds.
pub(super) fn meet(
    database: &Database,
    on_available: &OnAvailable,
    hub: &Hub,
    credentials: &CredentialWatch,
    supervisor: &Supervisor,
) -> OnAvailable {
    let Database::Postgres(settings) = database else {
        return Arc::clone(on_available);
    };
    let own = Arc::clone(on_available);
    let heard = Arc::clone(on_available);
    let followers = hub.clone();
    let credentials = credentials.clone();
    let on_heard: OnHeard = Arc::new(move |said| match said {
        Heard::Message(Channel::Available, name) => {
            if let Ok(queue) = name.parse::<Queue>() {
                heard(&[queue]);
            }
        }
        Heard::Message(Channel::Events, _) => followers.woken(),
        Heard::Message(Channel::Credentials, account) => credentials.heard(account),
        Heard::Again => {
            credentials.changed(Changed::Anybody);
            heard(Queue::ALL);
            followers.woken();
        }
        Heard::UpTo(moment) => credentials.heard_up_to(moment),
    });
    let announcer = start_listener(settings, on_heard, supervisor);
    let events = announcer.clone();
    hub.tell_others_by(move || events.tell(Channel::Events, ""));
    Arc::new(move |queues: &[Queue]| {
        own(queues);
        for queue in queues {
            announcer.tell(Channel::Available, queue.as_str());
        }
    })
}
