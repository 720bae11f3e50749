//! The key file `keys` in the data folder.
//!
//! Guarantees: the file appears whole or not at all, on disk before it is used, with mode 0600 from its first byte; a file
//! that another process made meanwhile is never overwritten, both then use the same keys; a file that others than its owner
//! may read or change is refused.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use secrecy::zeroize::Zeroizing;

use super::{Key, KeyRing, KeyRingError, text};

/// The file's name in the data folder.
const NAME: &str = "keys";

/// The most bytes that are read: 16 keys with their ids need under 2 KiB, the rest is for comments.
const BYTES_MAX: u64 = 64 * 1024;

/// The ring in the file; a missing file is made first, with one new key.
pub(super) fn load_or_make(data_dir: &Path) -> Result<KeyRing, KeyRingError> {
    let path = data_dir.join(NAME);
    match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(data_dir, &path)?,
        Err(error) => return Err(failed("open the key file", &path)(error)),
        Ok(file) => return read(file, &path),
    }
    read(File::open(&path).map_err(failed("open the key file", &path))?, &path)
}

fn read(file: File, path: &Path) -> Result<KeyRing, KeyRingError> {
    let metadata = file.metadata().map_err(failed("read the key file", path))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyRingError::OpenToOthers {
            path: path.into(),
            mode,
        });
    }
    let mut contents = Zeroizing::new(String::new());
    file.take(BYTES_MAX)
        .read_to_string(&mut contents)
        .map_err(failed("read the key file", path))?;
    text::parse_lines(&contents, &path.display().to_string())
}

fn make(data_dir: &Path, path: &Path) -> Result<(), KeyRingError> {
    let folder = fs::DirBuilder::new().recursive(true).mode(0o700).create(data_dir);
    folder.map_err(failed("make the data folder", data_dir))?;
    let key = Key::generate()?;
    let draft = data_dir.join(format!("{NAME}.{}.new", key.id));
    let written = write_draft(&draft, &key).and_then(|()| publish(&draft, path));
    // The draft has done its part, or failed to; what cannot be removed is a file that only its owner can read.
    let removed = fs::remove_file(&draft);
    written.map_err(failed("make the key file", path))?;
    removed.map_err(failed("remove", &draft))?;
    let folder = File::open(data_dir).and_then(|folder| folder.sync_all());
    folder.map_err(failed("write to disk", data_dir))
}

fn write_draft(draft: &Path, key: &Key) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft)?;
    file.write_all(text::to_line(key).as_bytes())?;
    file.sync_all()
}

/// Gives the draft its name. A link, not a rename: a rename would replace the file of a process that was quicker.
fn publish(draft: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeyRingError {
    let path = path.to_owned();
    move |source| KeyRingError::File { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    fn secret(ring: &KeyRing) -> String {
        ring.derive("test", "").1.expose_secret().to_owned()
    }

    #[test]
    fn the_first_start_makes_a_file_for_its_owner_alone_and_later_ones_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("deep/data");
        let first = load_or_make(&data_dir).unwrap();
        let second = load_or_make(&data_dir).unwrap();
        assert_eq!(secret(&first), secret(&second));
        let mode = fs::metadata(data_dir.join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(&data_dir).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_file_that_another_process_made_meanwhile_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let theirs = load_or_make(folder.path()).unwrap();
        make(folder.path(), &folder.path().join(NAME)).unwrap();
        assert_eq!(secret(&load_or_make(folder.path()).unwrap()), secret(&theirs));
    }

    #[test]
    fn a_file_open_to_others_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        load_or_make(folder.path()).unwrap();
        let path = folder.path().join(NAME);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let message = load_or_make(folder.path()).unwrap_err().to_string();
        assert!(
            message.contains("mode 0640") && message.contains("chmod 600"),
            "{message}"
        );
    }

    #[test]
    fn an_empty_file_is_refused_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .unwrap();
        assert!(
            load_or_make(folder.path())
                .unwrap_err()
                .to_string()
                .contains("holds 0 keys")
        );
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    }
}
