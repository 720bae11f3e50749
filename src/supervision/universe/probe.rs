//! A recipient that keeps what it is sent, to stand where an actor under test expects another.

use std::any::type_name;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use actix::Message;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, timeout};

use super::{WAIT_MAX, fail, turns};
use crate::supervision::address::{AskError, TellError};
use crate::supervision::gate::{Gate, MailboxGauge, Slot};
use crate::supervision::recipient::{Receive, Recipient};

/// Keeps the messages of type `M` that are sent to its [`recipient`](Self::recipient), in their order.
///
/// It is no actor and no child of the tree: a message is there as soon as it is sent. Dropping it closes the recipient.
pub struct Probe<M: Message + Send + 'static>
where
    M::Result: Send,
{
    desk: Arc<Desk<M>>,
    messages: UnboundedReceiver<(Instant, M)>,
}

/// The end that senders see.
struct Desk<M: Message> {
    name: String,
    gate: Arc<Gate>,
    sender: UnboundedSender<(Instant, M)>,
    answer: Answer<M>,
}

type Answer<M> = Box<dyn Fn(&M) -> <M as Message>::Result + Send + Sync>;

impl<M: Message + Send + 'static> Probe<M>
where
    M::Result: Send,
{
    /// A probe that answers whoever asks with the default, `()` for most messages.
    #[must_use]
    pub fn new(name: &str) -> Self
    where
        M::Result: Default,
    {
        Self::answering(name, |_| M::Result::default())
    }

    /// A probe that answers whoever asks as `answer` says, at once.
    #[must_use]
    pub fn answering(name: &str, answer: impl Fn(&M) -> M::Result + Send + Sync + 'static) -> Self {
        let (sender, messages) = unbounded_channel();
        let desk = Desk {
            name: name.to_owned(),
            gate: Arc::new(Gate::new(usize::MAX)),
            sender,
            answer: Box::new(answer),
        };
        Self {
            desk: Arc::new(desk),
            messages,
        }
    }

    /// Lets so many messages wait for [`next`](Self::next), and takes no more then, as a mailbox does; for actors that must
    /// get on with a full one. To be said before the first [`recipient`](Self::recipient).
    #[must_use]
    pub fn capacity(mut self, messages: usize) -> Self {
        if let Some(desk) = Arc::get_mut(&mut self.desk) {
            desk.gate = Arc::new(Gate::new(messages));
        }
        self
    }

    /// What is handed to the actor under test.
    #[must_use]
    pub fn recipient(&self) -> Recipient<M> {
        let desk: Arc<dyn Receive<M>> = self.desk.clone();
        Recipient::to(desk)
    }

    /// The next message; waits for it, an hour at most in the time of the test.
    ///
    /// # Panics
    /// If none comes.
    #[track_caller]
    #[expect(
        clippy::should_implement_trait,
        reason = "the next message of a stream, as elsewhere; the future that it gives tells it from an iterator's"
    )]
    pub fn next(&mut self) -> impl Future<Output = M> {
        let at = Location::caller();
        async move {
            let received = timeout(WAIT_MAX, self.messages.recv()).await;
            let Ok(Some((accepted, message))) = received else {
                fail(
                    at,
                    &format!(
                        "{} was sent no {} within {WAIT_MAX:?}",
                        self.desk.name,
                        type_name::<M>()
                    ),
                )
            };
            self.desk.gate.begun(Some(accepted.elapsed()));
            message
        }
    }

    /// Makes sure that no message has come, and none comes from what can run now; no time passes.
    ///
    /// # Panics
    /// If one has.
    #[track_caller]
    pub fn none(&mut self) -> impl Future<Output = ()> {
        let at = Location::caller();
        async move {
            turns().await;
            self.expect_none(at);
        }
    }

    /// Makes sure that no message comes for this long, in the time of the test.
    ///
    /// # Panics
    /// If one does.
    #[track_caller]
    pub fn none_within(&mut self, time: Duration) -> impl Future<Output = ()> {
        let at = Location::caller();
        async move {
            tokio::time::sleep(time).await;
            turns().await;
            self.expect_none(at);
        }
    }

    fn expect_none(&mut self, at: &Location<'_>) {
        if self.messages.try_recv().is_ok() {
            fail(at, &format!("{} was sent a {}", self.desk.name, type_name::<M>()));
        }
    }
}

impl<M: Message + Send + 'static> Drop for Probe<M>
where
    M::Result: Send,
{
    fn drop(&mut self) {
        self.desk.gate.close();
    }
}

impl<M: Message + Send + 'static> std::fmt::Debug for Probe<M>
where
    M::Result: Send,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Probe").field(&self.desk.name).finish()
    }
}

impl<M: Message + Send + 'static> Desk<M> {
    fn keep(&self, slot: Slot<'_>, message: M) {
        // Nobody is left to look at it once the probe is dropped.
        if self.sender.send((Instant::now(), message)).is_ok() {
            slot.taken();
        }
    }
}

impl<M: Message + Send + 'static> Receive<M> for Desk<M>
where
    M::Result: Send,
{
    fn try_tell(&self, message: M) -> Result<(), TellError<M>> {
        match self.gate.try_enter() {
            Ok(slot) => {
                self.keep(slot, message);
                Ok(())
            }
            Err(refusal) => Err(refusal.of(message)),
        }
    }

    fn tell(&self, message: M) -> BoxFuture<'_, Result<(), TellError<M>>> {
        async move {
            match self.gate.enter().await {
                Ok(slot) => {
                    self.keep(slot, message);
                    Ok(())
                }
                Err(refusal) => Err(refusal.of(message)),
            }
        }
        .boxed()
    }

    fn ask(&self, message: M) -> BoxFuture<'_, Result<M::Result, AskError>> {
        async move {
            let slot = self.gate.enter().await.map_err(|refusal| refusal.of(()))?;
            let answer = (self.answer)(&message);
            self.keep(slot, message);
            Ok(answer)
        }
        .boxed()
    }

    fn mailbox(&self) -> MailboxGauge {
        self.gate.gauge()
    }

    fn is_running(&self) -> bool {
        !self.gate.is_closed()
    }

    fn name(&self) -> &str {
        &self.name
    }
}
