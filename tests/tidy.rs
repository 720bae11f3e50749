//! The rules of the crate, held as tests, so that nobody has to remember them.
//!
//! Guarantees: each rule says which file breaks it and what to do instead, and has a test of its own that shows it a broken
//! sample. Rules that the compiler or clippy can hold are not here but in `Cargo.toml` and `clippy.toml`.

#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/log.rs"]
mod log;
#[path = "support/log_table.rs"]
mod log_table;
#[path = "tidy/migrations.rs"]
mod migrations;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/texts.rs"]
mod texts;

use std::path::Path;

use source::{Source, files};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file of the crate.
fn sources() -> std::io::Result<Vec<Source>> {
    let mut all = files(root(), "src", &[".rs"])?;
    all.extend(files(root(), "tests", &[".rs"])?);
    all.extend(files(root(), "benches", &[".rs"])?);
    all.extend(files(root(), "examples", &[".rs"])?);
    Ok(all)
}

/// Fails with all findings, one a line.
fn none(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn the_files_of_the_crate_are_found() {
    let sources = sources().unwrap();
    for path in [
        "src/lib.rs",
        "src/domain/mod.rs",
        "tests/tidy.rs",
        "tests/tidy/source.rs",
    ] {
        assert!(sources.iter().any(|source| source.path == path), "{path}");
    }
}

#[test]
fn every_file_says_at_its_head_what_it_is_for() {
    none(&texts::heads(&sources().unwrap()));
}

#[test]
fn every_library_is_used_only_where_it_belongs() {
    none(&imports::libraries(&sources().unwrap()));
}

#[test]
fn every_part_looks_only_inwards() {
    none(&imports::directions(&sources().unwrap()));
}

#[test]
fn no_file_holds_what_is_banned() {
    none(&texts::banned(&sources().unwrap()));
}

#[test]
fn no_module_has_a_name_that_says_nothing() {
    none(&texts::names(&sources().unwrap()));
}

#[test]
fn no_file_is_too_long() {
    none(&texts::lengths(&sources().unwrap()));
}

#[test]
fn no_test_waits_by_sleeping() {
    none(&texts::sleeps(&sources().unwrap()));
    none(&texts::stale_exceptions(&sources().unwrap()));
}

#[test]
fn what_is_logged_and_the_tables_of_the_log_are_the_same() {
    none(&log::differences(&sources().unwrap(), &log_table::LogTable::read()));
}

#[test]
fn every_migration_is_whole_and_on_every_database() {
    none(&migrations::parity(&files(root(), "migrations", &[".sql"]).unwrap()));
}

#[test]
fn migrations_take_nothing_away_that_the_version_before_uses() {
    none(&migrations::expands(&files(root(), "migrations", &[".sql"]).unwrap()));
}

#[test]
fn every_table_has_a_workspace() {
    none(&migrations::workspaces(
        &files(root(), "migrations", &[".sql"]).unwrap(),
    ));
}

#[test]
fn documents_point_only_at_what_is_there() {
    let top = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|name| (name, root().join(name)));
    let read = |(name, path): (&str, std::path::PathBuf)| {
        Some(Source {
            path: name.into(),
            text: std::fs::read_to_string(path).ok()?,
        })
    };
    let mut documents: Vec<Source> = top.into_iter().filter_map(read).collect();
    documents.extend(files(root(), "docs", &[".md"]).unwrap());
    none(&documents::paths(&documents, |path| root().join(path).exists()));
}
