//! Files and folders for their owner only: the database and reports hold addresses, mails and hashes.
//!
//! Guarantees: what is made here is readable by nobody else from its first moment, whatever the umask; SQLite gives its log
//! and index beside a database the mode of that file. What exists keeps its mode: its owner may have chosen it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Makes a folder, and those above it, with mode 0700.
///
/// # Errors
/// When it cannot be made.
pub fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a folder with mode 0700 that must not be there, in one that is.
///
/// # Errors
/// When it is there, whoever's it is, or cannot be made.
pub fn new_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Makes an empty file with mode 0600, unless there is one.
///
/// # Errors
/// When it cannot be made.
pub fn make_file(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map(drop)
}

/// Makes a file with mode 0600 that must not be there, to be written.
///
/// # Errors
/// When it is there, or cannot be made.
pub fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)
}
