//! A file in the making.
//!
//! Guarantees: it is its owner's alone; its bytes are counted and hashed as they are written; unless it is published it is
//! removed when dropped, so that whatever ends its making leaves nothing behind.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::private;
use crate::telemetry::names::event;

/// A file in the making.
#[derive(Debug)]
pub struct Draft {
    file: File,
    /// Where it is now.
    path: PathBuf,
    folder: PathBuf,
    target: PathBuf,
    bytes: u64,
    digest: Sha256,
    is_published: bool,
}

impl Draft {
    /// Begins the file `path` in `folder`, which is to become `target`. What is there under its name is of an attempt that
    /// is no more, since a name holds the attempt's fence.
    pub(super) fn begin(folder: PathBuf, path: PathBuf, target: PathBuf) -> io::Result<Self> {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Self {
            file: private::new_file(&path)?,
            path,
            folder,
            target,
            bytes: 0,
            digest: Sha256::new(),
            is_published: false,
        })
    }

    /// Bytes written so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives the file its final name, on disk when this returns; answers its length in bytes and its SHA-256 in lower-case
    /// hexadecimal digits.
    ///
    /// # Errors
    /// When it cannot be written to disk or renamed; it is then removed.
    pub fn publish(mut self) -> io::Result<(u64, String)> {
        self.file.sync_all()?;
        fs::rename(&self.path, &self.target)?;
        // From here on it is this name that is removed, should the folder not reach the disk.
        self.path.clone_from(&self.target);
        File::open(&self.folder)?.sync_all()?;
        self.is_published = true;
        let digest = self.digest.clone().finalize();
        let sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok((self.bytes, sha256))
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.digest.update(bytes.get(..written).unwrap_or_default());
        self.bytes = self.bytes.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.is_published {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(
                event = event::REPORTS_UNCLEAN,
                %error,
                "an unfinished report's file could not be removed; the keeper will try again"
            );
        }
    }
}
