//! The settings: defaults, then `legwork.toml`, then `LEGWORK_…` variables, read and checked once.
//!
//! Guarantees: this is the only reader of the environment; a setting that is unknown, of another type or out of its range
//! ends the start with its name, its value (never of a secret) and where it came from; no secret is shown by `Debug`.
//! `defaults.toml`, beside this file, documents every setting and is what the defaults are read from.
//!
//! Left out: reloading while the service runs; a restart takes a second and loses nothing.

mod accounts;
mod database;
mod environment;
mod http;
mod kept;
mod limits;
mod listing;
mod mail;
mod percent;
mod postgres;
mod retention;
mod service_manager;
mod session;
mod source;
mod span;
mod url;

use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

pub use accounts::Accounts;
pub use database::Database;
pub use http::Http;
pub use kept::{Events, Idempotency};
pub use limits::Limits;
pub use listing::{Listing, SettingRow};
pub use mail::{MailLogin, MailTls, MailUrl, Relay};
pub use postgres::{PostgresHost, PostgresSettings, PostgresUrlError, SslMode};
pub use retention::Retention;
pub use service_manager::notify_socket;
pub use session::Session;
pub use source::ConfigError;
pub use url::{DatabaseUrl, PublicUrl, UrlError};

use crate::domain::job::Queue;
use crate::domain::password::PasswordCost;
use crate::domain::roles::{NoRoles, Roles};
use crate::telemetry::LogFormat;
use environment::Variable;
use source::Settings;

/// What the defaults are read from, with every setting documented; `legwork config` prints it.
pub const DEFAULTS: &str = include_str!("defaults.toml");

/// The file that is read if it exists and no other is named.
pub const FILE_NAME: &str = "legwork.toml";

/// One second.
const SECOND: Duration = Duration::from_secs(1);

/// One minute.
const MINUTE: Duration = Duration::from_secs(60);

/// One hour.
const HOUR: Duration = Duration::from_secs(3600);

/// The part of the command line that is about the settings.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ConfigArgs {
    /// The settings file [default: legwork.toml, if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// All settings, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder for everything that is kept.
    pub data_dir: PathBuf,
    /// What this node does; both on SQLite, which one process has to itself.
    pub roles: Roles,
    /// Where people reach the service.
    pub public_url: PublicUrl,
    /// Keys given by the operator, as text for [`crate::keyring::KeyRing::open`]; none means the file in the data folder.
    pub secret_keys: Option<SecretString>,
    /// Serving HTTP.
    pub http: Http,
    /// The database.
    pub database: Database,
    /// Sending mail.
    pub mail: Mail,
    /// Probes.
    pub probes: Probes,
    /// Reports.
    pub reports: Reports,
    /// Files that mails need.
    pub uploads: Uploads,
    /// Orders for many jobs.
    pub operations: Operations,
    /// The most jobs that may wait in each queue; 0 to 1,000,000,000, and 0 is no limit.
    pub queues: Vec<(Queue, u64)>,
    /// Hashing passwords.
    pub passwords: Passwords,
    /// Registrations that wait to be verified.
    pub registration: Registration,
    /// Accounts.
    pub accounts: Accounts,
    /// Logins.
    pub session: Session,
    /// How much may be asked for.
    pub limits: Limits,
    /// How long what has ended is kept.
    pub retention: Retention,
    /// What happened to jobs.
    pub events: Events,
    /// Requests that are repeated with their key.
    pub idempotency: Idempotency,
    /// The phases of a shutdown.
    pub shutdown: Shutdown,
    /// The log.
    pub log: Log,
}

/// Sending mail.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Where mail goes.
    pub url: MailUrl,
    /// Who the mail is from, such as `Legwork <legwork@localhost>`.
    pub from: String,
    /// A file with the certificates of authorities that are trusted beside the system's, as PEM.
    pub ca_file: Option<PathBuf>,
    /// Mails that are handed over at once, each on a connection of its own; 1 to 1,000.
    pub concurrency: usize,
    /// Those among them that may be for one site, the domain of an address; 1 to 1,000.
    pub site_concurrency: usize,
    /// How long a relay may think about a mail once it has all of it; 1 second to 30 minutes.
    pub dot_timeout: Duration,
    /// How long to wait before a mail that may have been sent is sent again; 1 second to 1 day.
    pub uncertain_wait: Duration,
    /// The most bytes of a mail over the wire; 64 KiB to 200 MiB.
    pub message_bytes_max: usize,
}

/// Files that mails need.
#[derive(Clone, Debug)]
pub struct Uploads {
    /// The most bytes of one; 1 KiB to 150 MiB.
    pub max_bytes: usize,
    /// How long one is kept that no mail needs; 1 hour to 1 year.
    pub kept: Duration,
}

/// Probes.
#[derive(Clone, Debug)]
pub struct Probes {
    /// Probes that run at once; 1 to 10,000.
    pub concurrency: usize,
}

/// Orders for many jobs.
#[derive(Clone, Debug)]
pub struct Operations {
    /// Orders that are carried out at once; 1 to 16.
    pub concurrency: usize,
}

/// Reports.
#[derive(Clone, Debug)]
pub struct Reports {
    /// Reports that are built at once; 1 to 64.
    pub concurrency: usize,
    /// How long a report's file is kept; 1 hour to 1 year.
    pub ttl: Duration,
    /// The most rows of a report; 1 to 1,000,000,000.
    pub max_rows: u64,
    /// The most bytes of a report; 1 KiB to 4 GiB less one byte.
    pub max_bytes: u64,
    /// The most reports of a workspace that wait, run or have a file; 0 to 1,000,000, and 0 is no limit.
    pub max_kept: usize,
}

/// Hashing passwords.
#[derive(Clone, Debug)]
pub struct Passwords {
    /// What one hash costs.
    pub cost: PasswordCost,
    /// Requests that may wait for a hash; 0 to 10,000.
    pub waiting: usize,
}

/// Registrations that wait to be verified.
#[derive(Clone, Debug)]
pub struct Registration {
    /// How long the link in a welcome mail is good for; 1 hour to 30 days.
    pub ttl: Duration,
}

/// How long each phase of a shutdown may take; 0 to 1 hour each.
#[derive(Clone, Debug)]
pub struct Shutdown {
    /// Requests under way.
    pub http: Duration,
    /// Attempts under way; what is left then is snoozed, its attempt given back.
    pub grace: Duration,
    /// Actors.
    pub actors: Duration,
    /// The last writes.
    pub store: Duration,
}

/// The log.
#[derive(Clone, Debug)]
pub struct Log {
    /// For people or for programs.
    pub format: LogFormat,
    /// Which events are logged, such as `info,legwork::store=debug`; telemetry refuses what it cannot read.
    pub filter: String,
}

impl Config {
    /// The settings of this process: defaults, then the file, then the variables of its environment.
    ///
    /// # Errors
    ///
    /// If the named file cannot be read, or a setting is unknown or not what it may be; the first such is named.
    pub fn load(args: &ConfigArgs) -> Result<Self, ConfigError> {
        Self::read(&settings_of_process(args)?)
    }

    /// The settings made of a file's text and of `(name, value)` pairs of variables; reads nothing else.
    ///
    /// # Errors
    ///
    /// If a setting is unknown or not what it may be; the first such is named.
    pub fn from_parts<V>(file: Option<(&Path, &str)>, variables: V) -> Result<Self, ConfigError>
    where
        V: IntoIterator<Item = (String, String)>,
    {
        Self::read(&Settings::new(file, variables.into_iter().map(Variable::from))?)
    }

    /// All settings of this process, each with its value and where it came from, also if one of them is wrong.
    ///
    /// # Errors
    ///
    /// If they cannot be listed: a file cannot be read, or a name is no setting's.
    pub fn list(args: &ConfigArgs) -> Result<Listing, ConfigError> {
        Listing::of(&settings_of_process(args)?)
    }

    fn read(settings: &Settings) -> Result<Self, ConfigError> {
        let data_dir: PathBuf = settings.checked("data_dir", |text: String| match text.as_str() {
            "" => Err("must name a folder"),
            text => Ok(text.into()),
        })?;
        let database = Database::read(settings, &data_dir)?;
        let roles = settings.checked("roles", |names: Names| names.roles())?;
        settings.require(
            roles == Roles::Both || database.url.sqlite_path().is_none(),
            "roles",
            "must be both with SQLite, which one process has to itself: nobody else could do the other half",
        )?;
        let http = Http::read(settings)?;
        Ok(Self {
            roles,
            public_url: settings
                .derived("public_url", |text| PublicUrl::parse(&text))?
                .unwrap_or_else(|| PublicUrl::of_listener(http.bind)),
            secret_keys: settings.optional::<String>("secret_keys")?.map(SecretString::from),
            http,
            database,
            mail: Mail::read(settings, &data_dir)?,
            probes: Probes {
                concurrency: settings.ranged("probes.concurrency", 1, 10_000)?,
            },
            reports: Reports {
                concurrency: settings.ranged("reports.concurrency", 1, 64)?,
                ttl: HOUR * settings.ranged("reports.ttl_hours", 1, 24 * 366)?,
                max_rows: settings.ranged("reports.max_rows", 1, 1_000_000_000)?,
                max_bytes: settings.ranged("reports.max_bytes", 1024, u32::MAX)?,
                max_kept: settings.ranged("reports.max_kept", 0, 1_000_000)?,
            },
            uploads: Uploads {
                max_bytes: settings.ranged("uploads.max_bytes", 1024, 150 * 1024 * 1024)?,
                kept: HOUR * settings.ranged("uploads.kept_hours", 1, 24 * 366)?,
            },
            operations: Operations {
                concurrency: settings.ranged("operations.concurrency", 1, 16)?,
            },
            queues: vec![
                (
                    Queue::Mail,
                    settings.ranged("queues.mail.max_waiting", 0, 1_000_000_000)?,
                ),
                (
                    Queue::Probes,
                    settings.ranged("queues.probes.max_waiting", 0, 1_000_000_000)?,
                ),
                (
                    Queue::Reports,
                    settings.ranged("queues.reports.max_waiting", 0, 1_000_000_000)?,
                ),
                (
                    Queue::Operations,
                    settings.ranged("queues.operations.max_waiting", 0, 1_000_000_000)?,
                ),
            ],
            passwords: Passwords::read(settings)?,
            registration: Registration {
                ttl: HOUR * settings.ranged("registration.ttl_hours", 1, 24 * 30)?,
            },
            accounts: Accounts::read(settings)?,
            session: Session::read(settings)?,
            limits: Limits::read(settings)?,
            retention: Retention::read(settings)?,
            events: Events::read(settings)?,
            idempotency: Idempotency::read(settings)?,
            shutdown: Shutdown {
                http: settings.millis("shutdown.http_ms", 0, 3_600_000)?,
                grace: settings.millis("shutdown.grace_ms", 0, 3_600_000)?,
                actors: settings.millis("shutdown.actors_ms", 0, 3_600_000)?,
                store: settings.millis("shutdown.store_ms", 0, 3_600_000)?,
            },
            log: Log {
                format: settings
                    .derived("log.format", |text| text.parse())?
                    .unwrap_or_else(LogFormat::for_stderr),
                filter: settings.checked("log.filter", |text: String| Ok::<_, &str>(text))?,
            },
            data_dir,
        })
    }
}

fn settings_of_process(args: &ConfigArgs) -> Result<Settings, ConfigError> {
    let file = match &args.config {
        Some(path) => Some((path.as_path(), source::read_file(path)?)),
        None => source::read_file_if_any(Path::new(FILE_NAME))?.map(|text| (Path::new(FILE_NAME), text)),
    };
    let file = file.as_ref().map(|(path, text)| (*path, text.as_str()));
    Settings::new(file, environment::of_process()?)
}

impl Mail {
    fn read(settings: &Settings, data_dir: &Path) -> Result<Self, ConfigError> {
        let apart = mail::ApartLogin {
            username: settings.optional("mail.username")?,
            password: settings.optional::<String>("mail.password")?.map(SecretString::from),
        };
        let url = settings.derived("mail.url", |text| MailUrl::with_login(&text, &apart))?;
        let has_relay = matches!(url, Some(MailUrl::Relay(_)));
        let needs_relay = "is of no use without a relay; set mail.url to smtp://host or smtps://host";
        settings.require(has_relay || apart.username.is_none(), "mail.username", needs_relay)?;
        settings.require(has_relay || apart.password.is_none(), "mail.password", needs_relay)?;
        let ca_file: Option<PathBuf> = settings.optional("mail.ca_file")?;
        // Whoever names an authority wants it to be heeded.
        let is_unchecked =
            matches!(&url, Some(MailUrl::Relay(relay)) if matches!(relay.tls, MailTls::None | MailTls::Opportunistic));
        settings.require(
            ca_file.is_none() || !is_unchecked,
            "mail.ca_file",
            "is of no use with a mail.url that checks no certificate; write smtps://, or ?tls=required after smtp://host",
        )?;
        let concurrency: usize = settings.ranged("mail.concurrency", 1, 1_000)?;
        let site_concurrency = match settings.value("mail.site_concurrency") {
            Some(_) => settings.ranged("mail.site_concurrency", 1, 1_000)?,
            // Two sites that begin to hang at once must not leave the others without a connection.
            None => (concurrency / 2).max(1),
        };
        Ok(Self {
            url: url.unwrap_or_else(|| MailUrl::Outbox(data_dir.join("outbox"))),
            ca_file,
            from: settings.checked("mail.from", mail::parse_from)?,
            concurrency,
            site_concurrency,
            // An attempt has 45 minutes, the steps before the dot included.
            dot_timeout: settings.span("mail.dot_timeout", SECOND, 30 * MINUTE)?,
            uncertain_wait: settings.span("mail.uncertain_wait", SECOND, 24 * HOUR)?,
            message_bytes_max: settings.ranged("mail.message_bytes_max", 64 * 1024, 200 * 1024 * 1024)?,
        })
    }
}

impl Passwords {
    fn read(settings: &Settings) -> Result<Self, ConfigError> {
        let cost = PasswordCost {
            // 1 GiB a hash is beyond what a service with several at once can spend.
            memory_kib: settings.ranged("passwords.memory_kib", 8, 1024 * 1024)?,
            passes: settings.ranged("passwords.passes", 1, 100)?,
            lanes: settings.ranged("passwords.lanes", 1, 16)?,
        };
        // argon2 needs 8 KiB for each lane.
        settings.require(
            cost.memory_kib >= 8 * cost.lanes,
            "passwords.memory_kib",
            "must be at least 8 for each lane",
        )?;
        Ok(Self {
            cost,
            waiting: settings.ranged("passwords.waiting", 0, 10_000)?,
        })
    }
}

/// Names as a file lists them, or as a variable has them, with commas between.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Names {
    Listed(Vec<String>),
    Joined(String),
}

impl Names {
    /// Each name, without the blanks around it; none of nothing.
    fn list(&self) -> impl Iterator<Item = &str> {
        let (listed, joined) = match self {
            Self::Listed(names) => (names.as_slice(), ""),
            Self::Joined(names) => (&[][..], names.as_str()),
        };
        let names = listed.iter().map(String::as_str).chain(joined.split(','));
        names.map(str::trim).filter(|name| !name.is_empty())
    }

    fn roles(&self) -> Result<Roles, NoRoles> {
        match self {
            Self::Listed(names) => Roles::of(names.iter().map(String::as_str)),
            Self::Joined(names) => names.parse(),
        }
    }
}

#[cfg(test)]
mod tests;
