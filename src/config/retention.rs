//! How long finished jobs are kept, what operators did, and what happened to accounts.
//!
//! Guarantees: a state that has no time of its own is kept as long as discarded jobs are.

use std::time::Duration;

use super::source::Settings;
use super::{ConfigError, HOUR};

/// How long finished jobs are kept, with their arguments, attempts and results, and what operators did.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Those that completed; 1 day to 100 years.
    pub completed: Duration,
    /// Those that were discarded; 1 day to 100 years.
    pub discarded: Duration,
    /// Those that were cancelled; 1 day to 100 years, as long as discarded ones unless set.
    pub cancelled: Duration,
    /// Those whose effect is uncertain; 1 day to 100 years, as long as discarded ones unless set.
    pub uncertain: Duration,
    /// What operators did; 1 day to 100 years.
    pub acts: Duration,
    /// What happened to the security of accounts; 1 day to 100 years.
    pub security: Duration,
}

impl Retention {
    pub(super) fn read(settings: &Settings) -> Result<Self, ConfigError> {
        let days = |setting| Ok::<_, ConfigError>(24 * HOUR * settings.ranged::<u32>(setting, 1, 36_500)?);
        let discarded = days("retention.discarded_days")?;
        let like_discarded = |setting| {
            if settings.value(setting).is_some() {
                days(setting)
            } else {
                Ok(discarded)
            }
        };
        Ok(Self {
            completed: days("retention.completed_days")?,
            discarded,
            cancelled: like_discarded("retention.cancelled_days")?,
            uncertain: like_discarded("retention.uncertain_days")?,
            acts: days("retention.acts_days")?,
            security: days("retention.security_days")?,
        })
    }
}
