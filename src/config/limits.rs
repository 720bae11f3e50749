//! How much may be asked for.
//!
//! Guarantees: each limit is small enough to be multiplied.

use super::ConfigError;
use super::source::Settings;

/// How much may be asked for, where the asker is no operator; 0 is no limit.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Mails that a workspace may send in an hour, one a recipient; 0 to 10,000,000.
    pub mails_per_hour: u32,
    /// Mails that it may send at once; 1 to 10,000,000.
    pub mails_burst: u32,
    /// Jobs that it may ask for in a minute, and at once; 0 to 10,000,000.
    pub jobs_per_minute: u32,
    /// Jobs that it may have waiting; 0 to 10,000,000.
    pub jobs_waiting: usize,
    /// Jobs that may be asked for from one network in a minute, and at once; 0 to 10,000,000.
    pub jobs_per_minute_network: u32,
    /// Registrations, logins, verifications and the like from one network in a minute, and at once; 0 to 10,000,000.
    pub entries_per_minute: u32,
    /// Registrations from one network in an hour, and at once; 0 to 10,000,000.
    pub registrations_per_hour: u32,
    /// Those among them with one address; 0 to 10,000,000.
    pub registrations_per_hour_address: u32,
    /// Links for another password or address asked for from one network in an hour, and at once; 0 to 10,000,000.
    pub resets_per_hour_network: u32,
    /// Those among them for one address; 0 to 10,000,000.
    pub resets_per_hour: u32,
    /// Those for one address, from wherever; 0 to 10,000,000.
    pub resets_per_hour_address: u32,
    /// Logins with one address from one network, or by one device that knows it, in a minute, and at once; 0 to 10,000,000.
    pub logins_per_minute: u32,
    /// Logins with one address by whoever has no such device, from wherever, in a minute, and at once; 0 to 10,000,000.
    pub logins_per_minute_address: u32,
    /// Those that go on when these are used up, from the surroundings of one network, in an hour; 0 to 10,000,000.
    pub logins_per_hour_spare: u32,
    /// Refused logins that are written into the security log in a minute; 0 to 10,000,000.
    pub refusals_kept_per_minute: u32,
}

impl Limits {
    pub(super) fn read(settings: &Settings) -> Result<Self, ConfigError> {
        // Beyond any real use, and small enough to be multiplied.
        const MOST: u32 = 10_000_000;
        Ok(Self {
            mails_per_hour: settings.ranged("limits.mails_per_hour", 0, MOST)?,
            mails_burst: settings.ranged("limits.mails_burst", 1, MOST)?,
            jobs_per_minute: settings.ranged("limits.jobs_per_minute", 0, MOST)?,
            jobs_waiting: settings.ranged("limits.jobs_waiting", 0, MOST)?,
            jobs_per_minute_network: settings.ranged("limits.jobs_per_minute_network", 0, MOST)?,
            entries_per_minute: settings.ranged("limits.entries_per_minute", 0, MOST)?,
            registrations_per_hour: settings.ranged("limits.registrations_per_hour", 0, MOST)?,
            registrations_per_hour_address: settings.ranged("limits.registrations_per_hour_address", 0, MOST)?,
            resets_per_hour_network: settings.ranged("limits.resets_per_hour_network", 0, MOST)?,
            resets_per_hour: settings.ranged("limits.resets_per_hour", 0, MOST)?,
            resets_per_hour_address: settings.ranged("limits.resets_per_hour_address", 0, MOST)?,
            logins_per_minute: settings.ranged("limits.logins_per_minute", 0, MOST)?,
            logins_per_minute_address: settings.ranged("limits.logins_per_minute_address", 0, MOST)?,
            logins_per_hour_spare: settings.ranged("limits.logins_per_hour_spare", 0, MOST)?,
            refusals_kept_per_minute: settings.ranged("limits.refusals_kept_per_minute", 0, MOST)?,
        })
    }
}
