//! Programs that some tests need and not every machine has.
//!
//! A test that cannot run says so aloud. Where `LEGWORK_TEST_REQUIRE` names what it needs (a list such as
//! `chromium,postgres`), it fails instead: so CI never passes by leaving something out.

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
    let required = std::env::var("LEGWORK_TEST_REQUIRE").unwrap_or_default();
    assert!(
        !required.split(',').any(|one| one == what),
        "{what} is required, and there is no {name}"
    );
    eprintln!("NOT RUN: this test needs {name} ({what}); with LEGWORK_TEST_REQUIRE={what} its absence fails");
    None
}
