//! Delivery into a folder: each mail one `.eml` file, as a developer's machine and a first try of the service want it.
//!
//! Guarantees: a file under its final name is whole (written under another name, synced, then renamed, then the folder
//! synced); delivering the same message again replaces its own file, so a repetition never doubles a mail; files are 0600
//! and the folder, if we make it, 0700. What a crash leaves under a temporary name is removed at the next start.
//!
//! Left out: uncertainty. A failed rename can be repeated, because the name is that of the message.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;

use super::message::{Rendered, is_message_id};
use super::transport::{DeliveryError, Gate, GateClosed, Phase, Receipt, Transport};
use crate::telemetry::names::event;

/// How temporary names end; those of mails start with a digit and end with `.eml`, so no tool takes one for the other.
const TEMPORARY: &str = ".tmp";

/// Delivers into a folder.
pub struct OutboxTransport {
    dir: PathBuf,
    /// Tells two temporary files of one message apart.
    next: AtomicU64,
}

impl OutboxTransport {
    /// Opens the folder, makes it (with its parents) if it is not there, and removes temporary files that a crash has left.
    /// One process at a time uses an outbox.
    ///
    /// # Errors
    /// An I/O error if the folder cannot be made, or not be read.
    pub fn new(dir: impl Into<PathBuf>) -> io::Result<Self> {
        let dir = dir.into();
        if !dir.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        }
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            if entry.file_type()?.is_file() && is_temporary(&entry.file_name().to_string_lossy()) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(Self {
            dir,
            next: AtomicU64::new(0),
        })
    }

    /// The name of a message's file: sorted by its date, the same for all its attempts.
    fn name_of(mail: &Rendered) -> String {
        let date: String = mail
            .date
            .to_string()
            .chars()
            .filter(|character| !matches!(character, '-' | ':'))
            .collect();
        format!("{date}-{}.eml", mail.message_id)
    }

    async fn run(&self, mail: &Rendered, gate: &dyn Gate) -> Result<Receipt, DeliveryError> {
        if !is_message_id(&mail.message_id) {
            return Err(DeliveryError::permanent(
                Phase::Data,
                "the message id cannot be a file name",
            ));
        }
        let name = Self::name_of(mail);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let temporary = Temporary::new(self.dir.join(format!(".{name}.{number}{TEMPORARY}")));
        let bytes = mail.bytes.clone();
        let written = blocking(move || {
            let mut temporary = temporary;
            temporary.write(&bytes).map(|()| temporary)
        });
        let temporary = written
            .await
            .map_err(|error| DeliveryError::transient(Phase::Data, &error.to_string()))?;
        gate.open().await.map_err(|GateClosed| DeliveryError::GateClosed)?;
        let (dir, target) = (self.dir.clone(), self.dir.join(&name));
        let moved = blocking(move || temporary.rename(&target).and_then(|()| File::open(&dir)?.sync_all()));
        moved
            .await
            .map_err(|error| DeliveryError::transient(Phase::Dot, &error.to_string()))?;
        Ok(Receipt {
            words: name,
            refusals: Vec::new(),
        })
    }
}

impl Transport for OutboxTransport {
    fn deliver<'a>(&'a self, mail: &'a Rendered, gate: &'a dyn Gate) -> BoxFuture<'a, Result<Receipt, DeliveryError>> {
        Box::pin(self.run(mail, gate))
    }

    fn describe(&self) -> String {
        format!("file:{}", self.dir.display())
    }
}

fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.contains(".eml.") && name.ends_with(TEMPORARY)
}

/// Runs file work where it may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// A file under its temporary name, removed when dropped unless it was renamed: a delivery that is cancelled, or whose gate
/// is closed, leaves nothing behind.
struct Temporary {
    path: PathBuf,
    there: bool,
}

impl Temporary {
    fn new(path: PathBuf) -> Self {
        Self { path, there: false }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.path)?;
        self.there = true;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn rename(mut self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        self.there = false;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.there
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(
                event = event::OUTBOX_UNCLEAN,
                %error,
                "a temporary file in the outbox could not be removed"
            );
        }
    }
}
