//! What handlers work with: handles on the parts of the service, shared by all HTTP workers.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::clock::Clock;
use crate::config::Config;
use crate::control::Controls;
use crate::domain::id::JobId;
use crate::domain::job::Queue;
use crate::domain::password::PasswordHasher;
use crate::jobs::kinds::Postbox;
use crate::jobs::{Depths, KindsElsewhere, MailCounts, OwnQuotas, PausedQueues, Registry, TemplateLibrary};
use crate::keyring::KeyRing;
use crate::reports::ReportFolder;
use crate::store::reports::KeptMax;
use crate::store::{SessionUses, Store};
use crate::supervision::Tree;

use super::credential_cache::CredentialCache;
use super::following::JobStreams;
use super::health::Readiness;
use super::http::hashing::HashingPool;
use super::idempotency::KeyTurns;
use super::key_uses::KeyUses;
use super::reading::ReadsNoted;
use super::reports::Downloads;
use super::throttle::Throttle;
use super::waiting::Waiters;
use super::wrong_codes::WrongCodes;

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
    /// Who tokens belong to that came before.
    pub credentials: CredentialCache,
    /// When logins were last used.
    pub session_uses: SessionUses,
    /// Codes of second factors that were wrong.
    pub wrong_codes: WrongCodes,
    /// When API keys were used.
    pub key_uses: KeyUses,
    /// Where hashing runs.
    pub hashing: HashingPool,
    /// Checks what is asked to be mailed before it is accepted.
    pub postbox: Postbox,
    /// The templates of workspaces.
    pub library: TemplateLibrary,
    /// The files of reports.
    pub reports: ReportFolder,
    /// Those that are being fetched.
    pub downloads: Downloads,
    /// The kinds that this process performs.
    pub registry: Registry,
    /// Which kinds other nodes perform.
    pub elsewhere: KindsElsewhere,
    /// Hurries a cancel that is already in the database.
    pub cancel_attempt: CancelAttempt,
    /// The supervision tree.
    pub tree: Tree,
    /// What operators may order of it.
    pub controls: Controls,
    /// The queues of this process and their workers.
    pub workers: Vec<QueueWorker>,
    /// How much may be asked for.
    pub throttle: Arc<Throttle>,
    /// How many jobs wait.
    pub depths: Depths,
    /// How many mails workspaces sent within a day.
    pub mail_counts: MailCounts,
    /// What workspaces may use where that differs from the settings.
    pub quotas: OwnQuotas,
    /// The queues that are paused.
    pub paused: PausedQueues,
    /// Whether the database can do its work, as it was last found.
    pub readiness: Readiness,
    /// Whether the service is on its way down.
    pub shutdown: ShutdownFlag,
    /// The places for streams of events.
    pub event_streams: EventStreams,
    /// The places for streams that follow jobs.
    pub job_streams: JobStreams,
    /// The places for requests that wait for a job.
    pub waiters: Waiters,
    /// Turns of those with one `Idempotency-Key`.
    pub key_turns: KeyTurns,
    /// What operators read of others' of late.
    pub reads_noted: ReadsNoted,
}

impl State {
    /// How much a workspace may keep that is no operator's.
    pub(super) fn kept_max(&self) -> KeptMax {
        KeptMax {
            reports: self.config.reports.max_kept,
            bytes: self.config.limits.bytes_stored_max,
        }
    }
}

/// One queue of this process and its worker.
#[derive(Clone, Copy, Debug)]
pub struct QueueWorker {
    /// The queue.
    pub queue: Queue,
    /// The worker's name in the supervision tree.
    pub worker: &'static str,
    /// Attempts that it runs at once; 0 where this process performs no jobs.
    pub slots: usize,
}

/// Whether the service is on its way down; clones share it.
#[derive(Clone, Debug)]
pub struct ShutdownFlag(Arc<watch::Sender<bool>>);

impl ShutdownFlag {
    /// The service is on its way down from now on.
    pub fn raise(&self) {
        self.0.send_replace(true);
    }

    /// Whether it is.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is.
    pub async fn raised(&self) {
        let mut changes = self.0.subscribe();
        // The sender is held by `self`, so the wait ends by the flag alone.
        if changes.wait_for(|raised| *raised).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Default for ShutdownFlag {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

/// The places for streams of events, each of which holds a connection for as long as its client likes; clones share them.
#[derive(Clone, Debug)]
pub struct EventStreams(Arc<Semaphore>);

impl EventStreams {
    /// How many streams may be open at once: a page or two for each operator, and a small part of all connections.
    pub const OPEN_MAX: usize = 32;

    /// A place, for as long as the permit lives; `None` if all are taken.
    #[must_use]
    pub fn try_enter(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).try_acquire_owned().ok()
    }
}

impl Default for EventStreams {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(Self::OPEN_MAX)))
    }
}
