//! What becomes known of changes to who may come in: keys and logins that end, accounts that are changed. Whoever keeps what was
//! read of them is told what to forget.
//!
//! Guarantees: a change by this process is told before it is answered, one by another within a second, and both whoever makes it:
//! the database notes them itself, by triggers. While that cannot be held, [`Store::hears_of_credentials`] says so, and nothing
//! that was kept may be used. What is told comes after the commit, so that whoever reads again finds it.
//!
//! On a server each change notifies all nodes with its commit, and the listener hears it; how far it has heard it knows by asking
//! for a sign of life, which the server gives behind what it has to tell. A file has a log of the latest changes, of which the
//! service reads on when somebody comes in and the last look is a while ago.

mod noticed;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

pub(super) use noticed::{Noticed, noticed};

use super::{Store, StoreError};
use crate::domain::id::AccountId;

/// How old a look at the log may be. With the time of a look it stays well below a second.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// For how long after a sign of life of the server it counts that nothing was missed. Several are asked for in that time.
const HEARD_FOR: Duration = Duration::from_millis(900);

/// What is to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed<'a> {
    /// What is kept of these, which are in their order.
    Accounts(&'a [AccountId]),
    /// Everything.
    Anybody,
}

/// Is told what is to be forgotten, on whichever thread: it must not block. Answers whether it wants to hear more.
type Forget = Box<dyn Fn(Changed<'_>) -> bool + Send>;

/// What is known of changes; clones share it.
#[derive(Clone)]
pub struct CredentialWatch(Arc<Inner>);

struct Inner {
    way: Way,
    told: Mutex<Vec<Forget>>,
}

/// How changes by other processes become known.
enum Way {
    /// By reading on in the log.
    Log(Log),
    /// By the listener, up to this moment; none before it hears anything.
    Listener(Mutex<Option<Instant>>),
}

#[derive(Default)]
struct Log {
    /// The last change that was told; none before the first look.
    seen: Mutex<Option<i64>>,
    /// When the last look began that succeeded.
    looked_at: Mutex<Option<Instant>>,
    /// One looks for all.
    turn: tokio::sync::Mutex<()>,
}

impl Log {
    fn is_fresh(&self) -> bool {
        locked(&self.looked_at).is_some_and(|at| at.elapsed() < LOOK_EVERY)
    }
}

impl CredentialWatch {
    /// Of a file.
    pub(super) fn of_log() -> Self {
        Self::by(Way::Log(Log::default()))
    }

    /// Of a server, of which the listener tells.
    pub(super) fn of_listener() -> Self {
        Self::by(Way::Listener(Mutex::default()))
    }

    fn by(way: Way) -> Self {
        let told = Mutex::default();
        Self(Arc::new(Inner { way, told }))
    }

    /// Has `forget` told of each change from now on.
    pub fn tell(&self, forget: impl Fn(Changed<'_>) -> bool + Send + 'static) {
        locked(&self.0.told).push(Box::new(forget));
    }

    /// Behind which number of the log changes are not told yet.
    pub(super) fn seen(&self) -> Option<i64> {
        match &self.0.way {
            Way::Log(log) => *locked(&log.seen),
            Way::Listener(_) => None,
        }
    }

    /// Tells what was noticed, which is committed.
    pub(super) fn committed(&self, noticed: &Noticed) {
        // Told first: who finds it seen must find it forgotten.
        match noticed {
            Noticed { is_anybody: true, .. } => self.changed(Changed::Anybody),
            Noticed { accounts, .. } if accounts.is_empty() => {}
            Noticed { accounts, .. } => self.changed(Changed::Accounts(accounts)),
        }
        if let Way::Log(log) = &self.0.way {
            let mut seen = locked(&log.seen);
            *seen = (*seen).max(noticed.seen);
        }
    }

    /// Tells what is to be forgotten.
    pub(super) fn changed(&self, changed: Changed<'_>) {
        locked(&self.0.told).retain(|forget| forget(changed));
    }

    /// What a notification says has changed.
    pub(super) fn heard(&self, account: &str) {
        match account.parse() {
            Ok(account) => self.changed(Changed::Accounts(&[account])),
            // Of a newer version.
            Err(_) => self.changed(Changed::Anybody),
        }
    }

    /// All that was committed before this moment has been heard.
    pub(super) fn heard_up_to(&self, moment: Instant) {
        if let Way::Listener(at) = &self.0.way {
            *locked(at) = Some(moment);
        }
    }

    /// Looks into the log, unless that was done lately; answers whether it is known now.
    async fn is_current(&self, store: &Store) -> bool {
        match &self.0.way {
            Way::Listener(at) => locked(at).is_some_and(|at| at.elapsed() < HEARD_FOR),
            Way::Log(log) if log.is_fresh() => true,
            Way::Log(log) => {
                let _turn = log.turn.lock().await;
                if log.is_fresh() {
                    return true;
                }
                let (began, seen) = (Instant::now(), self.seen());
                let read = store.read(move |connection| noticed(connection, seen).map_err(StoreError::from));
                let Ok(found) = read.await else { return false };
                self.committed(&found);
                *locked(&log.looked_at) = Some(began);
                true
            }
        }
    }
}

impl Store {
    /// Those who are told of changes to who may come in.
    #[must_use]
    pub fn credentials(&self) -> &CredentialWatch {
        &self.credentials
    }

    /// Whether all changes are told that were committed more than a second ago. Costs a read where that must be looked up, a few
    /// times a second at most.
    pub async fn hears_of_credentials(&self) -> bool {
        self.credentials.is_current(self).await
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
