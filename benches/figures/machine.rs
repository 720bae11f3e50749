//! What the figures were measured on, and what is installed on it.

use std::path::Path;
use std::process::Command;

/// Where programs are that an ordinary user's path leaves out.
const FURTHER: &[&str] = &["/usr/sbin", "/usr/local/sbin"];

/// The machine, in one line.
pub(crate) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let field = |file: &str, name: &str| -> String {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or("?", |(_, value)| value.trim()).to_owned()
    };
    format!(
        "{cores} cores ({}), {} of memory; client and server on the same machine",
        field("/proc/cpuinfo", "model name"),
        field("/proc/meminfo", "MemTotal"),
    )
}

/// Whether a program is installed.
pub(crate) fn has(program: &str) -> bool {
    path_of(program).is_some()
}

/// A command of an installed program.
pub(crate) fn command(program: &str) -> Command {
    Command::new(path_of(program).unwrap_or_else(|| panic!("{program} is not installed")))
}

fn path_of(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(FURTHER.iter().map(|folder| Path::new(folder).to_owned()));
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}
