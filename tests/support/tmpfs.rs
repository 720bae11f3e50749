//! A small disk of its own, which can be filled and emptied.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::required;

/// A file system in memory; it is gone when dropped.
pub(crate) struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// One of so many MiB; none, said aloud, if this process may not mount one.
    pub(crate) fn mount(mebibytes: u32) -> Option<Self> {
        if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
            required::lacks("tmpfs", "root, who may mount one");
            return None;
        }
        let disk = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let size = format!("size={mebibytes}m");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(disk.path())
            .output();
        if !mount.is_ok_and(|said| said.status.success()) {
            required::lacks("tmpfs", "right to mount one");
            return None;
        }
        Some(disk)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes all the room that is left.
    pub(crate) fn fill(&self) {
        let mut file = File::create(self.ballast()).unwrap();
        for size in [64 * 1024, 4096, 1] {
            let block = vec![0_u8; size];
            while file.write_all(&block).is_ok() {}
        }
    }

    /// Gives back what [`fill`](Self::fill) took.
    pub(crate) fn make_room(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, since a process that a failed test has left may still have files there.
        let unmounted = Command::new("umount").arg("--lazy").arg(self.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}
