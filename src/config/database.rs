//! The settings of the database.

use std::path::Path;
use std::time::Duration;

use super::source::Settings;
use super::{ConfigError, DatabaseUrl};

/// The database.
#[derive(Clone, Debug)]
pub struct Database {
    /// Where it is.
    pub url: DatabaseUrl,
    /// Connections that read; 1 to 64.
    pub readers: u32,
    /// Connections that write, on PostgreSQL; 1 to 64. On SQLite there is always one.
    pub writers: u32,
    /// How long no older release must have been alive before what only it uses is taken out of the schema.
    pub contract_after: Duration,
}

impl Database {
    pub(super) fn read(settings: &Settings, data_dir: &Path) -> Result<Self, ConfigError> {
        let statement_timeout = settings.millis("database.statement_timeout_ms", 100, 600_000)?;
        let mut url = settings
            .derived("database.url", |text| DatabaseUrl::parse(&text))?
            .unwrap_or_else(|| DatabaseUrl::in_folder(data_dir));
        if let DatabaseUrl::Postgres(server) = &mut url {
            server.statement_timeout = statement_timeout;
        }
        let contract_after: u64 = settings.ranged("database.contract_after_minutes", 0, 60 * 24 * 30)?;
        Ok(Self {
            url,
            readers: settings.ranged("database.readers", 1, 64)?,
            writers: settings.ranged("database.writers", 1, 64)?,
            contract_after: Duration::from_secs(contract_after * 60),
        })
    }
}
