//! Where a PostgreSQL database is and how to connect to it, as a URL in the form that libpq knows.
//!
//! Guarantees: a parameter that means nothing here is refused, never skipped; no message, no `Display` and no `Debug` holds the
//! password, nor what might be a part of one that was not encoded.
//!
//! Left out: `PG…` variables, service files, `~/.pgpass` and client certificates: what is not in the URL has no effect.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::percent;
use super::url::{UrlError, split_port};

/// PostgreSQL's own port.
const PORT: u16 = 5432;

/// How long one host may take to accept a connection and a login, unless told otherwise. A server that is up does it in
/// milliseconds, and who waits for the database is answered 503 meanwhile.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a statement may take, unless told otherwise.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// The parameters that mean something here.
const KNOWN: &str = "host, port, sslmode, sslrootcert, application_name, connect_timeout and target_session_attrs";

/// A PostgreSQL database, and how to connect to it.
#[derive(Clone)]
pub struct PostgresSettings {
    /// The servers, tried in this order; at least one.
    pub hosts: Vec<PostgresHost>,
    /// The role; none means one named like the user whose process this is.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<SecretString>,
    /// The database; none means one named like the role.
    pub database: Option<String>,
    /// How the connection is encrypted.
    pub tls: SslMode,
    /// A file with the certificates of the authorities that are trusted, as PEM; none means the system's.
    pub root_certificates: Option<PathBuf>,
    /// What the sessions are called in `pg_stat_activity`.
    pub application_name: String,
    /// How long one host may take until the login is done; 1 second to 10 minutes.
    pub connect_timeout: Duration,
    /// Whether a server that takes no writes (a standby) is passed over.
    pub only_writable: bool,
    /// How long the server works on one statement before it gives it up.
    pub statement_timeout: Duration,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostgresHost {
    /// A name or an IP address, without brackets, and a port.
    Tcp(String, u16),
    /// The folder of its Unix socket, and the port that the socket is named after.
    Unix(PathBuf, u16),
}

/// How the connection is encrypted; the names and their meanings are libpq's. A Unix socket is never encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslMode {
    /// Not at all.
    Disable,
    /// If the server can, whatever certificate it shows; the default. It keeps out who only listens, and nobody else.
    Prefer,
    /// Always, whatever certificate the server shows; with `sslrootcert` the same as `verify-ca`.
    Require,
    /// Always, the certificate issued by a trusted authority, for whatever name.
    VerifyCa,
    /// Always, the certificate issued by a trusted authority for the host's name.
    VerifyFull,
}

/// Why a text is not the address of a PostgreSQL database; never holds what may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostgresUrlError {
    /// It is not in the form.
    #[error(transparent)]
    Form(#[from] UrlError),
    /// It has a parameter that means nothing here.
    #[error("has the parameter {0}, which means nothing here; there are {KNOWN}")]
    Parameter(String),
    /// The same, where its name may be the rest of a password that was not encoded.
    #[error("has a parameter that means nothing here; there are {KNOWN}")]
    Unknown,
}

impl PostgresSettings {
    /// The database at `text`, `postgres://user:password@host:port/database?parameter=value&…`.
    ///
    /// # Errors
    ///
    /// If it is not in this form, names no host, or has a parameter that is unknown or contradicts another.
    pub fn parse(text: &str) -> Result<Self, PostgresUrlError> {
        let rest = text.strip_prefix("postgres://").or(text.strip_prefix("postgresql://"));
        let rest = rest.ok_or(UrlError("must start with postgres:// or postgresql://"))?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        if query.contains('@') {
            let reason =
                "has an @ after its question mark; percent-encode what has a meaning in URLs (? is %3F, @ is %40)";
            return Err(UrlError(reason).into());
        }
        let (authority, database) = place.split_once('/').unwrap_or((place, ""));
        // From the right, since many write the @ of a password as it is.
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (Some(login), hosts),
            None => (None, authority),
        };
        if database.contains(['/', '@']) {
            let reason = "has a / or an @ in the name of the database; percent-encode what has a meaning in URLs (/ is %2F, @ is %40)";
            return Err(UrlError(reason).into());
        }
        let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
            None => (None, None),
            Some((user, password)) => (some(decoded(user)?), some(decoded(password)?)),
        };
        let mut settings = Self {
            hosts: Vec::new(),
            user,
            password: password.map(SecretString::from),
            database: some(decoded(database)?),
            tls: SslMode::Prefer,
            root_certificates: None,
            application_name: "legwork".to_owned(),
            connect_timeout: CONNECT_TIMEOUT,
            only_writable: false,
            statement_timeout: STATEMENT_TIMEOUT,
        };
        // Without a login, what stands before the question mark may be one whose password was cut off there.
        let is_told = login.is_some() || !authority.contains(':');
        let apart = settings.take_parameters(query, is_told)?;
        settings.hosts = hosts_of(hosts, &apart)?;
        settings.check()?;
        Ok(settings)
    }

    fn take_parameters(&mut self, query: &str, is_told: bool) -> Result<Apart, PostgresUrlError> {
        let mut apart = Apart::default();
        let mut seen = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(value)?;
            if seen.contains(&name) {
                return Err(UrlError("has a parameter twice").into());
            }
            seen.push(name);
            match name {
                "host" => apart.hosts = Some(value),
                "port" => apart.ports = Some(value),
                "sslmode" => self.tls = SslMode::named(&value)?,
                // As libpq writes the system's own store, which is what is trusted without a file.
                "sslrootcert" => {
                    self.root_certificates = some(value).filter(|file| file != "system").map(PathBuf::from);
                }
                "application_name" => self.application_name = value,
                "connect_timeout" => self.connect_timeout = seconds(&value)?,
                "target_session_attrs" => {
                    self.only_writable = match value.as_str() {
                        "any" => false,
                        "read-write" | "primary" => true,
                        _ => {
                            return Err(UrlError("must have any, read-write or primary as target_session_attrs").into());
                        }
                    };
                }
                name if is_told && is_name(name) => return Err(PostgresUrlError::Parameter(name.to_owned())),
                _ => return Err(PostgresUrlError::Unknown),
            }
        }
        Ok(apart)
    }

    fn check(&self) -> Result<(), UrlError> {
        let texts = [
            self.user.as_deref(),
            self.database.as_deref(),
            Some(&self.application_name),
        ];
        if texts.iter().flatten().any(|text| text.chars().any(char::is_control)) {
            return Err(UrlError(
                "must not have a control character in user, database or application_name",
            ));
        }
        // Whoever names an authority wants it to be heeded.
        if self.root_certificates.is_some() && matches!(self.tls, SslMode::Disable | SslMode::Prefer) {
            return Err(UrlError(
                "has an sslrootcert that is of no use, since no certificate is checked; write sslmode=verify-full",
            ));
        }
        Ok(())
    }
}

/// What parameters say of the hosts.
#[derive(Default)]
struct Apart {
    hosts: Option<String>,
    ports: Option<String>,
}

impl SslMode {
    fn named(text: &str) -> Result<Self, UrlError> {
        match text {
            "disable" => Ok(Self::Disable),
            // libpq's `allow` takes encryption only if the server insists; here it is taken whenever it can be had.
            "allow" | "prefer" => Ok(Self::Prefer),
            "require" => Ok(Self::Require),
            "verify-ca" => Ok(Self::VerifyCa),
            "verify-full" => Ok(Self::VerifyFull),
            _ => Err(UrlError(
                "must have disable, prefer, require, verify-ca or verify-full as sslmode",
            )),
        }
    }
}

/// The hosts, each with its port: those before the path, or those of the parameters `host` and `port`.
fn hosts_of(authority: &str, apart: &Apart) -> Result<Vec<PostgresHost>, UrlError> {
    let nameless = UrlError("must name a host, or the folder of the server's socket, such as ?host=/run/postgresql");
    let ports: Vec<&str> = apart
        .ports
        .as_deref()
        .map(|text| text.split(',').collect())
        .unwrap_or_default();
    let (texts, has_ports) = match (&apart.hosts, authority) {
        (Some(hosts), "") => (hosts.as_str(), false),
        (None, "") => return Err(nameless),
        (None, hosts) => (hosts, true),
        (Some(_), _) => return Err(UrlError("names hosts twice, before the path and as the parameter host")),
    };
    let texts: Vec<&str> = texts.split(',').collect();
    if ports.len() > 1 && ports.len() != texts.len() {
        return Err(UrlError("must have one port for all hosts, or one for each"));
    }
    let host = |(at, text): (usize, &str)| {
        let port = ports.get(at).or(ports.first()).filter(|port| !port.is_empty());
        let apart = port.map(|port| port_of(port)).transpose()?;
        let folder = if has_ports {
            percent::decoded(text).filter(|text| text.starts_with('/'))
        } else {
            text.starts_with('/').then(|| text.to_owned())
        };
        if let Some(folder) = folder {
            return Ok(PostgresHost::Unix(folder.into(), apart.unwrap_or(PORT)));
        }
        let (name, port) = if has_ports {
            split_port(text).ok_or(UrlError("must have a port from 1 to 65535"))?
        } else {
            (text, None)
        };
        let good = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-' | '_' | ':');
        if name.is_empty() || port == Some(0) || !name.chars().all(good) {
            return Err(nameless.clone());
        }
        Ok(PostgresHost::Tcp(name.to_owned(), port.or(apart).unwrap_or(PORT)))
    };
    texts.into_iter().enumerate().map(host).collect()
}

fn port_of(text: &str) -> Result<u16, UrlError> {
    let port = text.parse().ok().filter(|port| *port != 0);
    port.ok_or(UrlError("must have a port from 1 to 65535"))
}

fn seconds(text: &str) -> Result<Duration, UrlError> {
    let seconds = text.parse().ok().filter(|seconds| (1..=600).contains(seconds));
    let seconds = seconds.ok_or(UrlError("must have 1 to 600 seconds as connect_timeout"))?;
    Ok(Duration::from_secs(seconds))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn decoded(text: &str) -> Result<String, UrlError> {
    percent::decoded(text).ok_or(UrlError(
        "has a % that is not followed by two hexadecimal digits, or is not UTF-8; write the sign itself as %25",
    ))
}

impl fmt::Display for PostgresSettings {
    /// The URL without the password and the parameters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        for (at, host) in self.hosts.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { "," })?;
            host.fmt(f)?;
        }
        write!(f, "/{}", self.database.as_deref().unwrap_or_default())
    }
}

impl fmt::Display for PostgresHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(folder, port) => write!(f, "{}:{port}", folder.display()),
        }
    }
}

impl fmt::Debug for PostgresSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresSettings({self})")
    }
}

#[cfg(test)]
#[path = "postgres_tests.rs"]
mod tests;
