//! What tests in Rust want besides: a start that does not fail, waits with a bound, and connections that are cut.
//!
//! A wait that is too long panics: the test has failed.

use std::time::Duration;

use tokio::sync::watch;

use super::hold::Hold;
use super::offer::Offer;
use super::relay::{Counts, Options, Relay};
use super::{Extensions, Taken};

/// How long a test waits for something that should happen at once.
const WAIT_MAX: Duration = Duration::from_secs(60);

impl Hold {
    /// Waits until `count` dialogues have come to this step.
    ///
    /// # Panics
    /// If they have not within a minute.
    pub async fn reached(&self, count: usize) {
        let mut state = self.watch();
        let reached = within(async move { state.wait_for(|state| state.reached >= count).await.is_ok() }).await;
        assert!(reached, "waited for {count} dialogues to come to a hold");
    }
}

impl Relay {
    /// Starts a relay on a free port of 127.0.0.1, without TLS and logins, with 8BITMIME alone.
    ///
    /// # Panics
    /// When there is no port or no thread.
    #[must_use]
    pub fn start() -> Self {
        Self::offering(Offer::default())
    }

    /// The same with TLS and logins as `offer` has them.
    ///
    /// # Panics
    /// When there is no port or no thread.
    #[must_use]
    pub fn offering(offer: Offer) -> Self {
        Self::offering_with(offer, Extensions::PLAIN)
    }

    /// The same with these extensions.
    ///
    /// # Panics
    /// When there is no port or no thread.
    #[must_use]
    pub fn offering_with(offer: Offer, extensions: Extensions) -> Self {
        let options = Options {
            offer,
            extensions,
            ..Options::default()
        };
        match Self::open(options) {
            Ok(relay) => relay,
            Err(error) => gave_up(&format!("the relay could not be started: {error}")),
        }
    }

    /// Waits until `count` mails are taken, and answers with all there are.
    ///
    /// # Panics
    /// If they are not within a minute.
    pub async fn wait_for(&self, count: usize) -> Vec<Taken> {
        let come = self.wait(|counts| counts.taken >= count).await;
        assert!(
            come,
            "waited for {count} mails, the relay has taken {}",
            self.held().len()
        );
        self.taken()
    }

    /// Waits until exactly `count` connections are open.
    ///
    /// # Panics
    /// If it is another number for a minute.
    pub async fn wait_for_open(&self, count: usize) {
        let come = self.wait(|counts| counts.open == count).await;
        assert!(come, "the number of open connections was not reached");
    }

    /// Closes all open connections, idle ones included, and waits until they are.
    pub async fn close_connections(&self) {
        self.shared
            .wish
            .send_modify(|wish| wish.generation = wish.generation.wrapping_add(1));
        self.wait_for_open(0).await;
    }

    /// Stops listening (connecting is refused) and closes all connections, until [`Relay::listen_again`].
    ///
    /// # Panics
    /// If it does not within a minute.
    pub async fn refuse(&self) {
        self.shared.wish.send_modify(|wish| {
            wish.listening = false;
            wish.generation = wish.generation.wrapping_add(1);
        });
        let come = self.wait(|counts| !counts.listening && counts.open == 0).await;
        assert!(come, "the relay still listens");
    }

    /// Listens again on the same port.
    ///
    /// # Panics
    /// If it does not within a minute.
    pub async fn listen_again(&self) {
        self.shared.wish.send_modify(|wish| wish.listening = true);
        let come = self.wait(|counts| counts.listening).await;
        assert!(come, "the relay does not listen");
    }

    async fn wait(&self, reached: impl FnMut(&Counts) -> bool) -> bool {
        let mut counts: watch::Receiver<Counts> = self.shared.counts.subscribe();
        within(async move { counts.wait_for(reached).await.is_ok() }).await
    }
}

#[expect(clippy::panic, reason = "a test that cannot go on has failed")]
fn gave_up(why: &str) -> ! {
    panic!("{why}")
}

/// Waits with a bound that a paused clock does not shorten: a thread's clock, not tokio's.
async fn within(reached: impl Future<Output = bool>) -> bool {
    let (over, is_over) = tokio::sync::oneshot::channel::<()>();
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        if is_done.recv_timeout(WAIT_MAX) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            drop(over);
        }
    });
    let reached = tokio::select! {
        reached = reached => reached,
        _ = is_over => false,
    };
    drop(done);
    reached
}
