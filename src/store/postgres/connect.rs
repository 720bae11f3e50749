//! One connection to a PostgreSQL server, and why there is none.
//!
//! Guarantees: a call comes to an end within the time limit of each host; what failed says whether trying again later is of
//! use, in words without a secret. A dead peer is noticed by the system within half a minute, also amid a statement.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use secrecy::ExposeSecret as _;
use tokio_postgres::config::{SslMode as Encryption, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::TlsStream;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, Error, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::tls::{self, TlsSetupError};
use crate::config::{PostgresHost, PostgresSettings, SslMode};

/// Silence after which the system asks the peer for a sign of life, and the pause between and the number of such questions.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(10), Duration::from_secs(5), 3);

/// How long what was sent may go without an acknowledgement.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(15);

/// The longest wait for another transaction's lock. A queue of writers that each hold a connection helps nobody.
const LOCK_TIMEOUT_MAX: Duration = Duration::from_secs(5);

/// How long a transaction may wait for its next statement: the client has stopped, and its locks must not last.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(15);

/// What a connection says: notices and notifications; its end ends the stream. It must be polled for the client to work.
pub(super) type Messages = BoxStream<'static, Result<AsyncMessage, Error>>;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(in crate::store) enum ConnectError {
    /// Nobody answers there.
    #[error("{host} cannot be reached: {text}")]
    Unreachable {
        /// The server.
        host: String,
        /// What the system said.
        text: String,
    },
    /// It did not come to a login in time.
    #[error("{host} did not answer within {} seconds", limit.as_secs())]
    Slow {
        /// The server.
        host: String,
        /// How long it had.
        limit: Duration,
    },
    /// The server is starting, stopping, or recovering.
    #[error("{host} takes no connections now: {text}")]
    NotReady {
        /// The server.
        host: String,
        /// What it said.
        text: String,
    },
    /// The server has as many connections as it allows.
    #[error("{host} has no connection left: {text}")]
    TooManyConnections {
        /// The server.
        host: String,
        /// What it said.
        text: String,
    },
    /// The server takes no writes.
    #[error("{host} takes no writes (it is a standby), and target_session_attrs asks for one that does")]
    ReadOnly {
        /// The server.
        host: String,
    },
    /// The server refused the login.
    #[error("{host} refused the login: {text}")]
    Login {
        /// The server.
        host: String,
        /// What it said.
        text: String,
    },
    /// There is no such database.
    #[error("{host} has no such database: {text}")]
    UnknownDatabase {
        /// The server.
        host: String,
        /// What it said.
        text: String,
    },
    /// The connection cannot be encrypted as asked.
    #[error("the connection to {host} cannot be encrypted: {text}")]
    Tls {
        /// The server.
        host: String,
        /// Why not.
        text: String,
    },
    /// What encryption needs is not there.
    #[error("connections cannot be encrypted")]
    TlsSetup(#[from] TlsSetupError),
    /// Something else.
    #[error("{host} cannot be used: {text}")]
    Other {
        /// The server.
        host: String,
        /// What it is.
        text: String,
    },
}

impl ConnectError {
    /// Whether trying again later is of use although nobody changes anything.
    pub(in crate::store) fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Slow { .. }
                | Self::NotReady { .. }
                | Self::TooManyConnections { .. }
                | Self::ReadOnly { .. }
        )
    }
}

/// A connection to the first host that takes one, and its task: a future that the caller runs for as long as it wants the
/// client to work, and that ends with the connection.
///
/// # Errors
/// [`ConnectError`] of a host for which trying again is of use, else of the last one.
pub(in crate::store) async fn connect(
    settings: &PostgresSettings,
) -> Result<(Client, BoxFuture<'static, ()>), ConnectError> {
    let (client, mut messages) = open(settings).await?;
    // Until the first error, which whoever waits for an answer hears there: past it a connection may say nothing more, and its
    // client would wait for ever.
    let task = async move { while let Some(Ok(_message)) = messages.next().await {} };
    Ok((client, task.boxed()))
}

/// The same, with what the connection says instead of the task.
pub(super) async fn open(settings: &PostgresSettings) -> Result<(Client, Messages), ConnectError> {
    let mut failed: Option<ConnectError> = None;
    for host in &settings.hosts {
        let opening = Box::pin(open_host(settings, host));
        let opened = tokio::time::timeout(settings.connect_timeout, opening).await;
        match opened.unwrap_or_else(|_elapsed| {
            Err(ConnectError::Slow {
                host: host.to_string(),
                limit: settings.connect_timeout,
            })
        }) {
            Ok(connection) => return Ok(connection),
            Err(error) if failed.as_ref().is_none_or(|failed| !failed.is_transient()) => failed = Some(error),
            Err(_as_good_as_the_one_before) => {}
        }
    }
    Err(failed.unwrap_or_else(|| ConnectError::Other {
        host: "the database".to_owned(),
        text: "no host is named".to_owned(),
    }))
}

async fn open_host(settings: &PostgresSettings, host: &PostgresHost) -> Result<(Client, Messages), ConnectError> {
    let mut config = config_of(settings, host);
    let tls = match host {
        PostgresHost::Unix(..) => None,
        PostgresHost::Tcp(..) => tls::connector(settings)?,
    };
    let Some(tls) = tls else {
        return unencrypted(config, host).await;
    };
    let is_optional = settings.tls == SslMode::Prefer;
    config.ssl_mode(if is_optional {
        Encryption::Prefer
    } else {
        Encryption::Require
    });
    match encrypted(&config, tls).await {
        Ok(connection) => Ok(connection),
        // As libpq does: what prefers encryption does without where that is what fails.
        Err(error) if is_optional && (is_of_tls(&error) || is_refused_by_rules(&error)) => {
            unencrypted(config, host).await
        }
        Err(error) => Err(told_apart(&error, host)),
    }
}

async fn encrypted(config: &Config, tls: MakeRustlsConnect) -> Result<(Client, Messages), Error> {
    let (client, connection) = config.connect(tls).await?;
    Ok((client, messages_of(connection)))
}

async fn unencrypted(mut config: Config, host: &PostgresHost) -> Result<(Client, Messages), ConnectError> {
    config.ssl_mode(Encryption::Disable);
    let opened = config.connect(NoTls).await;
    let (client, connection) = opened.map_err(|error| told_apart(&error, host))?;
    Ok((client, messages_of(connection)))
}

fn messages_of<S>(mut connection: Connection<Socket, S>) -> Messages
where
    S: TlsStream + Unpin + Send + 'static,
{
    stream::poll_fn(move |context| connection.poll_message(context)).boxed()
}

fn config_of(settings: &PostgresSettings, host: &PostgresHost) -> Config {
    let mut config = Config::new();
    match host {
        PostgresHost::Tcp(name, port) => config.host(name).port(*port),
        PostgresHost::Unix(folder, port) => config.host_path(folder).port(*port),
    };
    if let Some(user) = &settings.user {
        config.user(user);
    }
    if let Some(password) = &settings.password {
        config.password(password.expose_secret());
    }
    if let Some(database) = &settings.database {
        config.dbname(database);
    }
    if settings.only_writable {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    let (idle, interval, retries) = KEEPALIVE;
    config
        .application_name(&settings.application_name)
        .options(options_of(settings))
        .connect_timeout(settings.connect_timeout)
        .tcp_user_timeout(UNACKNOWLEDGED_MAX)
        .keepalives(true)
        .keepalives_idle(idle)
        .keepalives_interval(interval)
        .keepalives_retries(retries);
    config
}

/// What the session is told with its login, so that it holds before its first statement.
fn options_of(settings: &PostgresSettings) -> String {
    let statement = settings.statement_timeout;
    let lock = LOCK_TIMEOUT_MAX.min(statement);
    format!(
        "-c statement_timeout={} -c lock_timeout={} -c idle_in_transaction_session_timeout={} \
         -c synchronous_commit=on -c TimeZone=UTC",
        statement.as_millis(),
        lock.as_millis(),
        IDLE_IN_TRANSACTION.as_millis(),
    )
}

fn told_apart(error: &Error, host: &PostgresHost) -> ConnectError {
    let host = host.to_string();
    if let Some(said) = error.as_db_error() {
        let text = said.message().to_owned();
        return match said.code() {
            &SqlState::INVALID_PASSWORD
            | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION
            | &SqlState::INSUFFICIENT_PRIVILEGE => ConnectError::Login { host, text },
            &SqlState::INVALID_CATALOG_NAME => ConnectError::UnknownDatabase { host, text },
            &SqlState::TOO_MANY_CONNECTIONS => ConnectError::TooManyConnections { host, text },
            &SqlState::CANNOT_CONNECT_NOW | &SqlState::ADMIN_SHUTDOWN | &SqlState::CRASH_SHUTDOWN => {
                ConnectError::NotReady { host, text }
            }
            _ => ConnectError::Other { host, text },
        };
    }
    if is_of_tls(error) {
        let cause = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        let inner = cause
            .and_then(io::Error::get_ref)
            .and_then(|inner| inner.downcast_ref());
        let text = match (inner, error.source()) {
            (Some(inner), _) => tls::explain(inner),
            (None, Some(source)) => source.to_string(),
            (None, None) => error.to_string(),
        };
        return ConnectError::Tls { host, text };
    }
    let source = error.source();
    match source.and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(cause) if cause.kind() == io::ErrorKind::PermissionDenied && is_of_session(cause) => {
            ConnectError::ReadOnly { host }
        }
        Some(cause) => ConnectError::Unreachable {
            host,
            text: cause.to_string(),
        },
        None if error.is_closed() => ConnectError::Unreachable {
            host,
            text: "it closed the connection".to_owned(),
        },
        None => {
            let text = source.map_or_else(|| error.to_string(), ToString::to_string);
            if is_of_login(error) {
                ConnectError::Login { host, text }
            } else {
                ConnectError::Other { host, text }
            }
        }
    }
}

/// The client library does not tell its own kinds of error apart but by these words of theirs; a test of each holds them.
fn is_of_tls(error: &Error) -> bool {
    error.to_string().starts_with("error performing TLS handshake")
}

fn is_of_login(error: &Error) -> bool {
    let text = error.to_string();
    text.starts_with("authentication error") || text.starts_with("invalid configuration")
}

/// Whether `cause` is the client library's own, for a server that is not as `target_session_attrs` asks.
fn is_of_session(cause: &io::Error) -> bool {
    cause.to_string().starts_with("database does not allow writes")
}

/// Whether no rule of the server's `pg_hba.conf` lets this client in, which may be so for encrypted connections alone.
fn is_refused_by_rules(error: &Error) -> bool {
    error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
}

#[cfg(test)]
#[path = "connect_tests.rs"]
mod tests;
