//! Programs that some tests need and not every machine has.
//!
//! A test that cannot run says so aloud. Where `LEGWORK_TEST_REQUIRE` names what it needs (a list such as
//! `chromium,postgres`), it fails instead: so CI never passes by leaving something out.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The program that belongs to `what`, ready to be started; none, said aloud, if it is missing and not required.
pub(crate) fn program(what: &str, name: &str) -> Option<Command> {
    let found = Command::new(name)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if found.is_ok_and(|status| status.success()) {
        return Some(Command::new(name));
    }
    lacks(what, name);
    None
}

/// Whether this test may go on with `what`, for which it needs all of `paths` and to be run by root; said aloud if not.
pub(crate) fn by_root(what: &str, paths: &[&Path]) -> bool {
    if let Some(path) = paths.iter().find(|path| !path.exists()) {
        lacks(what, &path.display().to_string());
        return false;
    }
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        lacks(what, "root, who may start a mail server");
        return false;
    }
    true
}

/// The file that `variable` names; none, said aloud, if it names none and `what` is not required.
pub(crate) fn named(what: &str, variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_file());
    if path.is_none() {
        lacks(what, &format!("file that {variable} names"));
    }
    path
}

/// The first of `folders` that holds all of `programs`; none, said aloud, if there is none and `what` is not required.
pub(crate) fn folder_with(what: &str, folders: &[PathBuf], programs: &[&str]) -> Option<PathBuf> {
    let has_all = |folder: &&PathBuf| programs.iter().all(|program| folder.join(program).is_file());
    let found = folders.iter().find(has_all).cloned();
    if found.is_none() {
        lacks(what, &programs.join(", "));
    }
    found
}

/// Says that `what` cannot be had for want of `missing`, and fails if it is required.
pub(crate) fn lacks(what: &str, missing: &str) {
    let required = std::env::var("LEGWORK_TEST_REQUIRE").unwrap_or_default();
    assert!(
        !required.split(',').any(|one| one == what),
        "{what} is required, and there is no {missing}"
    );
    // Not by `eprintln!`, which the harness keeps to itself when a test passes.
    let mut stderr = std::io::stderr().lock();
    writeln!(
        stderr,
        "NOT RUN: this test needs {missing} ({what}); with LEGWORK_TEST_REQUIRE={what} its absence fails"
    )
    .unwrap();
}
