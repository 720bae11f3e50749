//! Where settings come from: the layers, the names, and what is said about a bad one.
//!
//! Guarantees: a name that no setting has is an error in the file and in the environment alike; a message shows the value
//! of a setting unless it may hold a secret, and never a line of the file.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::providers::{Format as _, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::de::DeserializeOwned;

use super::DEFAULTS;
use super::environment::{self, FILE_SUFFIX, Variable};
use super::span;

/// Settings whose default depends on others or on the terminal, so that `defaults.toml` has no value for them.
const DERIVED: [&str; 11] = [
    "public_url",
    "secret_keys",
    "database.url",
    "mail.url",
    "mail.username",
    "mail.password",
    "mail.ca_file",
    "mail.site_concurrency",
    "retention.cancelled_days",
    "retention.uncertain_days",
    "log.format",
];

/// Settings whose value may hold a password or a key.
const SECRET: [&str; 4] = ["secret_keys", "database.url", "mail.url", "mail.password"];

/// What the layer of the defaults is called.
const DEFAULTS_NAME: &str = "the defaults";

/// What the layer of the variables is called; messages name the variable itself.
const ENVIRONMENT_NAME: &str = "the environment";

/// Why there are no usable settings. Names the setting and where it came from; never shows a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The settings file could not be read.
    #[error("cannot read the settings file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        #[source]
        source: io::Error,
    },
    /// The settings file is not TOML.
    #[error("{origin} is not TOML: {reason}")]
    Syntax {
        /// The file, with the line if it is known.
        origin: String,
        /// What is wrong, without the text around it.
        reason: String,
    },
    /// A variable of ours is not UTF-8.
    #[error("{variable} is not UTF-8")]
    NotUnicode {
        /// The variable's name.
        variable: String,
    },
    /// The file that a variable names could not be read.
    #[error("{variable} names {}, which cannot be read", path.display())]
    ValueFile {
        /// The variable's name.
        variable: String,
        /// The file.
        path: PathBuf,
        /// What the system answered.
        #[source]
        source: io::Error,
    },
    /// A setting is given twice, by a variable and by a file.
    #[error("{variable} and {variable}{FILE_SUFFIX} are both set; leave one out")]
    Twice {
        /// The name of the variable that holds the value.
        variable: String,
    },
    /// There is no such setting.
    #[error("{origin} sets {setting}, which is no setting; there are {known}")]
    Unknown {
        /// The file or the variable.
        origin: String,
        /// The name that was set.
        setting: String,
        /// The settings there are in that section.
        known: String,
    },
    /// A variable joins section and name by one underscore.
    #[error("{origin} sets nothing: section and name are joined by two underscores; write {meant}")]
    Joined {
        /// The variable.
        origin: String,
        /// The variable that was meant.
        meant: String,
    },
    /// A setting is not what it may be.
    #[error("{setting} {reason}; {origin} sets it{shown}", shown = value.as_ref().map(|value| format!(" to {value}")).unwrap_or_default())]
    Invalid {
        /// The setting, such as `http.bind`.
        setting: &'static str,
        /// What it must be.
        reason: String,
        /// Its value as it was given; absent if it may hold a secret.
        value: Option<String>,
        /// The file, the variable, or the defaults.
        origin: String,
    },
}

/// The text of a settings file.
pub(super) fn read_file(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.into(),
        source,
    })
}

/// The text of a settings file that need not exist.
pub(super) fn read_file_if_any(path: &Path) -> Result<Option<String>, ConfigError> {
    match read_file(path) {
        Err(ConfigError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// The names of all settings.
pub(super) fn names() -> Result<Vec<String>, ConfigError> {
    let mut known: Vec<String> = DERIVED.map(str::to_owned).to_vec();
    flatten(&parse(DEFAULTS_NAME, DEFAULTS)?, "", &mut known);
    Ok(known)
}

/// One source of settings.
struct Layer {
    name: String,
    dict: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.dict.clone())]))
    }
}

/// The merged layers.
pub(super) struct Settings {
    figment: Figment,
    /// Where what variables set came from, by setting.
    variables: BTreeMap<String, String>,
}

impl Settings {
    pub(super) fn new<V>(file: Option<(&Path, &str)>, variables: V) -> Result<Self, ConfigError>
    where
        V: IntoIterator<Item = Variable>,
    {
        let defaults = parse(DEFAULTS_NAME, DEFAULTS)?;
        let mut known: Vec<String> = DERIVED.map(str::to_owned).to_vec();
        flatten(&defaults, "", &mut known);
        let mut figment = Figment::from(Layer {
            name: DEFAULTS_NAME.into(),
            dict: defaults,
        });
        if let Some((path, text)) = file {
            let name = path.display().to_string();
            let dict = parse(&name, text)?;
            let mut keys = Vec::new();
            flatten(&dict, "", &mut keys);
            keys.iter().try_for_each(|key| check_known(&known, key, &name))?;
            figment = figment.merge(Layer { name, dict });
        }
        let mut dict = Dict::new();
        let mut origins = BTreeMap::new();
        for Variable { name, value, origin } in variables {
            // Compose files pass an empty variable for one that is not set.
            let Some(key) = environment::setting(&name).filter(|_| !value.is_empty()) else {
                continue;
            };
            environment::check_joined(&known, &key, &origin)?;
            check_known(&known, &key, &origin)?;
            insert(&mut dict, &key, value);
            origins.insert(key, origin);
        }
        figment = figment.merge(Layer {
            name: ENVIRONMENT_NAME.into(),
            dict,
        });
        Ok(Self {
            figment,
            variables: origins,
        })
    }

    /// A setting that always has a value, made of the type `T` that it has in the file.
    pub(super) fn checked<T, U, E, F>(&self, setting: &'static str, check: F) -> Result<U, ConfigError>
    where
        T: DeserializeOwned,
        E: fmt::Display,
        F: FnOnce(T) -> Result<U, E>,
    {
        let value = self.figment.extract_inner_lossy::<T>(setting);
        let value = value.map_err(|error| self.invalid(setting, plain_words(&error)))?;
        check(value).map_err(|reason| self.invalid(setting, reason.to_string()))
    }

    /// A setting that may have no value.
    pub(super) fn optional<T: DeserializeOwned>(&self, setting: &'static str) -> Result<Option<T>, ConfigError> {
        if self.figment.contains(setting) {
            self.checked(setting, Ok::<_, &str>).map(Some)
        } else {
            Ok(None)
        }
    }

    /// A text that may have no value.
    pub(super) fn derived<U, E, F>(&self, setting: &'static str, check: F) -> Result<Option<U>, ConfigError>
    where
        E: fmt::Display,
        F: FnOnce(String) -> Result<U, E>,
    {
        if self.figment.contains(setting) {
            self.checked(setting, check).map(Some)
        } else {
            Ok(None)
        }
    }

    /// A whole number from `min` to `max`.
    pub(super) fn ranged<T: TryFrom<u32>>(&self, setting: &'static str, min: u32, max: u32) -> Result<T, ConfigError> {
        let reason = format!("must be a whole number from {min} to {max}");
        let number = self
            .figment
            .extract_inner_lossy::<u32>(setting)
            .ok()
            .filter(|number| (min..=max).contains(number));
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| self.invalid(setting, reason))
    }

    /// A whole number from `min` to `max`, which may be more than 32 bits hold.
    pub(super) fn ranged_wide(&self, setting: &'static str, min: u64, max: u64) -> Result<u64, ConfigError> {
        let number = self.figment.extract_inner_lossy::<u64>(setting).ok();
        let within = number.filter(|number| (min..=max).contains(number));
        within.ok_or_else(|| self.invalid(setting, format!("must be a whole number from {min} to {max}")))
    }

    /// A time with its unit, from `min` to `max`.
    pub(super) fn span(&self, setting: &'static str, min: Duration, max: Duration) -> Result<Duration, ConfigError> {
        self.checked(setting, |given: span::Given| span::read(&given.to_string(), min, max))
    }

    /// A whole number of milliseconds from `min` to `max`.
    pub(super) fn millis(&self, setting: &'static str, min: u32, max: u32) -> Result<Duration, ConfigError> {
        self.ranged::<u64>(setting, min, max).map(Duration::from_millis)
    }

    /// Refuses `setting` for `reason` unless `holds`.
    pub(super) fn require(&self, holds: bool, setting: &'static str, reason: &str) -> Result<(), ConfigError> {
        if holds {
            Ok(())
        } else {
            Err(self.invalid(setting, reason.into()))
        }
    }

    fn invalid(&self, setting: &'static str, reason: String) -> ConfigError {
        ConfigError::Invalid {
            setting,
            reason,
            value: if is_secret(setting) { None } else { self.value(setting) },
            origin: self.origin(setting).unwrap_or_else(|| DEFAULTS_NAME.into()),
        }
    }

    /// The value of `setting` as it is written in a file, secret or not; absent if it has none.
    pub(super) fn value(&self, setting: &str) -> Option<String> {
        self.figment.find_value(setting).ok().as_ref().map(show)
    }

    /// Where the value of `setting` came from: the defaults, the file, or the variable; absent if it has none.
    pub(super) fn origin(&self, setting: &str) -> Option<String> {
        let name = &self.figment.find_metadata(setting)?.name;
        Some(match self.variables.get(setting) {
            Some(origin) if name == ENVIRONMENT_NAME => origin.clone(),
            _ => name.to_string(),
        })
    }

    /// Whether `setting` has the value that every service has unless told otherwise.
    pub(super) fn is_default(&self, setting: &str) -> bool {
        let metadata = self.figment.find_metadata(setting);
        metadata.is_some_and(|metadata| metadata.name == DEFAULTS_NAME)
    }
}

/// Whether the value of `setting` may be a secret or hold one: by the list, and by what names of such settings have in them,
/// so that one which is added later is not forgotten.
pub(super) fn is_secret(setting: &str) -> bool {
    let name = setting.rsplit_once('.').map_or(setting, |(_, name)| name);
    let tells = |part: &str| {
        matches!(
            part,
            "password" | "passwd" | "secret" | "secrets" | "token" | "key" | "keys"
        )
    };
    SECRET.contains(&setting) || name.split('_').any(tells)
}

fn parse(name: &str, text: &str) -> Result<Dict, ConfigError> {
    Toml::from_str(text).map_err(|error| {
        let line = error
            .span()
            .and_then(|span| text.get(..span.start))
            .map(|before| before.matches('\n').count() + 1);
        let origin = line.map_or_else(|| name.into(), |line| format!("{name}, line {line},"));
        ConfigError::Syntax {
            origin,
            // The parser puts what it expected on a line of its own.
            reason: error.message().replace('\n', "; "),
        }
    })
}

/// The dotted names of everything in `dict`; a section that is empty has none.
fn flatten(dict: &Dict, prefix: &str, names: &mut Vec<String>) {
    for (key, value) in dict {
        let name = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        match value {
            Value::Dict(_, inner) => flatten(inner, &name, names),
            _ => names.push(name),
        }
    }
}

fn check_known(known: &[String], name: &str, origin: &str) -> Result<(), ConfigError> {
    if known.iter().any(|known| known == name) {
        return Ok(());
    }
    let section = |name: &str| name.rsplit_once('.').map(|(section, _)| section.to_owned());
    let near = |other: &&String| section(other) == section(name);
    let mut near: Vec<&str> = known.iter().filter(near).map(String::as_str).collect();
    if near.is_empty() {
        near = known.iter().map(String::as_str).collect();
    }
    near.sort_unstable();
    Err(ConfigError::Unknown {
        origin: origin.into(),
        setting: name.into(),
        known: near.join(", "),
    })
}

fn insert(dict: &mut Dict, key: &str, value: String) {
    match key.split_once('.') {
        None => {
            dict.insert(key.into(), Value::from(value));
        }
        Some((section, rest)) => {
            let inner = dict.entry(section.into()).or_insert_with(|| Value::from(Dict::new()));
            // Names are known ones, and no setting has the name of a section, so this is always a section.
            if let Value::Dict(_, inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// What a value of another type should have been.
fn plain_words(error: &figment::Error) -> String {
    use figment::error::Kind;
    match &error.kind {
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => format!("must be {expected}"),
        _ => "has a value of the wrong type".into(),
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::String(_, text) => format!("{text:?}"),
        other => serde_json::to_string(other).unwrap_or_else(|_| "a value".into()),
    }
}
