//! Time zones by their IANA names.
//!
//! Guarantees: the rules are those of the binary, so that every node of one version finds the same, also on a machine that
//! has none of its own. Left out: zones by an offset or a rule of one's own; `Etc/GMT-3` and the like have names.

use std::fmt;

use jiff::tz::{TimeZone, TimeZoneDatabase};

/// A zone and its rules.
#[derive(Clone, Debug)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

/// A name that no zone has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not the name of a time zone, such as Europe/Berlin or UTC")]
pub struct UnknownZone;

/// Where zones are found.
#[derive(Clone, Debug)]
pub struct Zones {
    database: TimeZoneDatabase,
    /// Rules that a test made up, by the names of their zones.
    #[cfg(test)]
    made: Vec<(String, TimeZone)>,
}

impl Zones {
    /// The zones of the binary; making this costs nothing.
    #[must_use]
    pub fn bundled() -> Self {
        Self {
            database: TimeZoneDatabase::bundled(),
            #[cfg(test)]
            made: Vec::new(),
        }
    }

    /// The same, with the zone of this name following other rules, which are given as POSIX writes them.
    #[cfg(test)]
    pub(crate) fn with(mut self, name: &str, rules: &str) -> Self {
        self.made.push((name.to_owned(), TimeZone::posix(rules).unwrap()));
        self
    }

    /// The zone of this name, whatever its case.
    ///
    /// # Errors
    /// [`UnknownZone`].
    pub fn get(&self, name: &str) -> Result<Zone, UnknownZone> {
        #[cfg(test)]
        if let Some((name, rules)) = self.made.iter().find(|(made, _)| made == name).cloned() {
            return Ok(Zone { name, rules });
        }
        if name.len() > Zone::BYTES_MAX {
            return Err(UnknownZone);
        }
        let rules = self.database.get(name).or(Err(UnknownZone))?;
        let name = rules.iana_name().ok_or(UnknownZone)?.to_owned();
        Ok(Zone { name, rules })
    }
}

impl Default for Zones {
    fn default() -> Self {
        Self::bundled()
    }
}

impl Zone {
    /// The longest name, in bytes; the longest in use has 30.
    pub const BYTES_MAX: usize = 64;

    /// Its name, in the case in which IANA writes it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn rules(&self) -> &TimeZone {
        &self.rules
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
