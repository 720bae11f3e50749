//! One stream: reads events on from its place whenever it is told that there may be some.
//!
//! Guarantees: what is sent comes from the table, in its order, so that each event's id is a place from which to go on; a
//! slow client holds nobody up, since nothing is gathered for it: it is read for when it takes more. The stream ends with the
//! job that it follows, with a last event at a shutdown, and when whoever reads it may not any more, which is looked at every
//! [`RECHECK_EVERY`], however much happens.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use actix_web::web::{Bytes, Data};
use futures_util::Stream;
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

use super::look;
use super::places::Place;
use crate::api::State;
use crate::api::auth::Member;
use crate::api::jobs::JobView;
use crate::api::sse::{PING_EVERY, frame};
use crate::api::waiting::WhenGone;
use crate::clock::Timestamp;
use crate::domain::id::JobId;
use crate::domain::job::Progress;
use crate::store::events::{Change, Cursor, Followed, Subscription, after};
use crate::telemetry;

/// The shortest time between two reads: what happens within it is sent together.
const READ_EVERY: Duration = Duration::from_millis(25);

/// How long somebody reads on at the most once it is known that they may not any more. It is a look into memory.
const RECHECK_EVERY: Duration = Duration::from_secs(1);

/// What a client is told of a change.
#[derive(Serialize)]
struct ChangeView<'a> {
    id: JobId,
    kind: &'a str,
    queue: &'a str,
    state: crate::domain::job::JobState,
    attempt: i64,
    /// The number of its latest attempt.
    fence: i64,
    cause: Option<&'a str>,
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<&'a Progress>,
}

/// The place from which a stream goes on.
pub(super) struct Start(pub(super) Cursor);

/// A stream that is open.
pub(super) struct Live {
    waiting: VecDeque<Bytes>,
    cursor: Cursor,
    followed: Followed,
    subscription: Subscription,
    /// Whether there may be events that were not read.
    is_due: bool,
    read_at: Instant,
    ping_at: Instant,
    /// When to look whether the reader still may; nothing that is sent puts it off.
    recheck_at: Instant,
    has_ended: bool,
    reader: Member,
    state: Data<State>,
    gone: Option<WhenGone>,
    _place: Place,
}

impl Live {
    pub(super) fn new(
        Start(cursor): Start,
        followed: Followed,
        subscription: Subscription,
        reader: Member,
        state: Data<State>,
        place: Place,
    ) -> Self {
        Self {
            waiting: VecDeque::new(),
            cursor,
            followed,
            subscription,
            is_due: true,
            read_at: Instant::now(),
            ping_at: Instant::now() + PING_EVERY,
            recheck_at: Instant::now() + RECHECK_EVERY,
            has_ended: false,
            reader,
            state,
            gone: None,
            _place: place,
        }
    }

    /// Has the job cancelled when this is dropped before its end.
    pub(super) fn cancelling(&mut self, mut gone: WhenGone) {
        gone.is_armed = true;
        self.gone = Some(gone);
    }

    /// Sends the job as it is; where it has ended, that is all.
    pub(super) fn snapshot(&mut self, name: &str, job: &JobView) {
        self.waiting.push_back(frame(name, Some(self.cursor), job));
        if job.is_final() {
            self.finish();
        }
    }

    /// Says that events between the client's last one and now are gone.
    pub(super) fn history_gone(&mut self) {
        let detail = "what happened behind your Last-Event-ID is not kept any more; the stream goes on from now";
        let told = json!({ "detail": detail, "jobs": "/v1/jobs" });
        self.waiting.push_back(frame("history_gone", Some(self.cursor), &told));
    }

    /// Sends a comment, and the id from which to go on.
    pub(super) fn keep_alive(&mut self) {
        self.waiting
            .push_back(Bytes::from(format!(": ping\nid: {}\n\n", self.cursor)));
    }

    /// The stream itself.
    pub(super) fn events(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        futures_util::stream::unfold(self, |mut live| async move {
            let next = live.next().await?;
            Some((Ok(next), live))
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        let state = Data::clone(&self.state);
        loop {
            if !self.has_ended && Instant::now() >= self.recheck_at {
                self.recheck().await;
            }
            if let Some(waiting) = self.waiting.pop_front() {
                self.ping_at = Instant::now() + PING_EVERY;
                return Some(waiting);
            }
            if self.has_ended {
                return None;
            }
            if self.is_due {
                self.read().await;
                continue;
            }
            tokio::select! {
                biased;
                () = state.shutdown.raised() => self.end("the service is shutting down"),
                () = tokio::time::sleep_until(self.ping_at) => self.check().await,
                // It is looked at above.
                () = tokio::time::sleep_until(self.recheck_at) => {}
                () = self.subscription.changed(&state.store) => {
                    tokio::time::sleep_until(self.read_at + READ_EVERY).await;
                    self.is_due = true;
                }
            }
        }
    }

    /// Reads a page of events on from the stream's place.
    async fn read(&mut self) {
        let (followed, cursor) = (self.followed, self.cursor);
        let read = self
            .state
            .store
            .read(move |connection| after(connection, followed, cursor));
        let page = match read.await {
            Ok(page) => page,
            Err(error) => {
                let error = telemetry::chain(&error);
                tracing::debug!(error, "events could not be read; their stream is ended");
                return self.end("the events cannot be read now; come back with the last id");
            }
        };
        self.read_at = Instant::now();
        self.is_due = !page.is_last;
        self.cursor = page.next;
        for (place, change) in coalesced(page.changes) {
            self.waiting.push_back(written(place, &change));
            if change.state.is_final() && matches!(self.followed, Followed::Job(..)) {
                return self.finish();
            }
        }
    }

    /// Ends the stream if the reader may not read any more; what was not sent yet is not sent.
    async fn recheck(&mut self) {
        self.recheck_at = Instant::now() + RECHECK_EVERY;
        let state = Data::clone(&self.state);
        if !self.reader.may_still_read(&state).await {
            self.waiting.clear();
            self.end("whoever reads this is not logged in any more, or may not see it");
        }
    }

    /// Looks whether there are events that nobody told of, and whether the job is still there; and keeps the connection open.
    async fn check(&mut self) {
        self.ping_at = Instant::now() + PING_EVERY;
        let state = Data::clone(&self.state);
        self.read().await;
        if self.has_ended || !self.waiting.is_empty() {
            return;
        }
        if let Followed::Job(id, _) = self.followed {
            match look(id, &self.reader, &state).await {
                Ok(Some(job)) if job.is_final() => return self.snapshot("snapshot", &job),
                Ok(Some(_)) => {}
                Ok(None) => return self.end("the job is not kept any more"),
                // Why not is logged by whoever asks for the job itself.
                Err(_) => {}
            }
        }
        self.keep_alive();
    }

    /// Ends the stream with the job.
    fn finish(&mut self) {
        self.has_ended = true;
        if let Some(gone) = &mut self.gone {
            gone.is_armed = false;
        }
    }

    /// Ends the stream with a last event.
    fn end(&mut self, detail: &'static str) {
        self.finish();
        self.waiting
            .push_back(frame("end", None::<Cursor>, &json!({ "detail": detail })));
    }
}

fn written(place: Cursor, change: &Change) -> Bytes {
    let view = ChangeView {
        id: change.job,
        kind: &change.kind,
        queue: &change.queue,
        state: change.state,
        attempt: change.attempt,
        fence: change.fence,
        cause: change.cause.as_deref(),
        at: change.at,
        progress: change.progress.as_ref(),
    };
    let name = if change.is_progress() {
        "progress"
    } else {
        change.state.as_str()
    };
    frame(name, Some(place), &view)
}

/// The changes without progress that is followed by more of the same job's. Attempts write theirs four times a second at
/// most, so that whoever follows gets no more than that, and less where they come late.
fn coalesced(changes: Vec<(Cursor, Change)>) -> Vec<(Cursor, Change)> {
    let mut later = std::collections::HashMap::new();
    let mut kept: Vec<_> = changes
        .into_iter()
        .rev()
        .filter(|(_, change)| {
            let is_followed_by_progress = later.insert(change.job, change.is_progress()) == Some(true);
            !(change.is_progress() && is_followed_by_progress)
        })
        .collect();
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::job::JobState;

    fn change(job: u128, done: Option<u64>) -> Change {
        Change {
            job: JobId::from_bits(job),
            kind: "probe".into(),
            queue: "probes".into(),
            state: JobState::Running,
            attempt: 1,
            fence: 1,
            cause: None,
            at: Timestamp::from_micros(0),
            progress: done.map(|done| Progress::new(done, None, None)),
        }
    }

    proptest! {
        #[test]
        fn coalescing_leaves_out_progress_alone_and_keeps_the_last_before_each_other_change(
            steps in proptest::collection::vec((0..3_u128, any::<bool>()), 0..40),
        ) {
            let all: Vec<(Cursor, Change)> = (0_u64..)
                .zip(&steps)
                .map(|(number, (job, is_progress))| {
                    let place = format!("0-{number}").parse().unwrap();
                    (place, change(*job, is_progress.then_some(number)))
                })
                .collect();
            let kept = coalesced(all.clone());
            prop_assert!(kept.is_sorted_by(|(one, _), (next, _)| one < next));
            for job in 0..3 {
                let of = |changes: &[(Cursor, Change)]| -> Vec<(Cursor, Change)> {
                    changes.iter().filter(|(_, change)| change.job == JobId::from_bits(job)).cloned().collect()
                };
                let (all, kept) = (of(&all), of(&kept));
                for (index, one) in all.iter().enumerate() {
                    let is_superseded = one.1.is_progress() && all.get(index + 1).is_some_and(|next| next.1.is_progress());
                    prop_assert_eq!(kept.contains(one), !is_superseded);
                }
            }
        }
    }
}
