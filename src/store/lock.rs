//! The locks that make a running service the only one on its database and in its data folder.
//!
//! Guarantees: the operating system holds them, so that they end with the process however it ends, `kill -9` included.
//! The command line does not take them and works beside a running service. Left out: network file systems, whose locks may
//! be made of promises.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Why the service cannot have its database and folder to itself.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another service holds the lock.
    #[error("another legwork is already serving with {path}; stop it first, or give this one a folder of its own")]
    Held {
        /// The file that is locked.
        path: PathBuf,
    },
    /// The lock's file cannot be made or locked.
    #[error("the lock {path} cannot be taken")]
    Io {
        /// The lock's file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

/// The right to serve; it ends when this is dropped, or with the process.
#[derive(Debug)]
pub struct ServeLock {
    _held: Vec<File>,
}

impl ServeLock {
    /// Takes the lock beside the database's file, if it is a file, and the one in the data folder.
    ///
    /// # Errors
    /// [`LockError::Held`] if another service has either of them.
    pub fn take(database: Option<&Path>, data_dir: &Path) -> Result<Self, LockError> {
        let within = data_dir.join("legwork.lock");
        let mut held = Vec::new();
        let beside = database.map(lock_path_of);
        if let Some(beside) = &beside {
            held.push(take(beside)?);
        }
        if !beside.is_some_and(|beside| same_file(&beside, &within)) {
            held.push(take(&within)?);
        }
        Ok(Self { _held: held })
    }
}

fn lock_path_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn take(path: &Path) -> Result<File, LockError> {
    let io = |source| LockError::Io {
        path: path.to_owned(),
        source,
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(io)?;
    }
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(LockError::Held { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => return Err(io(source)),
    }
    // Only for people who look into the file; nothing reads it back.
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(io)?;
    Ok(file)
}

/// A lock that waits for its turn: while one process brings the schema up to date, others wait.
pub(super) fn wait_for(path: &Path) -> std::io::Result<File> {
    let file = migration_lock(path)?;
    file.lock()?;
    Ok(file)
}

/// The same lock, if nobody has it.
pub(super) fn if_free(path: &Path) -> std::io::Result<Option<File>> {
    let file = migration_lock(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn migration_lock(path: &Path) -> std::io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".migrate.lock");
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(PathBuf::from(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_service_is_refused_on_the_same_database_or_the_same_folder() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("a.db");
        let first = ServeLock::take(Some(&database), folder.path()).unwrap();
        let same_database = ServeLock::take(Some(&database), &folder.path().join("other")).unwrap_err();
        assert!(matches!(same_database, LockError::Held { .. }), "{same_database}");
        for other in [Some(folder.path().join("b.db")), None] {
            let same_folder = ServeLock::take(other.as_deref(), folder.path()).unwrap_err();
            assert!(matches!(same_folder, LockError::Held { .. }), "{same_folder}");
        }
        drop(first);
        ServeLock::take(Some(&database), folder.path()).unwrap();
    }
}
