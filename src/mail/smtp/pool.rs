//! Idle connections to the relay: bounded in number and in age; and how many it allows, where it has said so.
//!
//! Guarantees: at most `max` are kept; none is handed out that has been idle for [`IDLE_MAX`] or longer. They are not asked
//! whether they still live (that costs a round trip each time): the first command finds out.
//!
//! Left out: a task that closes old ones. They are closed by the next delivery, or when the transport is dropped; until
//! then they cost a socket each, and `max` bounds that.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::dialogue::Connection;

/// How long a connection may be idle: well below the 5 min after which servers commonly close (RFC 5321 §4.5.3.2.7).
const IDLE_MAX: Duration = Duration::from_secs(30);

/// How long it is believed that a relay allows so many connections: then one more is tried.
const CROWDED_FOR: Duration = Duration::from_secs(30);

pub(super) struct Pool {
    /// Sorted by the time at which they became idle. A plain mutex: it is held for a push or a pop, never over an await.
    idle: Mutex<Vec<Idle>>,
    max: usize,
    /// Those that are being opened, or carry a mail.
    in_use: AtomicUsize,
    /// Told whenever one of them is no longer in use.
    freed: Notify,
    /// How many the relay allowed when it refused one more, and until when that is believed.
    allowed: Mutex<Option<(usize, Instant)>>,
}

/// A connection is in use for as long as this lives.
pub(super) struct InUse<'a>(&'a Pool);

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        self.0.in_use.fetch_sub(1, Ordering::SeqCst);
        self.0.freed.notify_waiters();
    }
}

struct Idle {
    connection: Connection,
    since: Instant,
}

impl Pool {
    pub(super) fn new(max: usize) -> Self {
        Self {
            idle: Mutex::new(Vec::new()),
            max,
            in_use: AtomicUsize::new(0),
            freed: Notify::new(),
            allowed: Mutex::new(None),
        }
    }

    /// The connection that was used last, if it is young enough; the others, which are older, are closed with it if not.
    pub(super) fn take(&self) -> Option<Connection> {
        let mut idle = self.lock();
        idle.retain(|kept| kept.since.elapsed() < IDLE_MAX);
        idle.pop().map(|kept| kept.connection)
    }

    /// Keeps a connection on which no mail is under way; closes it if there are enough.
    pub(super) fn put(&self, connection: Connection) {
        let mut idle = self.lock();
        if idle.len() < self.max {
            idle.push(Idle {
                connection,
                since: Instant::now(),
            });
        }
    }

    /// Says that a connection is in use.
    pub(super) fn in_use(&self) -> InUse<'_> {
        self.in_use.fetch_add(1, Ordering::SeqCst);
        InUse(self)
    }

    /// The relay has refused a connection, since there are enough: as many as are in use now, or fewer.
    pub(super) fn note_crowded(&self) {
        let until = Instant::now().checked_add(CROWDED_FOR);
        *self.allowed() = until.map(|until| (self.in_use.load(Ordering::SeqCst), until));
    }

    /// Whether one more connection is not worth a try.
    pub(super) fn is_full(&self) -> bool {
        let allowed = self.allowed().filter(|(_, until)| Instant::now() < *until);
        // Without any in use there is nobody to wait for.
        allowed.is_some_and(|(allowed, _)| self.in_use.load(Ordering::SeqCst) >= allowed.max(1))
    }

    fn allowed(&self) -> MutexGuard<'_, Option<(usize, Instant)>> {
        self.allowed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next connection that somebody puts back; none once no other is in use.
    pub(super) async fn next_free(&self) -> Option<Connection> {
        loop {
            let told = self.freed.notified();
            tokio::pin!(told);
            // Listed before the look, so that one that is put back between the two is not missed.
            told.as_mut().enable();
            if let Some(connection) = self.take() {
                return Some(connection);
            }
            if self.in_use.load(Ordering::SeqCst) == 0 {
                return None;
            }
            told.await;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        // No code that holds it can leave it half changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
