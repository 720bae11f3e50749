//! A transport for tests: keeps what it was given, fails when told, waits when told.
//!
//! Guarantees: it keeps the contract of [`Transport`], the gate included; clones share everything.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::message::Rendered;
use super::transport::{DeliveryError, Gate, GateClosed, Phase, Receipt, Transport};

/// How long waiting may take: far beyond what a loaded machine needs, and short enough for a test run.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// Keeps the mails in memory.
#[derive(Clone)]
pub struct MemoryTransport {
    state: Arc<watch::Sender<State>>,
}

#[derive(Default)]
struct State {
    sent: Vec<Rendered>,
    failures: VecDeque<DeliveryError>,
    hold: Hold,
    held: usize,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Hold {
    #[default]
    Nothing,
    BeforeGate,
    PastGate,
}

/// What was waited for did not come within 20 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("waited for {wanted} and saw {seen}")]
pub struct WaitedTooLong {
    /// How many were waited for.
    pub wanted: usize,
    /// How many there were at the end.
    pub seen: usize,
}

impl MemoryTransport {
    /// A transport that has delivered nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: Arc::new(watch::Sender::new(State::default())),
        }
    }

    /// The mails delivered so far, in order.
    #[must_use]
    pub fn sent(&self) -> Vec<Rendered> {
        self.state.borrow().sent.clone()
    }

    /// Lets one coming delivery fail so; several are used up in order. Before the dot it fails without asking the gate,
    /// at the dot after asking it. The mail is not kept.
    pub fn fail_next(&self, error: DeliveryError) {
        self.state.send_modify(|state| state.failures.push_back(error));
    }

    /// Holds deliveries before they ask the gate, until [`Self::release`].
    pub fn hold(&self) {
        self.state.send_modify(|state| state.hold = Hold::BeforeGate);
    }

    /// Holds deliveries after the gate has opened, until [`Self::release`]: the point of no return is behind them.
    pub fn hold_past_gate(&self) {
        self.state.send_modify(|state| state.hold = Hold::PastGate);
    }

    /// Lets the held deliveries go on.
    pub fn release(&self) {
        self.state.send_modify(|state| state.hold = Hold::Nothing);
    }

    /// Waits until `count` mails are delivered, and answers with all there are.
    ///
    /// # Errors
    /// [`WaitedTooLong`] after 20 s (of tokio's clock).
    pub async fn wait_for(&self, count: usize) -> Result<Vec<Rendered>, WaitedTooLong> {
        self.wait(count, |state| state.sent.len()).await?;
        Ok(self.sent())
    }

    /// Waits until `count` deliveries are held.
    ///
    /// # Errors
    /// [`WaitedTooLong`] after 20 s (of tokio's clock).
    pub async fn wait_for_held(&self, count: usize) -> Result<(), WaitedTooLong> {
        self.wait(count, |state| state.held).await
    }

    async fn wait(&self, wanted: usize, count: impl Fn(&State) -> usize) -> Result<(), WaitedTooLong> {
        let mut changes = self.state.subscribe();
        let reached = tokio::time::timeout(WAIT_MAX, changes.wait_for(|state| count(state) >= wanted)).await;
        if matches!(reached, Ok(Ok(_))) {
            return Ok(());
        }
        Err(WaitedTooLong {
            wanted,
            seen: count(&self.state.borrow()),
        })
    }

    async fn run(&self, mail: &Rendered, gate: &dyn Gate) -> Result<Receipt, DeliveryError> {
        self.stay_while(Hold::BeforeGate).await;
        let mut failure = None;
        self.state.send_modify(|state| failure = state.failures.pop_front());
        if let Some(error) = failure.take_if(|error| error.phase() != Some(Phase::Dot)) {
            return Err(error);
        }
        gate.open().await.map_err(|GateClosed| DeliveryError::GateClosed)?;
        self.stay_while(Hold::PastGate).await;
        if let Some(error) = failure {
            return Err(error);
        }
        self.state.send_modify(|state| state.sent.push(mail.clone()));
        Ok(Receipt {
            words: "kept in memory".to_owned(),
            refusals: Vec::new(),
        })
    }

    async fn stay_while(&self, hold: Hold) {
        let mut changes = self.state.subscribe();
        if changes.borrow_and_update().hold != hold {
            return;
        }
        let _held = Held::enter(&self.state);
        // An error means that the sender is gone, and `self` holds it.
        if changes.wait_for(|state| state.hold != hold).await.is_err() {
            tracing::debug!("the memory transport went away while a delivery was held");
        }
    }
}

/// Counts a held delivery for as long as it lives, so that a dropped one is not counted.
struct Held<'a>(&'a watch::Sender<State>);

impl<'a> Held<'a> {
    fn enter(state: &'a watch::Sender<State>) -> Self {
        state.send_modify(|state| state.held = state.held.saturating_add(1));
        Self(state)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|state| state.held = state.held.saturating_sub(1));
    }
}

impl Default for MemoryTransport {
    fn default() -> Self {
        Self::new()
    }
}

impl Transport for MemoryTransport {
    fn deliver<'a>(&'a self, mail: &'a Rendered, gate: &'a dyn Gate) -> BoxFuture<'a, Result<Receipt, DeliveryError>> {
        Box::pin(self.run(mail, gate))
    }

    fn describe(&self) -> String {
        "memory".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::domain::email::EmailAddress;
    use crate::mail::{Envelope, OpenGate};

    fn mail() -> Rendered {
        let address = EmailAddress::parse("ada@example.com").unwrap();
        Rendered {
            message_id: "job_1@example.com".to_owned(),
            date: Timestamp::from_micros(0),
            envelope: Envelope {
                from: address.clone(),
                to: vec![address],
            },
            bytes: b"Subject: x\r\n\r\nx\r\n".to_vec(),
        }
    }

    struct ShutGate;

    impl Gate for ShutGate {
        fn open<'a>(&'a self) -> BoxFuture<'a, Result<(), GateClosed>> {
            Box::pin(std::future::ready(Err(GateClosed)))
        }
    }

    #[tokio::test]
    async fn it_keeps_what_it_delivers_and_fails_once_for_each_failure_it_was_told() {
        let transport = MemoryTransport::new();
        transport.fail_next(DeliveryError::transient(Phase::Connect, "no route"));
        transport.fail_next(DeliveryError::uncertain("silence"));
        assert_eq!(
            transport.deliver(&mail(), &ShutGate).await,
            Err(DeliveryError::transient(Phase::Connect, "no route"))
        );
        assert_eq!(
            transport.deliver(&mail(), &OpenGate).await,
            Err(DeliveryError::uncertain("silence"))
        );
        assert_eq!(
            transport.deliver(&mail(), &ShutGate).await,
            Err(DeliveryError::GateClosed)
        );
        transport.clone().deliver(&mail(), &OpenGate).await.unwrap();
        assert_eq!(transport.wait_for(1).await.unwrap(), vec![mail()]);
    }

    #[tokio::test]
    async fn a_held_delivery_goes_on_when_released_and_is_not_counted_when_dropped() {
        let transport = MemoryTransport::new();
        for hold in [MemoryTransport::hold, MemoryTransport::hold_past_gate] {
            hold(&transport);
            let before = transport.sent().len();
            let task = tokio::spawn({
                let transport = transport.clone();
                async move { transport.deliver(&mail(), &OpenGate).await }
            });
            transport.wait_for_held(1).await.unwrap();
            let second = tokio::spawn({
                let transport = transport.clone();
                async move { transport.deliver(&mail(), &OpenGate).await }
            });
            transport.wait_for_held(2).await.unwrap();
            second.abort();
            assert!(second.await.unwrap_err().is_cancelled());
            assert_eq!(transport.state.borrow().held, 1);
            assert_eq!(transport.sent().len(), before);
            transport.release();
            task.await.unwrap().unwrap();
            assert_eq!(transport.sent().len(), before + 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_with_what_was_seen() {
        assert_eq!(
            MemoryTransport::new().wait_for(1).await,
            Err(WaitedTooLong { wanted: 1, seen: 0 })
        );
    }
}
