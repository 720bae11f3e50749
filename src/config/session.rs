//! How long logins last.

use std::time::Duration;

use super::ConfigError;
use super::source::Settings;

/// Logins.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    /// How long a login lasts at the most; 1 hour to 1 year.
    pub ttl: Duration,
    /// How long one lasts that is not used; 1 hour to 1 year.
    pub idle: Duration,
    /// For how long it counts that the password was shown, where something sensitive is asked for; 1 minute to 1 day.
    pub confirmed_for: Duration,
}

impl Session {
    pub(super) fn read(settings: &Settings) -> Result<Self, ConfigError> {
        const HOUR: Duration = Duration::from_secs(3600);
        const MINUTE: Duration = Duration::from_secs(60);
        Ok(Self {
            ttl: HOUR * settings.ranged("session.ttl_hours", 1, 24 * 366)?,
            idle: HOUR * settings.ranged("session.idle_hours", 1, 24 * 366)?,
            confirmed_for: MINUTE * settings.ranged("session.confirmed_minutes", 1, 24 * 60)?,
        })
    }
}
