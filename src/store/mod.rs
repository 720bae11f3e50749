//! The database: the only importer of diesel.
//!
//! Guarantees:
//! - **Answered means committed.** A write is answered only after its transaction is on disk (`synchronous=FULL`).
//! - **Writers share commits.** One thread writes to a file, several to a server, children of the supervision tree. Whatever
//!   waits when one is free goes into one transaction: frequent writes (enqueue, claim, finish, progress) as data that is fused into multi-row statements, rare
//!   ones as closures, each in a savepoint of its own. If the shared transaction is lost as a whole, each member is run again
//!   alone.
//! - **A job and its cause commit together.** A job is inserted by [`Tx::enqueue`] inside its caller's transaction, or as
//!   a transaction of its own by [`Store::enqueue`]; there is no third way.
//! - **Every write about an attempt shows its fence.** Zero rows changed means that the attempt is no longer ours.
//! - **Reads never wait for writes**, and at most as many run at once as there are reader connections.
//!
//! The queries stand in one file an entity (`accounts`, `sessions`, …), take a connection and the time, and use portable
//! columns and statements; what differs between databases stands in `dialect`. Left out: what the rows mean to clients
//! (`api`), and when jobs are claimed (`workers`).

pub mod accounts;
pub mod acts;
pub mod address_changes;
pub mod api_keys;
mod backup;
pub mod batches;
mod bounded;
mod contract;
pub mod credentials;
pub mod deletion;
pub mod devices;
mod dialect;
mod error;
pub mod events;
pub mod idempotency;
pub mod jobs;
pub mod limits;
mod lock;
pub mod mail_counts;
mod migrate;
mod neighbours;
pub mod nodes;
pub mod password_resets;
mod postgres;
pub mod queues;
mod readers;
pub mod registrations;
mod release;
pub mod reports;
pub mod schedules;
mod schema;
pub mod second_factors;
pub mod security;
mod session_uses;
pub mod sessions;
mod source;
pub mod suppressions;
pub mod templates;
#[cfg(test)]
pub(crate) mod testing;
mod text;
pub mod uploads;
pub mod workspaces;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use bounded::Count;
pub use contract::Contracted;
pub use dialect::Connection;
pub use error::{Abort, StoreError};
pub use jobs::{
    AttemptFinish, AttemptProgress, AttemptRecord, ClaimRequest, Claimed, ClaimedJob, Finished, Held, JobFilter,
    JobRecord, JobScope, KnownKind, NewJob,
};
pub use lock::{LockError, ServeLock};
pub use release::RELEASE;
pub use session_uses::SessionUses;
pub use source::Database;
pub use writer::Tx;

use credentials::CredentialWatch;

use crate::clock::Timestamp;
use crate::domain::job::Queue;
use crate::supervision::Supervisor;
use migrate::OlderSchema;
use source::{Source, Turn};

/// Called after each commit with the queues in which jobs became available, on the writer's thread: it must not block.
pub type OnAvailable = Arc<dyn Fn(&[Queue]) + Send + Sync>;

/// How a store is opened.
#[derive(Clone)]
pub struct StoreOptions {
    /// Where the database is.
    pub database: Database,
    /// Reader connections, and so the reads that run at once.
    pub readers: u32,
    /// Threads that write to a server; a file has one.
    pub writers: u32,
    /// Told of queues in which jobs became available.
    pub on_available: OnAvailable,
}

/// A handle on the database; clones share its connections and its writer.
#[derive(Clone)]
pub struct Store {
    readers: readers::Readers,
    writer: writer::Writer,
    hub: events::Hub,
    credentials: CredentialWatch,
    source: Source,
}

impl Store {
    /// Opens the database, brings its schema up to date and starts the writer under `supervisor`, as its child `writer`.
    ///
    /// The writer ends with its supervisor, after it wrote what it had accepted. Later writes are answered
    /// [`StoreError::Closed`].
    ///
    /// # Errors
    /// When the file cannot be opened, a migration fails, or this release cannot work with the schema.
    pub fn open(options: &StoreOptions, supervisor: &Supervisor) -> Result<Self, StoreError> {
        Self::open_with(options, OlderSchema::Migrate, supervisor)
    }

    /// Opens the database beside a service that may be running, as [`Self::open`] does; a new database gets its schema.
    ///
    /// # Errors
    /// As [`Self::open`], and [`StoreError::SchemaOlder`] when the schema is not this binary's, since bringing it up to date
    /// would change it under the service.
    pub fn open_beside(options: &StoreOptions, supervisor: &Supervisor) -> Result<Self, StoreError> {
        Self::open_with(options, OlderSchema::Refuse, supervisor)
    }

    /// Brings the schema of the database up to date, and makes the database if there is none.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn migrate(database: &Database) -> Result<(), StoreError> {
        let source = Source::of(database)?;
        source.off_reactor(|| migrate::bring_up_to_date(&source, OlderSchema::Migrate))
    }

    /// Takes out of the schema what only older releases use, unless a node of one is alive; waits while another process migrates.
    ///
    /// # Errors
    /// When the database cannot be opened, a migration fails, or others hold what it must change.
    pub fn contract(database: &Database, now: Timestamp) -> Result<Contracted, StoreError> {
        let source = Source::of(database)?;
        source.off_reactor(|| contract::contract(&source, Turn::Awaited, now))
    }

    /// The same for a service's own database, off the reactor; while another process migrates it does nothing.
    ///
    /// # Errors
    /// As [`Self::contract`].
    pub async fn contract_if_free(&self, now: Timestamp) -> Result<Contracted, StoreError> {
        let source = self.source.clone();
        let done = tokio::task::spawn_blocking(move || contract::contract(&source, Turn::IfFree, now));
        done.await.unwrap_or_else(|error| {
            Err(StoreError::Panicked {
                text: error.to_string(),
            })
        })
    }

    fn open_with(options: &StoreOptions, older: OlderSchema, supervisor: &Supervisor) -> Result<Self, StoreError> {
        let source = Source::of(&options.database)?;
        source.off_reactor(|| migrate::bring_up_to_date(&source, older))?;
        let readers = source.off_reactor(|| readers::Readers::open(&source, options.readers))?;
        let hub = events::Hub::new(matches!(source, Source::Postgres(..)));
        let credentials = match source {
            Source::Sqlite(_) => CredentialWatch::of_log(),
            Source::Postgres(..) => CredentialWatch::of_listener(),
        };
        let told = match older {
            OlderSchema::Migrate => {
                let (database, own) = (&options.database, &options.on_available);
                neighbours::meet(database, own, &hub, &credentials, supervisor)
            }
            // Beside a service, which polls.
            OlderSchema::Refuse => Arc::clone(&options.on_available),
        };
        let all = writer::Told {
            on_available: told,
            hub: hub.clone(),
            credentials: credentials.clone(),
        };
        let writer = source.off_reactor(|| writer::Writer::start(&source, options.writers, &all, supervisor))?;
        Ok(Self {
            readers,
            writer,
            hub,
            credentials,
            source,
        })
    }

    /// Runs `read` on a reader connection, on a blocking thread. It cannot write.
    ///
    /// # Errors
    /// What `read` answers, or [`StoreError::Unavailable`] when no reader is free within five seconds.
    pub async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.readers.run(read).await
    }

    /// Runs `write` in a transaction that it may share with others, and answers once that is committed.
    ///
    /// `write` may be run more than once, when a shared transaction is lost as a whole, and must not count on an earlier
    /// run's effects: those are rolled back. A panic in it is caught and answered as [`StoreError::Panicked`].
    ///
    /// # Errors
    /// [`Abort::Refused`] with what `write` refused; its changes alone are rolled back. [`Abort::Store`] for everything else.
    pub async fn write<T, E, F>(&self, write: F) -> Result<T, Abort<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T, Abort<E>> + Send + 'static,
    {
        self.writer.closure(write).await
    }

    /// Inserts jobs in a transaction of their own, in the order given.
    ///
    /// # Errors
    /// When they could not be committed; then none of them is.
    pub async fn enqueue(&self, jobs: Vec<NewJob>) -> Result<(), StoreError> {
        self.writer.enqueue(jobs).await
    }

    /// Hands waiting jobs to a node, each under a new fence.
    ///
    /// # Errors
    /// When the claim could not be committed; then nothing is claimed.
    pub async fn claim(&self, request: ClaimRequest) -> Result<Claimed, StoreError> {
        self.writer.claim(request).await
    }

    /// Writes how an attempt ended, if its fence still holds.
    ///
    /// # Errors
    /// When it could not be committed; the caller must try again.
    pub async fn finish(&self, finish: AttemptFinish) -> Result<Finished, StoreError> {
        self.writer.finish(finish).await
    }

    /// Writes how far an attempt has come, if its fence still holds.
    ///
    /// # Errors
    /// When it could not be committed.
    pub async fn progress(&self, progress: AttemptProgress) -> Result<Held, StoreError> {
        self.writer.progress(progress).await
    }

    /// How many reads were asked for.
    #[cfg(test)]
    pub(crate) fn reads(&self) -> u64 {
        self.readers.asked.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// Those who wait for changes of jobs.
    #[must_use]
    pub fn hub(&self) -> &events::Hub {
        &self.hub
    }

    /// Whether the writer can commit: a transaction of no rows, within `limit`.
    ///
    /// # Errors
    /// When it cannot.
    pub async fn ping(&self, limit: Duration) -> Result<(), StoreError> {
        match tokio::time::timeout(limit, self.writer.closure::<(), (), _>(|_| Ok(()))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Abort::Store(error))) => Err(error),
            Ok(Err(Abort::Refused(()))) | Err(_) => Err(StoreError::Unavailable {
                what: "the writer is not answering",
            }),
        }
    }

    /// Whether the database takes a write: a row is written and taken away, within `limit`. What [`ping`](Self::ping) commits takes
    /// no room, and so succeeds on a full disk.
    ///
    /// # Errors
    /// When it does not.
    pub async fn take_write(&self, limit: Duration) -> Result<(), StoreError> {
        let write = self.write::<(), (), _>(|tx| Ok(nodes::touch(tx.connection())?));
        match tokio::time::timeout(limit, write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Abort::Store(error))) => Err(error),
            Ok(Err(Abort::Refused(()))) | Err(_) => Err(StoreError::Unavailable {
                what: "the writer is not answering",
            }),
        }
    }

    /// Writes a consistent copy of the database to `target` while others go on; refuses a file that exists.
    ///
    /// # Errors
    /// When the copy cannot be made.
    pub fn backup(path: &Path, target: &Path) -> Result<u64, StoreError> {
        backup::copy(path, target)
    }

    /// Whether this process has the database to itself.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.source.file().is_some()
    }

    /// The file of the database, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.source.file().map(|path| &**path)
    }
}

#[cfg(test)]
mod tests;
