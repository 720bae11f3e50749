//! An address for messages of one type, which does not name the actor behind it.

use std::sync::Arc;

use actix::{Handler, Message};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::address::{Address, AskError, Supervised, TellError};
use super::gate::MailboxGauge;

/// Where messages of type `M` can be left. What [`Address`] says of its methods holds for these.
pub struct Recipient<M: Message + Send + 'static>
where
    M::Result: Send,
{
    to: Arc<dyn Receive<M>>,
}

pub(super) trait Receive<M: Message + Send + 'static>: Send + Sync
where
    M::Result: Send,
{
    fn try_tell(&self, message: M) -> Result<(), TellError<M>>;
    fn tell(&self, message: M) -> BoxFuture<'_, Result<(), TellError<M>>>;
    fn ask(&self, message: M) -> BoxFuture<'_, Result<M::Result, AskError>>;
    fn mailbox(&self) -> MailboxGauge;
    fn is_running(&self) -> bool;
    fn name(&self) -> &str;
}

impl<A, M> Receive<M> for Address<A>
where
    A: Supervised + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn try_tell(&self, message: M) -> Result<(), TellError<M>> {
        Self::try_tell(self, message)
    }

    fn tell(&self, message: M) -> BoxFuture<'_, Result<(), TellError<M>>> {
        Self::tell(self, message).boxed()
    }

    fn ask(&self, message: M) -> BoxFuture<'_, Result<M::Result, AskError>> {
        Self::ask(self, message).boxed()
    }

    fn mailbox(&self) -> MailboxGauge {
        Self::mailbox(self)
    }

    fn is_running(&self) -> bool {
        Self::is_running(self)
    }

    fn name(&self) -> &str {
        Self::name(self)
    }
}

impl<M: Message + Send + 'static> Recipient<M>
where
    M::Result: Send,
{
    pub(super) fn new<A: Supervised + Handler<M>>(address: Address<A>) -> Self {
        Self::to(Arc::new(address))
    }

    pub(super) fn to(to: Arc<dyn Receive<M>>) -> Self {
        Self { to }
    }

    /// As [`Address::try_tell`].
    ///
    /// # Errors
    /// [`TellError`], with the message.
    pub fn try_tell(&self, message: M) -> Result<(), TellError<M>> {
        self.to.try_tell(message)
    }

    /// As [`Address::tell`].
    ///
    /// # Errors
    /// [`TellError`], with the message.
    pub async fn tell(&self, message: M) -> Result<(), TellError<M>> {
        self.to.tell(message).await
    }

    /// As [`Address::ask`].
    ///
    /// # Errors
    /// [`AskError`], which tells whether the message may have had an effect.
    pub async fn ask(&self, message: M) -> Result<M::Result, AskError> {
        self.to.ask(message).await
    }

    /// As [`Address::mailbox`].
    #[must_use]
    pub fn mailbox(&self) -> MailboxGauge {
        self.to.mailbox()
    }

    /// As [`Address::is_running`].
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.to.is_running()
    }

    /// As [`Address::name`].
    #[must_use]
    pub fn name(&self) -> &str {
        self.to.name()
    }
}

impl<M: Message + Send + 'static> Clone for Recipient<M>
where
    M::Result: Send,
{
    fn clone(&self) -> Self {
        Self {
            to: Arc::clone(&self.to),
        }
    }
}

impl<M: Message + Send + 'static> std::fmt::Debug for Recipient<M>
where
    M::Result: Send,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Recipient").field(&self.name()).finish()
    }
}
