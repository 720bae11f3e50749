//! What is in a service's database, asked beside it.

use std::path::Path;

use crate::machine;

/// The number that a query of one row and column answers.
pub(crate) fn count(folder: &Path, query: &str) -> u64 {
    run(folder, query).trim().parse().unwrap()
}

/// Runs statements on the database of the service in `folder` and answers what sqlite3 prints.
pub(crate) fn run(folder: &Path, statements: &str) -> String {
    let output = machine::command("sqlite3")
        .args(["-cmd", ".timeout 10000"])
        .arg(folder.join("data/legwork.db"))
        .arg(statements)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
