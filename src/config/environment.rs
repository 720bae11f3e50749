//! The variables that set something, and the files that they name.
//!
//! Any setting can be given by a file that holds nothing else, as secrets are handed to containers and by systemd:
//! `LEGWORK_MAIL__URL_FILE` names the file of what `LEGWORK_MAIL__URL` would say.
//!
//! Guarantees: a setting is given once or the start ends; a file is read once, and no more of it than a setting can be long;
//! no message holds any of it.

use std::io::{self, Read as _};
use std::path::Path;

use super::ConfigError;
use super::source;

/// What the names of our variables start with.
const PREFIX: &str = "LEGWORK_";

/// Variables with our prefix that are not settings: what tests are told, such as the address of a database.
const NOT_SETTINGS: &str = "LEGWORK_TEST_";

/// What a variable's name ends with that gives a setting by a file.
pub(super) const FILE_SUFFIX: &str = "_FILE";

/// The largest file that gives one setting, in bytes; the longest setting there is, a ring of 16 keys, needs under 2 KiB.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// What a variable says, itself or by the file that it names.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    /// The name of the variable that would hold the value.
    pub(super) name: String,
    pub(super) value: String,
    /// The variable's name, and the file's if there is one.
    pub(super) origin: String,
}

impl From<(String, String)> for Variable {
    fn from((name, value): (String, String)) -> Self {
        Self {
            origin: name.clone(),
            name,
            value,
        }
    }
}

/// Our variables in this process's environment, the files that they name read.
pub(super) fn of_process() -> Result<Vec<Variable>, ConfigError> {
    let mut variables = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
            continue;
        };
        let not_unicode = || ConfigError::NotUnicode { variable: name.into() };
        variables.push((name.to_owned(), value.into_string().or(Err(not_unicode()))?));
    }
    with_files(&variables)
}

/// The variables, with those that name a file in place of a value read from it. One that is a setting's own, such as of a
/// setting that is itself the path of a file, is left as it is.
pub(super) fn with_files(variables: &[(String, String)]) -> Result<Vec<Variable>, ConfigError> {
    let known = source::names()?;
    let is_setting = |name: &str| setting(name).is_some_and(|setting| known.contains(&setting));
    let of_file = |name: &str| {
        let plain = name.strip_suffix(FILE_SUFFIX)?;
        (!is_setting(name) && is_setting(plain)).then(|| plain.to_owned())
    };
    let is_given = |plain: &str| variables.iter().any(|(name, value)| name == plain && !value.is_empty());
    let resolve = |(name, value): &(String, String)| match of_file(name).filter(|_| !value.is_empty()) {
        None => Ok(Variable::from((name.clone(), value.clone()))),
        Some(plain) if is_given(&plain) => Err(ConfigError::Twice { variable: plain }),
        Some(plain) => {
            let read = read_value(Path::new(value)).map_err(|source| ConfigError::ValueFile {
                variable: name.clone(),
                path: value.into(),
                source,
            });
            Ok(Variable {
                name: plain,
                value: read?,
                origin: format!("{name}, the file {value},"),
            })
        }
    };
    variables.iter().map(resolve).collect()
}

/// The text of a file that gives one setting, without the line end that editors put after it.
fn read_value(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = std::fs::File::open(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has over {FILE_BYTES_MAX} bytes"),
        ));
    }
    let value = text.strip_suffix('\n').unwrap_or(&text);
    let value = value.strip_suffix('\r').unwrap_or(value);
    if value.is_empty() {
        // An empty variable is none, but whoever names a file means what should be in it: a relay, not the default.
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is empty"));
    }
    Ok(value.to_owned())
}

/// The setting that a variable of this name sets, whether or not there is such a one; none of what only tests are told.
pub(super) fn setting(variable: &str) -> Option<String> {
    if variable.starts_with(NOT_SETTINGS) {
        return None;
    }
    Some(variable.strip_prefix(PREFIX)?.to_ascii_lowercase().replace("__", "."))
}

/// Whether `key` is not, but for an underscore, one of the `known` settings, as LEGWORK_HTTP_BIND makes it.
pub(super) fn check_joined(known: &[String], key: &str, origin: &str) -> Result<(), ConfigError> {
    match known
        .iter()
        .find(|known| *known != key && known.replace('.', "_") == key)
    {
        None => Ok(()),
        Some(meant) => Err(ConfigError::Joined {
            origin: origin.into(),
            meant: variable(meant),
        }),
    }
}

/// The variable that sets `setting`.
pub(super) fn variable(setting: &str) -> String {
    format!("{PREFIX}{}", setting.replace('.', "__").to_ascii_uppercase())
}
