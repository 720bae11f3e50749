//! The messages that wait for a child, through all of its lives and whichever thread it lives on.
//!
//! Guarantees: messages are handed out in the order of their acceptance, each once; only the life that is the present one
//! gets any; orders and notices of watched children come before them; after the end nothing waits unnoticed.
//!
//! It is ours rather than actix's because a message must outlive an actor that blocks its thread, give way to a newer one
//! if that is the rule, and be handed to a hook if it is never handled.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::gate::Slot;
use super::latency::Latency;
use super::panics::caught;
use super::undelivered::{Hook, Undeliverable, Undelivered};
use super::watch::Down;

/// A message on its way, as the queue sees it.
pub(super) trait Parcel: Send + 'static {
    /// The type of the message.
    fn message_type(&self) -> &'static str;
    /// The message.
    fn into_message(self) -> Box<dyn Any + Send>;
}

/// An accepted message with its place.
pub(super) struct Accepted<T> {
    pub(super) slot: Slot,
    pub(super) parcel: T,
}

/// A notice of a watched child.
struct Notice<T> {
    /// Which watched child it is about; a later notice about it takes the place of one that still waits.
    about: u64,
    down: Down,
    parcel: fn(Down) -> T,
}

/// What a life is to do next.
pub(super) enum Next<T> {
    /// Handle this message.
    Message(T),
    /// Nothing waits; whoever asked is woken when something does.
    Nothing,
    /// This is not the present life.
    Superseded,
}

/// What a child is at, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Doing {
    pub(super) what: &'static str,
    pub(super) since: Instant,
}

pub(super) struct Queue<T> {
    /// A std mutex: held for a few instructions, and never across an await or the application's code.
    state: Mutex<State<T>>,
    hook: Option<Hook>,
    child: String,
}

struct State<T> {
    messages: VecDeque<Accepted<T>>,
    notices: VecDeque<Notice<T>>,
    waker: Option<Waker>,
    /// The life that may take messages.
    life: u64,
    doing: Option<Doing>,
    /// When a sign of life was asked for, if it was not given yet.
    beat_asked: Option<Instant>,
    times: Option<Latency>,
    closed: bool,
}

impl<T: Parcel> Queue<T> {
    pub(super) fn new(child: String, hook: Option<Hook>) -> Self {
        Self {
            state: Mutex::new(State {
                messages: VecDeque::new(),
                notices: VecDeque::new(),
                waker: None,
                life: 0,
                doing: None,
                beat_asked: None,
                times: None,
                closed: false,
            }),
            hook,
            child,
        }
    }

    /// Adds a message. One that comes after the end is undelivered.
    pub(super) fn push(&self, message: Accepted<T>) {
        let waker = {
            let mut state = self.lock();
            if state.closed {
                drop(state);
                self.undeliverable(message, Undeliverable::Stopped);
                return;
            }
            state.messages.push_back(message);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes the oldest message out, to make room.
    pub(super) fn evict(&self) {
        let oldest = self.lock().messages.pop_front();
        if let Some(oldest) = oldest {
            self.undeliverable(oldest, Undeliverable::Evicted);
        }
    }

    /// Leaves a notice for the life that asked for it.
    pub(super) fn notify(&self, life: u64, about: u64, mut down: Down, parcel: fn(Down) -> T) {
        let waker = {
            let mut state = self.lock();
            if state.closed || state.life != life {
                return;
            }
            if let Some(waiting) = state.notices.iter_mut().find(|notice| notice.about == about) {
                down.ends = down.ends.saturating_add(waiting.down.ends);
                waiting.down = down;
                return;
            }
            state.notices.push_back(Notice { about, down, parcel });
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The next message for this life, whose handler begins now. The one before is done, and a beat is answered.
    pub(super) fn next(&self, life: u64, waker: Option<&Waker>) -> Next<T> {
        let mut state = self.lock();
        if state.life != life {
            return Next::Superseded;
        }
        state.beat_asked = None;
        let notice = state.notices.pop_front();
        let accepted = if notice.is_none() {
            state.messages.pop_front()
        } else {
            None
        };
        // The clock is read once a message: the end of one is the beginning of the next.
        let busy = state.doing.is_some();
        let now = if busy || notice.is_some() || accepted.is_some() {
            Some(Instant::now())
        } else {
            None
        };
        if let (Some(now), Some(done)) = (now, state.doing.take()) {
            let took = now.saturating_duration_since(done.since);
            state.times.get_or_insert_default().record(took);
        }
        if let (Some(notice), Some(now)) = (notice, now) {
            state.doing = Some(Doing {
                what: std::any::type_name::<Down>(),
                since: now,
            });
            return Next::Message((notice.parcel)(notice.down));
        }
        if let (Some(accepted), Some(now)) = (accepted, now) {
            state.doing = Some(Doing {
                what: accepted.parcel.message_type(),
                since: now,
            });
            drop(state);
            accepted.slot.begin(now);
            return Next::Message(accepted.parcel);
        }
        if let Some(waker) = waker
            && !state.waker.as_ref().is_some_and(|known| known.will_wake(waker))
        {
            state.waker = Some(waker.clone());
        }
        Next::Nothing
    }

    /// Has `waker` woken when something is pushed, or [`wake`](AnyQueue::wake) is called.
    pub(super) fn wait(&self, life: u64, waker: &Waker) {
        let mut state = self.lock();
        if state.life == life && !state.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.waker = Some(waker.clone());
        }
    }

    /// Whether that life is the present one.
    pub(super) fn is_life(&self, life: u64) -> bool {
        let state = self.lock();
        !state.closed && state.life == life
    }

    fn undeliverable(&self, accepted: Accepted<T>, why: Undeliverable) {
        let Accepted { slot, parcel } = accepted;
        let waited = slot.accepted().elapsed();
        // The place is given back, and the message counted, before the application's code sees it.
        match why {
            Undeliverable::Stopped => drop(slot),
            Undeliverable::Evicted => slot.evict(),
        }
        // A hook or destructor that panics must not take the rest of the mailbox with it; the panic hook has logged it.
        let _panic = caught(|| match &self.hook {
            Some(hook) => hook(Undelivered {
                child: self.child.clone(),
                message_type: parcel.message_type(),
                message: parcel.into_message(),
                waited,
                why,
            }),
            None => drop(parcel),
        });
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A queue, whatever its messages are.
pub(super) trait AnyQueue: Send + Sync {
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
    fn begin_life(&self, life: u64) {
        let mut state = self.lock();
        if life > state.life {
            state.life = life;
            state.doing = None;
            state.beat_asked = None;
            state.notices.clear();
        }
    }

    fn end_life(&self) {
        let mut state = self.lock();
        state.doing = None;
        state.beat_asked = None;
        state.notices.clear();
        state.waker = None;
    }

    fn close(&self) {
        let left = {
            let mut state = self.lock();
            state.closed = true;
            state.notices.clear();
            state.waker = None;
            std::mem::take(&mut state.messages)
        };
        for message in left {
            self.undeliverable(message, Undeliverable::Stopped);
        }
    }

    fn ask_beat(&self, now: Instant) {
        let waker = {
            let mut state = self.lock();
            state.beat_asked.get_or_insert(now);
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
            state.doing = Some(Doing {
                what,
                since: Instant::now(),
            });
        }
    }

    fn forget_beat(&self) {
        self.lock().beat_asked = None;
    }

    fn silence(&self, now: Instant) -> Duration {
        let asked = self.lock().beat_asked;
        asked.map_or(Duration::ZERO, |asked| now.saturating_duration_since(asked))
    }

    fn busy(&self, now: Instant) -> Duration {
        let doing = self.doing();
        doing.map_or(Duration::ZERO, |doing| now.saturating_duration_since(doing.since))
    }

    fn doing(&self) -> Option<Doing> {
        self.lock().doing
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
pub(super) type SharedQueue = Arc<dyn AnyQueue>;
