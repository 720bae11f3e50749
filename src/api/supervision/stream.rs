//! The events of the supervision tree as server-sent events.
//!
//! Guarantees: a client that comes back with the id of the last event it saw misses none that the tree still remembers, and
//! is told how many others passed it by; a stream that is silent is kept open by a comment; it ends with a last event when
//! the service shuts down, so that no stream holds the shutdown up.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use actix_web::web::Bytes;
use futures_util::Stream;
use serde::Serialize;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use crate::api::ShutdownFlag;
use crate::supervision::{Event, Events, Heard};

/// The longest silence: well below the minute after which proxies close a connection.
const PING_EVERY: Duration = Duration::from_secs(15);

struct Live {
    /// Events from before the subscription.
    backlog: VecDeque<Bytes>,
    events: Events,
    shutdown: ShutdownFlag,
    has_ended: bool,
    /// Given back when the client goes away.
    _place: OwnedSemaphorePermit,
}

/// The stream of `events` for a client that has `seen` those up to that number; it holds its `place` while it lives.
pub(super) fn server_sent(
    events: Events,
    seen: Option<u64>,
    shutdown: ShutdownFlag,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let latest = events.recent().last().map_or(0, |event| event.number);
    // Numbers begin anew with every process; a larger one is of an earlier process and says nothing here.
    let seen = seen.filter(|seen| *seen <= latest).unwrap_or(0);
    let missed = events.recent().iter().filter(|event| event.number > seen);
    let live = Live {
        backlog: missed.map(|event| written(event)).collect(),
        events,
        shutdown,
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
        let heard = tokio::select! {
            biased;
            () = self.shutdown.raised() => None,
            heard = tokio::time::timeout(PING_EVERY, self.events.next()) => Some(heard),
        };
        match heard {
            Some(Ok(Some(Heard::Event(event)))) => Some(written(&event)),
            Some(Ok(Some(Heard::Missed(count)))) => Some(frame("missed", None, &json!({ "missed": count }))),
            Some(Err(_silence)) => Some(Bytes::from_static(b": ping\n\n")),
            Some(Ok(None)) | None => {
                self.has_ended = true;
                Some(frame("end", None, &json!({ "detail": "the service is shutting down" })))
            }
        }
    }
}

fn written(event: &Event) -> Bytes {
    frame(event.kind.as_str(), Some(event.number), event)
}

/// One event on the wire. JSON has no line breaks outside of its texts and escapes those inside, so it is one line.
fn frame(name: &str, id: Option<u64>, data: &impl Serialize) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    // Texts, numbers and times always serialize.
    let data = serde_json::to_string(data).unwrap_or_default();
    Bytes::from(format!("{id}event: {name}\ndata: {data}\n\n"))
}
