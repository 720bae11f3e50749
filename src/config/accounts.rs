//! How accounts end.

use std::time::Duration;

use super::source::Settings;
use super::{ConfigError, HOUR};

/// Accounts.
#[derive(Clone, Copy, Debug)]
pub struct Accounts {
    /// How long one that its owner has deleted is kept; 0 to 365 days.
    pub deletion_grace: Duration,
}

impl Accounts {
    pub(super) fn read(settings: &Settings) -> Result<Self, ConfigError> {
        Ok(Self {
            deletion_grace: 24 * HOUR * settings.ranged::<u32>("accounts.deletion_grace_days", 0, 365)?,
        })
    }
}
