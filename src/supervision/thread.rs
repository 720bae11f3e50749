//! Supervised threads: workers that block, under the same specs as actors.
//!
//! A thread's body is called anew, on a new thread, for each life; its mailbox and the addresses of it outlive them. It asks
//! for messages, and so hears of an order to end; one that does not ask, nor looks at
//! [`should_stop`](ThreadContext::should_stop), cannot be ended: its time runs out, and it is counted as abandoned.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::address::{TellError, admit, admit_now};
use super::child::Child;
use super::faults::{Twist, panic_as_asked};
use super::gate::MailboxGauge;
use super::moment::after;
use super::queue::{AnyQueue, Next, Parcel, Queue};
use super::stillness::Rest;
use super::stopped::Stopped;
use super::watch::sealed::{Sealed, Watched};

/// A message for a thread, as its queue sees it.
pub(super) struct Plain<M>(pub(super) M);

impl<M: Send + 'static> Parcel for Plain<M> {
    // Whether a thread is stuck is told by the time of its message.
    const MAY_GO_UNTIMED: bool = false;

    fn message_type(&self) -> &'static str {
        std::any::type_name::<M>()
    }

    fn into_message(self) -> Box<dyn Any + Send> {
        Box::new(self.0)
    }
}

/// What is asked of a thread's present life.
#[derive(Default)]
pub(super) struct Wishes {
    pub(super) stop: AtomicBool,
    pub(super) panic: AtomicBool,
}

/// A supervised thread's hold on its mailbox and its orders, for one life.
pub struct ThreadContext<M: Send + 'static> {
    pub(super) child: Arc<Child>,
    pub(super) queue: Arc<Queue<Plain<M>>>,
    pub(super) life: u64,
    pub(super) wishes: Arc<Wishes>,
    pub(super) waker: Waker,
    pub(super) rest: Rest,
}

impl<M: Send + 'static> ThreadContext<M> {
    /// The next message; waits for one. None once the thread is to end.
    pub fn receive(&mut self) -> Option<M> {
        loop {
            // Before the look at what is asked of it, so that whatever is asked from now on wakes it.
            self.queue.wait(self.life, &self.waker);
            if self.should_stop() {
                return None;
            }
            self.fail_if_asked();
            if !self.child.orders.is_suspended() {
                match self.take() {
                    Taken::Message(message) => return Some(message),
                    Taken::Superseded => return None,
                    Taken::Nothing => {}
                }
            } else {
                // Done with the message before, although the next is not looked for yet.
                self.queue.idle(self.life);
            }
            self.rest.park();
        }
    }

    /// The next message, if one waits: also for a thread that is to end and would rather finish what it accepted. None while
    /// the thread is suspended, unless it is to end.
    ///
    /// A panic that an operator asked for waits for the next [`receive`](Self::receive): a thread that takes many messages
    /// for one piece of work shall not lose those that it has.
    pub fn try_receive(&mut self) -> Option<M> {
        if self.child.orders.is_suspended() && !self.should_stop() {
            self.queue.idle(self.life);
            return None;
        }
        match self.take() {
            Taken::Message(message) => Some(message),
            Taken::Nothing | Taken::Superseded => None,
        }
    }

    /// Whether the thread is to end. For bodies that work long without asking for a message.
    #[must_use]
    pub fn should_stop(&self) -> bool {
        self.wishes.stop.load(Ordering::SeqCst)
    }

    /// A sign of life amid long work, and what it is at; without it a thread that works longer than its spec's
    /// [liveness](super::ChildSpec::liveness) is taken for stuck.
    pub fn beat(&self, doing: &'static str) {
        self.fail_if_asked();
        self.queue.beat(self.life, doing);
    }

    /// Waits this long, or until the thread is to end; true if it is. A thread that pauses is not at work, and so not stuck.
    pub fn pause(&mut self, time: Duration) -> bool {
        let at = self.queue.idle(self.life);
        let until = after(Instant::now(), time);
        let stops = loop {
            self.queue.wait(self.life, &self.waker);
            if self.should_stop() {
                break true;
            }
            self.fail_if_asked();
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break false;
            }
            self.rest.park_timeout(left);
        };
        if let Some(at) = at {
            self.queue.beat(self.life, at.what);
        }
        stops
    }

    /// The child's name in the tree.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.child.name
    }

    fn take(&mut self) -> Taken<M> {
        match self.queue.next(self.life, Some(&self.waker)) {
            Next::Message(Plain(message)) => match self.child.faults.on_message() {
                None => Taken::Message(message),
                Some(Twist::Panic) => {
                    panic_as_asked();
                    Taken::Nothing
                }
                Some(Twist::Hang) => {
                    loop {
                        self.queue.wait(self.life, &self.waker);
                        if self.should_stop() {
                            // Not as if nothing waited: the order to end was heard, and nobody rings for it again.
                            break;
                        }
                        self.rest.park();
                    }
                    Taken::Superseded
                }
            },
            Next::Nothing => Taken::Nothing,
            Next::Superseded => Taken::Superseded,
        }
    }

    fn fail_if_asked(&self) {
        if self.wishes.panic.swap(false, Ordering::SeqCst) {
            panic_as_asked();
        }
    }
}

enum Taken<M> {
    Message(M),
    Nothing,
    Superseded,
}

impl<M: Send + 'static> std::fmt::Debug for ThreadContext<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ThreadContext")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

/// Where messages for a supervised thread are left. Cheap to clone; may be used from any thread. It outlives restarts.
pub struct Sender<M: Send + 'static> {
    child: Arc<Child>,
    queue: Arc<Queue<Plain<M>>>,
}

impl<M: Send + 'static> Sender<M> {
    pub(super) fn new(child: Arc<Child>, queue: Arc<Queue<Plain<M>>>) -> Self {
        Self { child, queue }
    }

    /// As [`Address::try_tell`](super::Address::try_tell).
    ///
    /// # Errors
    /// [`TellError`], with the message.
    pub fn try_tell(&self, message: M) -> Result<(), TellError<M>> {
        match admit_now(&self.child, &*self.queue) {
            Ok(slot) => {
                self.queue.push(slot, Plain(message));
                Ok(())
            }
            Err(refusal) => Err(refusal.of(message)),
        }
    }

    /// As [`Address::tell`](super::Address::tell).
    ///
    /// # Errors
    /// [`TellError`], with the message.
    pub async fn tell(&self, message: M) -> Result<(), TellError<M>> {
        match admit(&self.child, &*self.queue).await {
            Ok(slot) => {
                self.queue.push(slot, Plain(message));
                Ok(())
            }
            Err(refusal) => Err(refusal.of(message)),
        }
    }

    /// Whether nothing is accepted any more: the thread was stopped, or never started.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.child.gate.is_closed()
    }

    /// How the mailbox stands.
    #[must_use]
    pub fn mailbox(&self) -> MailboxGauge {
        self.child.gate.gauge()
    }

    /// Whether the thread is up.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.child.is_running()
    }

    /// The child's name in the tree.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.child.name
    }

    /// Ready once the child has left the tree for good, with what became of it.
    pub async fn ended(&self) -> Stopped {
        self.child.settled().await
    }
}

impl<M: Send + 'static> Clone for Sender<M> {
    fn clone(&self) -> Self {
        Self {
            child: Arc::clone(&self.child),
            queue: Arc::clone(&self.queue),
        }
    }
}

impl<M: Send + 'static> Sealed for Sender<M> {
    fn watched(&self) -> Watched<'_> {
        Watched(&self.child)
    }
}

impl<M: Send + 'static> std::fmt::Debug for Sender<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Sender").field(&self.name()).finish()
    }
}
