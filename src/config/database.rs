//! The settings of the database.

use std::path::Path;

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
        Ok(Self {
            url,
            readers: settings.ranged("database.readers", 1, 64)?,
            writers: settings.ranged("database.writers", 1, 64)?,
        })
    }
}
