//! How long what clients come back for is kept: events to go on from, and keys of requests that are repeated.

use std::time::Duration;

use super::ConfigError;
use super::source::Settings;

/// What happened to jobs, for those who follow them.
#[derive(Clone, Copy, Debug)]
pub struct Events {
    /// How long a client may be away and still go on where it was; 1 minute to 30 days.
    pub kept: Duration,
}

/// Requests that are repeated with their `Idempotency-Key`.
#[derive(Clone, Copy, Debug)]
pub struct Idempotency {
    /// How long a key stands for its request; 1 hour to 30 days.
    pub window: Duration,
}

impl Events {
    pub(super) fn read(settings: &Settings) -> Result<Self, ConfigError> {
        let minutes: u64 = settings.ranged("events.kept_minutes", 1, 60 * 24 * 30)?;
        Ok(Self {
            kept: Duration::from_secs(60 * minutes),
        })
    }
}

impl Idempotency {
    pub(super) fn read(settings: &Settings) -> Result<Self, ConfigError> {
        let hours: u64 = settings.ranged("idempotency.window_hours", 1, 24 * 30)?;
        Ok(Self {
            window: Duration::from_secs(3600 * hours),
        })
    }
}
