//! Sparing a relay that cannot be used, and the mails that would find that out one by one.
//!
//! Guarantees: after some failures in a row deliveries fail at once, without a connection, but for one that tries at a time;
//! the first that works ends that. An encryption that cannot be had, which is wrong for the next connection too, ends the trying
//! at once, and so does a login that was refused, for longer, since many wrong logins lock an account. Each outage is logged once when it begins and once when it ends.
//!
//! Left out: when a mail is tried again; whoever is told that the relay cannot be used decides that.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::mail::transport::{DeliveryError, Phase};
use crate::telemetry::names::event;

/// How many failures in a row are an outage: one or two are a connection that was lost.
const FAILURES_MAX: u32 = 3;

/// How long to wait before the next try: the first time, and at most. Doubled each time.
#[derive(Clone, Copy)]
struct Waits {
    first: Duration,
    most: Duration,
}

/// A relay that is away: quick to be noticed when it is back.
const AWAY: Waits = Waits {
    first: Duration::from_secs(5),
    most: Duration::from_secs(60),
};

/// A login that is refused: mail providers lock an account for a while after some ten wrong logins.
const LOGIN_REFUSED: Waits = Waits {
    first: Duration::from_secs(60),
    most: Duration::from_secs(300),
};

pub(super) struct Breaker {
    /// The relay's name in the log.
    relay: String,
    /// A plain mutex: never held over an await.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failures: u32,
    outage: Option<Outage>,
}

struct Outage {
    /// When the next may try.
    until: Instant,
    wait: Duration,
    /// Whether one is trying.
    trying: bool,
    cause: DeliveryError,
}

/// Leave to open a connection. Dropped without a word, it says nothing about the relay.
pub(super) struct Pass<'a> {
    breaker: &'a Breaker,
    /// Whether this one tries in an outage.
    is_trial: bool,
}

impl Breaker {
    pub(super) fn new(relay: String) -> Self {
        Self {
            relay,
            state: Mutex::default(),
        }
    }

    /// Leave to open a connection now.
    ///
    /// # Errors
    /// The cause of the outage, if there is one and it is not yet time to try or another tries already.
    pub(super) fn enter(&self) -> Result<Pass<'_>, DeliveryError> {
        let mut state = self.lock();
        let is_trial = match &mut state.outage {
            None => false,
            Some(outage) if outage.trying || Instant::now() < outage.until => return Err(not_tried(&outage.cause)),
            Some(outage) => {
                outage.trying = true;
                true
            }
        };
        Ok(Pass {
            breaker: self,
            is_trial,
        })
    }

    /// The relay took a command about a mail.
    pub(super) fn worked(&self) {
        let ended = {
            let mut state = self.lock();
            state.failures = 0;
            state.outage.take().is_some()
        };
        if ended {
            tracing::info!(
                event = event::RELAY_UP,
                relay = self.relay,
                "the relay can be used again"
            );
        }
    }

    fn note_failure(&self, error: &DeliveryError, is_trial: bool) {
        let login_refused = error.phase() == Some(Phase::Login) && error.code().is_some_and(|code| code >= 500);
        let waits = if login_refused { LOGIN_REFUSED } else { AWAY };
        // What is wrong with the encryption is wrong for the next connection too.
        let is_certain = login_refused || error.phase() == Some(Phase::Encryption);
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        let wait = match &state.outage {
            // Those that were under way when it began add nothing to it.
            Some(_) if !is_trial => return,
            Some(outage) => outage.wait.saturating_mul(2).clamp(waits.first, waits.most),
            None if is_certain || state.failures >= FAILURES_MAX => waits.first,
            None => return,
        };
        let begins = state.outage.is_none();
        let now = Instant::now();
        state.outage = Some(Outage {
            until: now.checked_add(wait).unwrap_or(now),
            wait,
            trying: false,
            cause: error.clone(),
        });
        drop(state);
        if begins {
            tracing::warn!(
                event = event::RELAY_DOWN,
                relay = self.relay,
                %error,
                "the relay cannot be used; mails wait until it can"
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that holds it can leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// The relay took the first command about a mail, or refused it for what it is.
    pub(super) fn worked(self) {
        self.breaker.worked();
    }

    /// The relay could not be used.
    pub(super) fn failed(self, error: &DeliveryError) {
        self.breaker.note_failure(error, self.is_trial);
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.is_trial
            && let Some(outage) = &mut self.breaker.lock().outage
        {
            outage.trying = false;
        }
    }
}

fn not_tried(cause: &DeliveryError) -> DeliveryError {
    let phase = cause.phase().unwrap_or(Phase::Connect);
    let said = match cause {
        DeliveryError::Unavailable {
            code: Some(code),
            words,
            ..
        } => format!("{code} {words}"),
        DeliveryError::Unavailable { words, .. } => words.clone(),
        other => other.to_string(),
    };
    DeliveryError::unavailable(
        phase,
        &format!("{said}; not tried for this mail, since others have just failed"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away() -> DeliveryError {
        DeliveryError::unavailable(Phase::Connect, "refused")
    }

    fn login_refused() -> DeliveryError {
        DeliveryError::Unavailable {
            phase: Phase::Login,
            code: Some(535),
            words: "no".to_owned(),
        }
    }

    fn fail(breaker: &Breaker, error: &DeliveryError) {
        breaker.enter().unwrap_or_else(|_| panic!("no leave")).failed(error);
    }

    #[tokio::test(start_paused = true)]
    async fn the_third_failure_in_a_row_lets_others_fail_at_once_and_one_try_at_a_time() {
        let breaker = Breaker::new("relay".to_owned());
        fail(&breaker, &away());
        fail(&breaker, &away());
        breaker.enter().unwrap_or_else(|_| panic!("no leave")).worked();
        for _ in 0..3 {
            fail(&breaker, &away());
        }
        let words = breaker.enter().err().unwrap().to_string();
        assert!(words.contains("not tried") && words.contains("refused"), "{words}");
        tokio::time::advance(Duration::from_secs(5)).await;
        let trial = breaker.enter().ok().unwrap();
        assert!(breaker.enter().is_err());
        drop(trial);
        breaker.enter().ok().unwrap().worked();
        assert!(breaker.enter().is_ok() && breaker.enter().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_waits_double_up_to_a_minute_and_late_failures_add_nothing() {
        let breaker = Breaker::new("relay".to_owned());
        let late: Vec<_> = (0..5).map(|_| breaker.enter().ok().unwrap()).collect();
        for pass in late {
            pass.failed(&away());
        }
        for wait in [5, 10, 20, 40, 60, 60] {
            tokio::time::advance(Duration::from_secs(wait - 1)).await;
            assert!(breaker.enter().is_err(), "{wait}");
            tokio::time::advance(Duration::from_secs(1)).await;
            fail(&breaker, &away());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_encryption_that_cannot_be_had_is_an_outage_at_once() {
        let breaker = Breaker::new("relay".to_owned());
        fail(
            &breaker,
            &DeliveryError::unavailable(Phase::Encryption, "unknown issuer"),
        );
        assert!(breaker.enter().is_err());
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(breaker.enter().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_login_is_not_repeated_for_a_minute() {
        let breaker = Breaker::new("relay".to_owned());
        fail(&breaker, &login_refused());
        let words = breaker.enter().err().unwrap().to_string();
        let said = "not sent, the relay cannot be used, failed at login: 535 no; not tried";
        assert!(words.starts_with(said), "{words}");
        for wait in [60, 120, 240, 300, 300] {
            tokio::time::advance(Duration::from_secs(wait - 1)).await;
            assert!(breaker.enter().is_err(), "{wait}");
            tokio::time::advance(Duration::from_secs(1)).await;
            fail(&breaker, &login_refused());
        }
    }
}
