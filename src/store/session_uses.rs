//! When sessions were last used, noted in memory and written a minute later, so that a request costs no write.
//!
//! Guarantees: what is noted counts on this node at once. A use is written when the one that is written is [`WRITE_EVERY`] old or
//! of another network, and at the latest when the session has not been used for as long; of one session at most one write in a
//! round. A write that fails is made again. At most [`KEPT_MAX`] sessions are kept; those beyond count as used when that was last
//! written.
//!
//! What is lost with the process, or not known to another node yet, are the uses of the last [`WRITE_EVERY`] and of the time
//! until the next round: a session may end so much earlier than it should, never later.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::sessions::{self, Session, SessionUse};
use super::{Abort, Store, StoreError};
use crate::clock::Timestamp;
use crate::domain::id::SessionId;

/// How old what is written may become before a use is written.
const WRITE_EVERY: Duration = Duration::from_secs(300);
/// Sessions that are kept at once: some 20 MB of memory.
const KEPT_MAX: usize = 100_000;
/// Sessions in one transaction.
const BATCH: usize = 500;

/// Noted uses; clones share them.
#[derive(Clone, Debug, Default)]
pub struct SessionUses(Arc<Mutex<HashMap<SessionId, Noted>>>);

#[derive(Debug)]
struct Noted {
    at: Timestamp,
    network: Option<String>,
    /// What is written.
    written_at: Timestamp,
    written_network: Option<String>,
}

impl Noted {
    fn is_due(&self, now: Timestamp) -> bool {
        self.network != self.written_network
            || self.at.since(self.written_at) >= WRITE_EVERY
            || self.is_left(now) && self.at > self.written_at
    }

    /// Whether the session has not been used for a while.
    fn is_left(&self, now: Timestamp) -> bool {
        now.since(self.at) >= WRITE_EVERY
    }
}

impl SessionUses {
    /// Notes that a session is used now, from this network.
    pub fn note(&self, session: &Session, network: Option<String>, now: Timestamp) {
        let mut all = self.lock();
        if all.len() >= KEPT_MAX && !all.contains_key(&session.id) {
            return;
        }
        let noted = all.entry(session.id).or_insert_with(|| Noted {
            at: session.used_at(),
            network: session.network.clone(),
            written_at: session.used_at(),
            written_network: session.network.clone(),
        });
        noted.at = noted.at.max(now);
        // One that is not known says nothing.
        if network.is_some() {
            noted.network = network;
        }
    }

    /// When a session was last used, as far as this node knows, and where from.
    #[must_use]
    pub fn latest(&self, session: &Session) -> (Timestamp, Option<String>) {
        match self.lock().get(&session.id) {
            Some(noted) if noted.at >= session.used_at() => (noted.at, noted.network.clone()),
            _ => (session.used_at(), session.network.clone()),
        }
    }

    /// Writes what is due at `now`; answers how many sessions that were.
    ///
    /// # Errors
    /// When it could not be committed; what was not is written the next time.
    pub async fn write(&self, store: &Store, now: Timestamp) -> Result<usize, StoreError> {
        self.write_those(store, |noted| noted.is_due(now), now).await
    }

    /// Writes all that was not written, before the process ends.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn write_all(&self, store: &Store, now: Timestamp) -> Result<usize, StoreError> {
        self.write_those(store, |noted| noted.at > noted.written_at, now).await
    }

    async fn write_those(
        &self,
        store: &Store,
        is_meant: impl Fn(&Noted) -> bool,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let due: Vec<SessionUse> = self
            .lock()
            .iter()
            .filter(|(_, noted)| is_meant(noted))
            .map(|(session, noted)| SessionUse {
                session: *session,
                at: noted.at,
                network: noted.network.clone(),
            })
            .collect();
        for batch in due.chunks(BATCH) {
            let uses = batch.to_vec();
            let write = store.write(move |tx| Ok::<_, Abort<()>>(sessions::note_uses(tx.connection(), &uses)?));
            match write.await {
                Ok(()) => self.written(batch),
                Err(Abort::Store(error)) => return Err(error),
                // The closure refuses nothing.
                Err(Abort::Refused(())) => {}
            }
        }
        // What is written and left is found in the database again.
        self.lock()
            .retain(|_, noted| !noted.is_left(now) || noted.at > noted.written_at);
        Ok(due.len())
    }

    fn written(&self, uses: &[SessionUse]) {
        let mut all = self.lock();
        for used in uses {
            if let Some(noted) = all.get_mut(&used.session) {
                noted.written_at = used.at;
                noted.written_network.clone_from(&used.network);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Noted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
