//! The addresses among the settings: of the service itself and of its database. That of where mail goes is in `mail`.
//!
//! Guarantees: a scheme that this build does not speak is refused by name, and never taken for a file; no message and no
//! `Debug` holds a password.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::postgres::{PostgresSettings, PostgresUrlError};

/// Why a text is not the address it should be; never holds any of it, since it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UrlError(pub(super) &'static str);

/// Where people reach the service: `http` or `https`, a host, and nothing after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    base: String,
    tls: bool,
}

impl PublicUrl {
    /// The address written as `text`; one slash at its end is dropped.
    ///
    /// # Errors
    ///
    /// If it is not `http://host` or `https://host`, with or without a port.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let wrong = UrlError("must be http:// or https:// and a host, with nothing after it");
        let base = text.strip_suffix('/').unwrap_or(text);
        let (tls, host) = match (base.strip_prefix("http://"), base.strip_prefix("https://")) {
            (Some(host), None) => (false, host),
            (None, Some(host)) => (true, host),
            _ => return Err(wrong),
        };
        let host_char = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-' | '_' | ':' | '[' | ']');
        let (name, port) = split_port(host).ok_or_else(|| wrong.clone())?;
        let good = !name.is_empty() && host.chars().all(host_char) && port != Some(0);
        if good {
            Ok(Self { base: base.into(), tls })
        } else {
            Err(wrong)
        }
    }

    /// Where a service that listens on `bind` is reached from its own machine.
    pub(super) fn of_listener(bind: SocketAddr) -> Self {
        let host = match bind.ip() {
            ip if !ip.is_unspecified() => ip,
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        };
        let base = format!("http://{}", SocketAddr::new(host, bind.port()));
        Self { base, tls: false }
    }

    /// The address of `path`, which starts with a slash.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Whether people reach the service through TLS, so that cookies must be `Secure`.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The address without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.base
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

/// Where the database is.
#[derive(Clone, Debug)]
pub enum DatabaseUrl {
    /// The file that `sqlite:path` names.
    Sqlite(PathBuf),
    /// The server that `postgres://…` names.
    Postgres(PostgresSettings),
}

impl DatabaseUrl {
    /// The address written as `text`.
    ///
    /// # Errors
    ///
    /// If it is neither `sqlite:` and the path of a file, nor what [`PostgresSettings::parse`] understands.
    pub fn parse(text: &str) -> Result<Self, PostgresUrlError> {
        if text.starts_with("postgres:") || text.starts_with("postgresql:") {
            return PostgresSettings::parse(text).map(Self::Postgres);
        }
        let path = text.strip_prefix("sqlite:").ok_or(UrlError(
            "must be sqlite: and the path of a file, or postgres://user:password@host/database",
        ))?;
        // Some write two slashes; three are an absolute path after two.
        let path = path.strip_prefix("//").unwrap_or(path);
        match path {
            "" => Err(UrlError("must name a file after sqlite:").into()),
            ":memory:" => {
                Err(UrlError("names a database in memory, which would lose what was accepted; name a file").into())
            }
            path if path.contains('?') => {
                Err(UrlError("must be a plain path, without options after a question mark").into())
            }
            path => Ok(Self::Sqlite(path.into())),
        }
    }

    /// The default: `legwork.db` in the data folder.
    #[must_use]
    pub fn in_folder(data_dir: &Path) -> Self {
        Self::Sqlite(data_dir.join("legwork.db"))
    }

    /// The database's file, if it is one.
    #[must_use]
    pub fn sqlite_path(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(settings) => settings.fmt(f),
        }
    }
}

/// Host and port of `host`, `host:port`, `[v6]` or `[v6]:port`; the host without brackets.
pub(super) fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let port = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse().ok())
            .flatten()
    };
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        host.parse::<Ipv6Addr>().ok()?;
        return match rest.strip_prefix(':') {
            Some(digits) => Some((host, Some(port(digits)?))),
            None if rest.is_empty() => Some((host, None)),
            None => None,
        };
    }
    match text.split_once(':') {
        Some((host, digits)) => Some((host, Some(port(digits)?))),
        None => Some((text, None)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_public_address_is_a_scheme_and_a_host() {
        for (text, base, tls) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", false),
            ("https://legwork.example/", "https://legwork.example", true),
            ("http://[::1]:80", "http://[::1]:80", false),
        ] {
            let url = PublicUrl::parse(text).unwrap();
            assert_eq!(
                (url.as_str(), url.is_tls(), url.join("/verify")),
                (base, tls, format!("{base}/verify"))
            );
        }
        for text in [
            "",
            "legwork.example",
            "ftp://a",
            "http://",
            "https:///",
            "http://a/b",
            "http://a?b",
            "http://a#b",
            "http://a b",
            "http://u:p@a",
            "http://a:0",
            "http://a:b",
            "http://a:99999",
            "http://a//",
            "http://[::1",
            "http://[x]",
        ] {
            assert!(PublicUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_database_is_a_file_or_a_server_and_other_schemes_are_refused() {
        for (text, path) in [
            ("sqlite:data/a.db", "data/a.db"),
            ("sqlite:///var/a.db", "/var/a.db"),
            ("sqlite:/a.db", "/a.db"),
        ] {
            assert_eq!(DatabaseUrl::parse(text).unwrap().sqlite_path(), Some(Path::new(path)));
        }
        let message = |text| DatabaseUrl::parse(text).unwrap_err().to_string();
        let server = DatabaseUrl::parse("postgres://u:secret@h/d").unwrap();
        assert_eq!(
            (server.sqlite_path(), server.to_string().as_str()),
            (None, "postgres://u@h:5432/d")
        );
        for text in [
            "",
            "sqlite:",
            "data/a.db",
            "mysql://h/d",
            "sqlite::memory:",
            "sqlite:a.db?mode=ro",
        ] {
            assert!(!message(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_listener_is_reached_at_its_own_address_or_at_the_loopback_one() {
        for (bind, url) in [
            ("127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("0.0.0.0:80", "http://127.0.0.1:80"),
            ("[::]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(PublicUrl::of_listener(bind.parse().unwrap()).as_str(), url);
        }
    }

    proptest! {
        #[test]
        fn no_text_is_a_fault_and_what_is_accepted_reads_back_as_it_is_shown(
            text in any::<String>(),
            host in "https?://[a-zA-Z0-9.:\\[\\]_/@?#% -]{0,20}",
            database in "(sqlite|postgres|postgresql):(//)?[a-zA-Z0-9.:\\[\\]_/@?&=,% -]{0,40}",
        ) {
            for text in [&text, &host, &database] {
                if let Ok(url) = PublicUrl::parse(text) {
                    prop_assert_eq!(&PublicUrl::parse(url.as_str()).unwrap(), &url);
                    prop_assert_eq!(url.is_tls(), text.starts_with("https://"));
                    // What links in mails begin with is a scheme and a host, whatever stood there.
                    let host = url.as_str().split_once("://").unwrap().1;
                    prop_assert!(!host.is_empty() && !host.contains(['/', '?', '#', '@', ' ', '\r', '\n']));
                }
                drop(DatabaseUrl::parse(text).map(|url| url.to_string()));
            }
        }
    }
}
