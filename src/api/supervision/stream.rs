//! The events of the supervision tree as server-sent events.
//!
//! Guarantees: a client that comes back with the id of the last event it saw misses none that the tree still remembers, and
//! is told how many others passed it by; a stream that is silent is kept open by a comment; it ends with a last event when
//! the service shuts down, so that no stream holds the shutdown up, and when whoever reads it may not any more: that is looked
//! at every [`RECHECK_EVERY`].

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use actix_web::web::{Bytes, Data};
use futures_util::Stream;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio::time::error::Elapsed;

use crate::api::State;
use crate::api::auth::Operator;
use crate::api::sse::{PING_EVERY, frame};
use crate::supervision::{Event, Events, Heard};

/// How long somebody reads on who may not any more: a login that ended, a key that was revoked, an operator who is none.
const RECHECK_EVERY: Duration = Duration::from_secs(30);

struct Live {
    /// Events from before the subscription.
    backlog: VecDeque<Bytes>,
    events: Events,
    state: Data<State>,
    reader: Operator,
    recheck_at: Instant,
    ping_at: Instant,
    has_ended: bool,
    /// Given back when the client goes away.
    _place: OwnedSemaphorePermit,
}

/// The stream of `events` for a client that has `seen` those up to that number; it holds its `place` while it lives.
pub(super) fn server_sent(
    events: Events,
    seen: Option<u64>,
    reader: Operator,
    state: Data<State>,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let latest = events.recent().last().map_or(0, |event| event.number);
    // Numbers begin anew with every process; a larger one is of an earlier process and says nothing here.
    let seen = seen.filter(|seen| *seen <= latest).unwrap_or(0);
    let missed = events.recent().iter().filter(|event| event.number > seen);
    let live = Live {
        backlog: missed.map(|event| written(event)).collect(),
        events,
        state,
        reader,
        recheck_at: Instant::now() + RECHECK_EVERY,
        ping_at: Instant::now() + PING_EVERY,
        has_ended: false,
        _place: place,
    };
    futures_util::stream::unfold(live, |mut live| async move {
        let next = live.next().await?;
        Some((Ok(next), live))
    })
}

impl Live {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(event) = self.backlog.pop_front() {
            return Some(event);
        }
        if self.has_ended {
            return None;
        }
        let state = Data::clone(&self.state);
        loop {
            let heard = tokio::select! {
                biased;
                () = state.shutdown.raised() => return Some(self.end("the service is shutting down")),
                () = tokio::time::sleep_until(self.recheck_at) => None,
                heard = tokio::time::timeout_at(self.ping_at, self.events.next()) => Some(heard),
            };
            if let Some(heard) = heard {
                return Some(self.told(heard));
            }
            if !self.reader.is_still_one(&state).await {
                return Some(self.end("whoever reads this is no operator any more, or not logged in"));
            }
            self.recheck_at = Instant::now() + RECHECK_EVERY;
        }
    }

    fn told(&mut self, heard: Result<Option<Heard>, Elapsed>) -> Bytes {
        self.ping_at = Instant::now() + PING_EVERY;
        match heard {
            Ok(Some(Heard::Event(event))) => written(&event),
            Ok(Some(Heard::Missed(count))) => frame("missed", None::<u64>, &json!({ "missed": count })),
            Err(_silence) => Bytes::from_static(b": ping\n\n"),
            Ok(None) => self.end("the service is shutting down"),
        }
    }

    /// The last event.
    fn end(&mut self, detail: &'static str) -> Bytes {
        self.has_ended = true;
        frame("end", None::<u64>, &json!({ "detail": detail }))
    }
}

fn written(event: &Event) -> Bytes {
    frame(event.kind.as_str(), Some(event.number), event)
}
