//! A queue seen without the type of its messages: by the child's record, its supervisor and whoever takes a snapshot.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{AtWork, Doing, Parcel, Queue, Waiting};
use crate::supervision::gate::Gate;
use crate::supervision::undelivered::Undeliverable;

/// A queue, whatever its messages are.
pub(in crate::supervision) trait AnyQueue: Send + Sync {
    fn gate(&self) -> Arc<Gate>;
    /// From now on the life of that number is the present one, if it is newer.
    fn begin_life(&self, life: u64);
    /// The present life is over.
    fn end_life(&self);
    /// Nothing is accepted any more, and what waits is undelivered.
    fn close(&self);
    /// Asks for a sign of life, unless one was asked for already.
    fn ask_beat(&self, now: Instant);
    /// A sign of life from within a handler, and what it is at.
    fn beat(&self, life: u64, what: &'static str);
    /// Takes back what was asked, since the child need not answer now.
    fn forget_beat(&self);
    /// For how long no sign of life came since one was asked for.
    fn silence(&self, now: Instant) -> Duration;
    /// For how long the child has been at what it is at.
    fn busy(&self, now: Instant) -> Duration;
    fn doing(&self) -> Option<Doing>;
    /// Percentiles 500 and 990 of a thousand, in microseconds, of the time per message; none before the first.
    fn times_us(&self) -> Option<(u64, u64)>;
    /// Wakes whoever waits for a message.
    fn wake(&self);
}

impl<T: Parcel> AnyQueue for Queue<T> {
    fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.gate)
    }

    fn begin_life(&self, life: u64) {
        let mut state = self.lock();
        if life > state.life {
            state.life = life;
            state.at_work = None;
            state.beat_asked = None;
            state.notices.clear();
            state.pace.slacken();
        }
    }

    fn end_life(&self) {
        let mut state = self.lock();
        state.at_work = None;
        state.beat_asked = None;
        state.notices.clear();
        state.waker = None;
        state.pace.slacken();
    }

    fn close(&self) {
        let left = {
            let mut state = self.lock();
            state.closed = true;
            state.notices.clear();
            state.waker = None;
            std::mem::take(&mut state.messages)
        };
        for Waiting { parcel, stamp } in left {
            self.undeliverable(parcel, stamp.at.elapsed(), Undeliverable::Stopped);
        }
    }

    fn ask_beat(&self, now: Instant) {
        let waker = {
            let mut state = self.lock();
            if state.beat_asked.is_some() {
                state.pace.slacken();
            } else {
                state.beat_asked = Some(now);
                state.pace.reads(now);
            }
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn beat(&self, life: u64, what: &'static str) {
        let mut state = self.lock();
        if state.life == life {
            state.beat_asked = None;
            state.at_work = Some(AtWork {
                what,
                since: Some(Instant::now()),
                weight: 1,
            });
        }
    }

    fn forget_beat(&self) {
        let mut state = self.lock();
        state.beat_asked = None;
        state.pace.slacken();
    }

    fn silence(&self, now: Instant) -> Duration {
        let asked = self.lock().beat_asked;
        asked.map_or(Duration::ZERO, |asked| now.saturating_duration_since(asked))
    }

    fn busy(&self, now: Instant) -> Duration {
        let mut state = self.lock();
        let since = state.at_work.as_mut().map(|at_work| at_work.since(now));
        since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    fn doing(&self) -> Option<Doing> {
        let mut state = self.lock();
        let at_work = state.at_work.as_mut()?;
        Some(Doing {
            what: at_work.what,
            since: at_work.since(Instant::now()),
        })
    }

    fn times_us(&self) -> Option<(u64, u64)> {
        let state = self.lock();
        let times = state.times.as_ref()?;
        Some((times.percentile_us(500), times.percentile_us(990)))
    }

    fn wake(&self) {
        let waker = self.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// A queue that several may hold.
pub(in crate::supervision) type SharedQueue = Arc<dyn AnyQueue>;
