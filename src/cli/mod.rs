//! The commands that are about the program itself, and what `--help` says of all of them.
//!
//! Left out: the commands' grammar, which is in `main.rs`, and whatever the service does, which is the library's.

pub(crate) mod health;
pub(crate) mod help;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod sandbox;
pub(crate) mod settings;
pub(crate) mod supervision;
pub(crate) mod templates;

/// The version with what it was built from and for, on one line. The commit is known where the build was told it by the
/// variable BUILD_COMMIT, so that two builds of the same source are the same.
pub(crate) fn version() -> String {
    let commit = option_env!("BUILD_COMMIT").filter(|commit| !commit.is_empty());
    let commit = commit.map(|commit| format!("commit {commit}, ")).unwrap_or_default();
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("legwork {} ({commit}{os} {arch})", env!("CARGO_PKG_VERSION"))
}
