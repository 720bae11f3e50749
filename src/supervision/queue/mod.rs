//! The messages that wait for a child, through all of its lives and whichever thread it lives on.
//!
//! Guarantees: messages are handed out in the order of their acceptance, each once; only the life that is the present one
//! gets any; orders and notices of watched children come before them; after the end nothing waits unnoticed.
//!
//! In parts: the messages and the lives that take them (here), all that does not depend on their type ([`any`]).
//!
//! It is ours rather than actix's because a message must outlive an actor that blocks its thread, give way to a newer one
//! if that is the rule, and be handed to a hook if it is never handled.

mod any;

use std::any::Any;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::gate::{Gate, Slot};
use super::latency::Latency;
use super::pace::{Pace, Stamp};
use super::panics::caught;
use super::undelivered::{Hook, Undeliverable, Undelivered};
use super::watch::{About, Down};
pub(super) use any::{AnyQueue, SharedQueue};

/// A message on its way, as the queue sees it.
pub(super) trait Parcel: Send + 'static {
    /// Whether messages may go untimed while they take next to no time: see [`pace`](super::pace).
    const MAY_GO_UNTIMED: bool;
    /// The type of the message.
    fn message_type(&self) -> &'static str;
    /// The message.
    fn into_message(self) -> Box<dyn Any + Send>;
}

/// A message that waits.
struct Waiting<T> {
    parcel: T,
    stamp: Stamp,
}

/// A notice of a watched child.
struct Notice<T> {
    /// Which tie it is about; a later notice about it takes the place of one that still waits.
    about: About,
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

/// As [`Doing`], but for one that is not timed, the beginning is unknown until somebody asks.
struct AtWork {
    what: &'static str,
    since: Option<Instant>,
    /// How many messages its time stands for; 0 for none.
    weight: u32,
}

impl AtWork {
    /// Since when; at the latest since `now`.
    fn since(&mut self, now: Instant) -> Instant {
        *self.since.get_or_insert(now)
    }
}

pub(super) struct Queue<T> {
    /// A std mutex: held for a few instructions, and never across an await or the application's code.
    state: Mutex<State<T>>,
    /// Who minds the bound, and is given back the place of each message.
    gate: Arc<Gate>,
    hook: Option<Hook>,
    child: String,
}

struct State<T> {
    messages: VecDeque<Waiting<T>>,
    notices: VecDeque<Notice<T>>,
    waker: Option<Waker>,
    /// The life that may take messages.
    life: u64,
    at_work: Option<AtWork>,
    pace: Pace,
    /// When a sign of life was asked for, if it was not given yet.
    beat_asked: Option<Instant>,
    times: Option<Latency>,
    closed: bool,
}

impl<T: Parcel> Queue<T> {
    /// A queue for `capacity` messages, at least one.
    pub(super) fn new(child: String, hook: Option<Hook>, capacity: usize) -> Self {
        Self {
            gate: Arc::new(Gate::new(capacity)),
            state: Mutex::new(State {
                messages: VecDeque::new(),
                notices: VecDeque::new(),
                waker: None,
                life: 0,
                at_work: None,
                pace: Pace::new(T::MAY_GO_UNTIMED),
                beat_asked: None,
                times: None,
                closed: false,
            }),
            hook,
            child,
        }
    }

    /// Adds a message, which has a place of this queue's gate. One that comes after the end is undelivered.
    pub(super) fn push(&self, slot: Slot<'_>, parcel: T) {
        slot.taken();
        let waker = {
            let mut state = self.lock();
            if state.closed {
                drop(state);
                self.undeliverable(parcel, Duration::ZERO, Undeliverable::Stopped);
                return;
            }
            let stamp = state.pace.stamp();
            state.messages.push_back(Waiting { parcel, stamp });
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
            let waited = oldest.stamp.at.elapsed();
            self.undeliverable(oldest.parcel, waited, Undeliverable::Evicted);
        }
    }

    /// Leaves a notice for the life that asked for it.
    pub(super) fn notify(&self, life: u64, about: About, mut down: Down, parcel: fn(Down) -> T) {
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
        // The clock is read once at most: the end of one message is the beginning of the next.
        let mut now = None;
        if let Some(AtWork {
            since: Some(since),
            weight: weight @ 1..,
            ..
        }) = state.at_work.take()
        {
            let took = now.get_or_insert_with(Instant::now).saturating_duration_since(since);
            state.pace.took(took);
            state.times.get_or_insert_default().record(took, weight);
        }
        if let Some(notice) = state.notices.pop_front() {
            state.at_work = Some(AtWork {
                what: std::any::type_name::<Down>(),
                since: Some(now.unwrap_or_else(Instant::now)),
                weight: 1,
            });
            return Next::Message((notice.parcel)(notice.down));
        }
        if let Some(Waiting { parcel, stamp }) = state.messages.pop_front() {
            let since = (stamp.weight > 0).then(|| now.unwrap_or_else(Instant::now));
            state.at_work = Some(AtWork {
                what: parcel.message_type(),
                since,
                weight: stamp.weight,
            });
            drop(state);
            self.gate
                .begun(since.map(|since| since.saturating_duration_since(stamp.at)));
            return Next::Message(parcel);
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

    /// The life is at nothing, until it says otherwise; what it was at.
    pub(super) fn idle(&self, life: u64) -> Option<Doing> {
        let mut state = self.lock();
        let at_work = if state.life == life { state.at_work.take() } else { None };
        at_work.map(|mut at_work| Doing {
            what: at_work.what,
            since: at_work.since(Instant::now()),
        })
    }

    /// Whether that life is the present one.
    pub(super) fn is_life(&self, life: u64) -> bool {
        let state = self.lock();
        !state.closed && state.life == life
    }

    fn undeliverable(&self, parcel: T, waited: Duration, why: Undeliverable) {
        // The place is given back, and the message counted, before the application's code sees it.
        self.gate.dropped(why);
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
