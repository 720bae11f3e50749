//! What handlers work with: handles on the parts of the service, shared by all HTTP workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::clock::Clock;
use crate::config::Config;
use crate::domain::id::JobId;
use crate::domain::job::Queue;
use crate::domain::password::PasswordHasher;
use crate::jobs::Registry;
use crate::jobs::kinds::Postbox;
use crate::keyring::KeyRing;
use crate::store::Store;
use crate::supervision::Tree;

use super::http::hashing::HashingPool;

/// Tells the running attempt of a job to end; answers whether it runs in this process.
pub type CancelAttempt = Arc<dyn Fn(JobId) -> bool + Send + Sync>;

/// What handlers work with.
pub struct State {
    /// The settings.
    pub config: Arc<Config>,
    /// The time.
    pub clock: Clock,
    /// The database.
    pub store: Store,
    /// What links in mails are derived from.
    pub keys: Arc<KeyRing>,
    /// Hashes and checks passwords.
    pub hasher: Arc<PasswordHasher>,
    /// Where hashing runs.
    pub hashing: HashingPool,
    /// Checks what is asked to be mailed before it is accepted.
    pub postbox: Postbox,
    /// The kinds that this process performs.
    pub registry: Registry,
    /// Hurries a cancel that is already in the database.
    pub cancel_attempt: CancelAttempt,
    /// The supervision tree.
    pub tree: Tree,
    /// The queues of this process and the tree's name of the worker of each.
    pub workers: Vec<(Queue, &'static str)>,
    /// Whether the service is on its way down.
    pub shutdown: ShutdownFlag,
}

/// Whether the service is on its way down; clones share it.
#[derive(Clone, Debug, Default)]
pub struct ShutdownFlag(Arc<AtomicBool>);

impl ShutdownFlag {
    /// The service is on its way down from now on.
    pub fn raise(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether it is.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
