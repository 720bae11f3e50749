//! Files and folders for their owner only: the database holds addresses, mails and hashes.
//!
//! Guarantees: what is made here is readable by nobody else from its first moment, whatever the umask; SQLite gives its log
//! and index beside a database the mode of that file. What exists keeps its mode: its owner may have chosen it.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Makes a folder, and those above it, with mode 0700.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes an empty file with mode 0600, unless there is one.
pub(super) fn make_file(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map(drop)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    use crate::store::{Store, StoreOptions};

    #[actix::test]
    async fn the_database_its_log_its_folder_and_a_copy_of_it_are_their_owners_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/legwork.db");
        let store = Store::open(&StoreOptions {
            path: path.clone(),
            readers: 1,
            on_available: Arc::new(|_| {}),
        })
        .unwrap();
        store.enqueue(Vec::new()).await.unwrap();
        let copy = folder.path().join("copy.db");
        Store::backup(&path, &copy).unwrap();
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!((mode(&path), mode(&copy)), (0o600, 0o600));
        assert_eq!(mode(&path.with_extension("db-wal")), 0o600);
    }
}
