//! Every setting with its value and where it came from: what `legwork config` prints.
//!
//! Guarantees: it is made of what is there, so that a new setting appears by itself, in the order of `defaults.toml`; no
//! password and no key is in it, also not within an address; it can be made when a setting is wrong, and then says which.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::environment;
use super::source::{self, Settings, is_secret};
use super::url::split_port;
use super::{Config, ConfigError, DEFAULTS};

/// What stands for what is not shown.
const HIDDEN: &str = "***";

/// What stands for the rest of an address from its question mark on.
const QUERY_HIDDEN: &str = "?***";

/// Schemes of addresses that are shown without their secrets; a value with another may be anything, and is hidden whole.
const SCHEMES: [&str; 6] = ["smtp", "smtps", "postgres", "postgresql", "http", "https"];

/// All settings.
#[derive(Debug)]
pub struct Listing {
    /// In the order of `defaults.toml`.
    pub settings: Vec<SettingRow>,
    /// What is wrong with the first setting that is not what it may be.
    pub problem: Option<ConfigError>,
}

/// One setting.
#[derive(Clone, Debug, Serialize)]
pub struct SettingRow {
    /// Its name, such as `http.bind`.
    pub setting: String,
    /// The variable that sets it.
    pub variable: String,
    /// Its value as a file would have it, without what is secret; none if it has none.
    pub value: Option<String>,
    /// Where the value came from: `default`, `derived` (from other settings, or from the terminal), `not set`, the settings
    /// file, the variable, or the variable and the file that it names.
    pub origin: String,
}

impl Listing {
    pub(super) fn of(settings: &Settings) -> Result<Self, ConfigError> {
        let (config, problem) = match Config::read(settings) {
            Ok(config) => (Some(config), None),
            Err(error) => (None, Some(error)),
        };
        let row = |setting: String| {
            let given = settings.value(&setting);
            let derived = config.as_ref().filter(|_| given.is_none());
            let derived = derived.and_then(|config| derived_value(config, &setting));
            let origin = match settings.origin(&setting) {
                _ if settings.is_default(&setting) => "default".into(),
                Some(origin) => origin.trim_end_matches(',').into(),
                None if derived.is_some() => "derived".into(),
                None => "not set".into(),
            };
            let shown = given.or_else(|| {
                let is_number = |value: &str| value.bytes().all(|byte| byte.is_ascii_digit());
                derived.map(|value| if is_number(&value) { value } else { format!("{value:?}") })
            });
            SettingRow {
                variable: environment::variable(&setting),
                value: shown.map(|value| if is_secret(&setting) { hide(&value) } else { value }),
                setting,
                origin,
            }
        };
        let settings = in_order()?.into_iter().map(row).collect();
        Ok(Self { settings, problem })
    }
}

impl fmt::Display for Listing {
    /// The form of a settings file, with the origins as comments.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |row: &SettingRow| match &row.value {
            Some(value) => format!("{} = {value}", row.setting),
            None => format!("# {}", row.setting),
        };
        let lines: Vec<(String, &SettingRow)> = self.settings.iter().map(|row| (line(row), row)).collect();
        let width = lines
            .iter()
            .map(|(line, _)| line.chars().count())
            .max()
            .unwrap_or_default();
        for (line, row) in lines {
            writeln!(f, "{line:width$}  # {}", row.origin)?;
        }
        Ok(())
    }
}

/// What a setting without a value comes to. One that is not here stays without.
fn derived_value(config: &Config, setting: &str) -> Option<String> {
    match setting {
        "public_url" => Some(config.public_url.to_string()),
        "database.url" => Some(config.database.url.to_string()),
        "mail.url" => Some(config.mail.url.to_string()),
        "mail.site_concurrency" => Some(config.mail.site_concurrency.to_string()),
        "retention.cancelled_days" => Some(days(config.retention.cancelled)),
        "retention.uncertain_days" => Some(days(config.retention.uncertain)),
        "log.format" => Some(config.log.format.to_string()),
        _ => None,
    }
}

fn days(kept: Duration) -> String {
    (kept.as_secs() / (24 * 3600)).to_string()
}

/// The names of all settings in the order of `defaults.toml`, those that it only describes included.
fn in_order() -> Result<Vec<String>, ConfigError> {
    let known = source::names()?;
    let mut section = "";
    let mut names = Vec::new();
    for line in DEFAULTS.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
        }
        let line = line.strip_prefix("# ").unwrap_or(line);
        if let Some((key, _)) = line.split_once(" = ") {
            let name = if section.is_empty() {
                key.into()
            } else {
                format!("{section}.{key}")
            };
            if known.contains(&name) && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    Ok(names)
}

/// `value`, as a file has it, without what may be a secret: of an address, all but the user and what follows the last `@`;
/// of anything else, all.
fn hide(value: &str) -> String {
    let text = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(value);
    let shown = match text.split_once(':') {
        Some((scheme @ ("file" | "sqlite"), path)) if !path.contains('@') => format!("{scheme}:{path}"),
        Some((scheme, rest)) if rest.starts_with("//") && SCHEMES.contains(&scheme) => {
            // What follows a question mark may name a password too, or be the end of one.
            let (rest, query) = match rest.split_once('?') {
                Some((_, query)) if query.contains('@') => ("", ""),
                Some((rest, _)) => (rest, QUERY_HIDDEN),
                None => (rest, ""),
            };
            let host = match rest.rsplit_once('@') {
                Some((_, host)) => format!("//{HIDDEN}@{host}"),
                None if is_place(rest) => rest.to_owned(),
                // Without a host, what is there may be the login.
                None => format!("//{HIDDEN}"),
            };
            format!("{scheme}:{host}{query}")
        }
        _ => HIDDEN.into(),
    };
    format!("\"{shown}\"")
}

/// Whether `text` is two slashes, a host and at most a port, and a path then.
fn is_place(text: &str) -> bool {
    let place = text.strip_prefix("//").and_then(|rest| rest.split('/').next());
    place.is_some_and(|place| split_port(place).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::environment::Variable;
    use std::path::Path;

    fn listed(file: &str, variables: &[(&str, &str)]) -> Listing {
        let variables = variables
            .iter()
            .map(|(name, value)| Variable::from(((*name).to_owned(), (*value).to_owned())));
        Listing::of(&Settings::new(Some((Path::new("legwork.toml"), file)), variables).unwrap()).unwrap()
    }

    fn row<'a>(listing: &'a Listing, setting: &str) -> &'a SettingRow {
        listing.settings.iter().find(|row| row.setting == setting).unwrap()
    }

    #[test]
    fn every_setting_is_listed_once_in_the_order_of_the_defaults() {
        let mut listed: Vec<_> = listed("", &[]).settings.into_iter().map(|row| row.setting).collect();
        assert_eq!(listed.first().unwrap(), "data_dir");
        let (mut known, count) = (source::names().unwrap(), listed.len());
        known.sort();
        listed.sort();
        listed.dedup();
        assert_eq!((&listed, listed.len()), (&known, count));
    }

    #[test]
    fn a_value_comes_with_its_origin() {
        let file = "data_dir = '/var/legwork'\n[http]\nworkers = 3";
        let listing = listed(file, &[("LEGWORK_HTTP__WORKERS", "4")]);
        for (setting, value, origin) in [
            ("data_dir", Some("\"/var/legwork\""), "legwork.toml"),
            ("http.workers", Some("\"4\""), "LEGWORK_HTTP__WORKERS"),
            ("http.bind", Some("\"127.0.0.1:8080\""), "default"),
            ("database.url", Some("\"sqlite:/var/legwork/legwork.db\""), "derived"),
            ("public_url", Some("\"http://127.0.0.1:8080\""), "derived"),
            ("secret_keys", None, "not set"),
        ] {
            let row = row(&listing, setting);
            assert_eq!(
                (row.value.as_deref(), row.origin.as_str()),
                (value, origin),
                "{setting}"
            );
        }
        assert!(listing.problem.is_none());
        let text = listing.to_string();
        assert!(
            text.starts_with("data_dir = \"/var/legwork\"") && text.contains("  # legwork.toml\n"),
            "{text}"
        );
        let variables: Vec<Variable> = Vec::new();
        let again = Settings::new(Some((Path::new("again.toml"), &text)), variables).unwrap();
        assert_eq!(
            again.value("data_dir").as_deref(),
            Some("\"/var/legwork\""),
            "it is TOML"
        );
    }

    #[test]
    fn a_wrong_setting_is_told_and_all_are_listed_all_the_same() {
        let listing = listed("[http]\nworkers = 0", &[]);
        assert!(
            listing
                .problem
                .as_ref()
                .unwrap()
                .to_string()
                .starts_with("http.workers must be")
        );
        assert_eq!(row(&listing, "http.workers").value.as_deref(), Some("0"));
    }

    #[test]
    fn no_secret_is_listed_wherever_in_a_value_it_is_and_whether_or_not_the_value_is_right() {
        for (variable, value) in [
            ("LEGWORK_SECRET_KEYS", "a:hush"),
            ("LEGWORK_MAIL__URL", "smtps://legwork:hush@mail:465"),
            ("LEGWORK_MAIL__URL", "smtps://legwork:hu@hush/hush@mail"),
            ("LEGWORK_MAIL__URL", "smtps://legwork:hush"),
            ("LEGWORK_MAIL__URL", "smtp://legwork:1hush/mail"),
            ("LEGWORK_MAIL__URL", "smtps://legwork:hush/mail?tls=none"),
            ("LEGWORK_MAIL__URL", "smtps://legwork:hush?x@mail"),
            ("LEGWORK_MAIL__URL", "smtps://legwork:1?hush@mail"),
            ("LEGWORK_DATABASE__URL", "postgres://db/legwork?password=a@hush"),
            ("LEGWORK_MAIL__URL", "smtp:hush"),
            ("LEGWORK_MAIL__URL", "hush"),
            ("LEGWORK_MAIL__URL", "hush://a"),
            ("LEGWORK_DATABASE__URL", "postgres://db/legwork?password=hush"),
            ("LEGWORK_DATABASE__URL", "file:hush@x"),
        ] {
            let listing = listed("", &[(variable, value)]);
            let text = format!("{listing}{:?}", listing.problem).to_lowercase();
            assert!(!text.contains("hush"), "{value}: {text}");
        }
        let listing = listed("", &[("LEGWORK_MAIL__URL", "smtps://legwork:hush@mail:465")]);
        assert_eq!(
            row(&listing, "mail.url").value.as_deref(),
            Some("\"smtps://***@mail:465\"")
        );
        for setting in ["mail.password", "reports.signing_key", "api.token"] {
            assert!(is_secret(setting), "{setting}");
        }
        assert!(!is_secret("passwords.memory_kib") && !is_secret("mail.from"));
    }
}
