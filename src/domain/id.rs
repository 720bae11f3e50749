//! Ids: a prefix that says what the thing is, and a UUID of version 7, so that ids sort by the time they were made.
//!
//! Guarantees: ids made by one process sort in the order they were made, even within one millisecond; a text with another
//! prefix, or that is not written exactly as we write it, is not an id.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use crate::clock::Timestamp;

/// Why a text is not the id it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form {prefix}_ followed by 32 hexadecimal digits")]
pub struct ParseIdError {
    prefix: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// What every such id starts with, before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A new id; later ones sort after it.
            #[must_use]
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id with these 128 bits; for ids that are fixed, such as the service's own workspace.
            #[must_use]
            pub const fn from_bits(bits: u128) -> Self {
                Self(Uuid::from_u128(bits))
            }

            /// The bits behind the prefix.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }

            /// The bound below all ids that are made at or after the millisecond of `at`, and above all that are made
            /// before it.
            #[must_use]
            pub fn floor_at(at: Timestamp) -> Self {
                Self(floor_at(at))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                parse(text, concat!($prefix, "_"))
                    .map(Self)
                    .ok_or(ParseIdError { prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A durable piece of slow work.
    JobId = "job";
    /// A tenant: every row belongs to one.
    WorkspaceId = "wsp";
    /// A person, member of a workspace.
    AccountId = "acc";
    /// A request for an account that waits for its address to be verified.
    RegistrationId = "reg";
    /// A login.
    SessionId = "ses";
    /// A key with which a program calls the service.
    ApiKeyId = "key";
    /// A file that is made of a workspace's rows.
    ReportId = "rep";
    /// A job that is made again and again, by the clock.
    ScheduleId = "sch";
    /// A group of jobs.
    BatchId = "bat";
    /// Something that an operator did.
    ActId = "act";
    /// A change of an account's address that waits to be confirmed.
    AddressChangeId = "adc";
    /// A reset of a password.
    PasswordResetId = "pwr";
    /// A mail's words with places for data, in versions.
    TemplateId = "tpl";
    /// An address that gets no mails of a stream.
    SuppressionId = "sup";
    /// A file that was handed over to be attached to mails.
    UploadId = "upl";
    /// A browser or program that has logged in to an account.
    DeviceId = "dev";
    /// Something that concerns the security of an account.
    SecurityEventId = "sev";
    /// One run of the process, made anew at every start: its boot id.
    NodeId = "nod";
}

impl WorkspaceId {
    /// The workspace that owns the service's own mails and unverified registrations. The first migration makes it.
    pub const SERVICE: Self = Self::from_bits(0);
}

/// The milliseconds of `at` where version 7 keeps them (RFC 9562, 5.7), and zeros behind them. A time that does not fit its 48
/// bits is cut to the nearest that does.
fn floor_at(at: Timestamp) -> Uuid {
    const MILLIS_MAX: u128 = (1 << 48) - 1;
    let millis = u128::try_from(at.as_micros().div_euclid(1000)).unwrap_or(0);
    Uuid::from_u128(millis.min(MILLIS_MAX) << 80)
}

/// The UUID after `prefix`, if the rest is 32 lower-case hexadecimal digits.
fn parse(text: &str, prefix: &str) -> Option<Uuid> {
    let digits = text.strip_prefix(prefix)?;
    let ours = digits.len() == 32 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !ours {
        return None;
    }
    Uuid::try_parse_ascii(digits.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_is_a_fault_and_an_id_is_written_in_one_way(bits: u128, text in any::<String>(), nearly in "(job|acc)_[0-9a-fA-F-]{30,36}") {
            let id = JobId::from_bits(bits);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            for text in [text, nearly] {
                if let Ok(id) = text.parse::<JobId>() {
                    prop_assert_eq!(id.to_string(), text);
                }
            }
        }
    }

    #[test]
    fn an_id_reads_back_and_carries_its_prefix() {
        let id = JobId::generate();
        assert!(id.to_string().starts_with("job_"));
        assert_eq!(id.to_string().parse::<JobId>(), Ok(id));
        assert_eq!(WorkspaceId::SERVICE.to_string(), "wsp_00000000000000000000000000000000");
    }

    #[test]
    fn ids_made_later_sort_later_even_in_one_millisecond() {
        let ids: Vec<String> = (0..10_000).map(|_| JobId::generate().to_string()).collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn the_floor_of_a_moment_parts_the_ids_made_before_it_from_those_made_after_it() {
        let (early, late) = (
            Timestamp::from_micros(1_700_000_000_123_999),
            Timestamp::from_micros(i64::MAX),
        );
        let of = |millis: u128| JobId::from_bits((millis << 80) | (7 << 76) | (2 << 62));
        assert!(of(1_700_000_000_122) < JobId::floor_at(early) && JobId::floor_at(early) < of(1_700_000_000_123));
        assert!(JobId::generate() < JobId::floor_at(late));
        assert_eq!(JobId::floor_at(Timestamp::from_micros(-1)), JobId::from_bits(0));
    }

    #[test]
    fn an_id_of_another_kind_or_spelling_is_refused() {
        let good = JobId::generate().to_string();
        for bad in [
            good.replace("job_", "acc_"),
            good.to_uppercase(),
            format!("{good}0"),
            good.replace('_', "-"),
            format!("job_{}", Uuid::now_v7()),
            String::new(),
        ] {
            assert!(bad.parse::<JobId>().is_err(), "{bad}");
        }
    }
}
