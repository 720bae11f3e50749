//! To whom no mails go: an address that is suppressed in one stream, or in all, why, and by whom.
//!
//! Guarantees: what says more of an address is never lost to what says less ([`SuppressionReason::outweighs`]): that somebody
//! complained stays known though the address bounces later.
//!
//! Left out: that a suppression ends by itself. It is taken away by whoever has the right to, and by nobody else.

mod refusal;

use super::id::{AccountId, ApiKeyId, JobId};
use super::named::named;

pub use refusal::names_no_mailbox;

named! {
    /// Why an address is suppressed. Names are added to, never renamed.
    SuppressionReason {
        /// A server said that there is no such address.
        Bounce = "bounce",
        /// Whoever got a mail said that it was not wanted.
        Complaint = "complaint",
        /// Whoever got a mail wants no more of them.
        Unsubscribe = "unsubscribe",
        /// Somebody of the workspace decided so.
        Manual = "manual",
    }
}

named! {
    /// Who put an address on the list, as a sort.
    SuppressionOriginKind {
        /// A person, by a login.
        Account = "account",
        /// A program, by an API key.
        ApiKey = "api_key",
        /// A job whose mail was refused.
        Job = "job",
        /// Whoever has the address.
        Recipient = "recipient",
    }
}

/// Who put an address on the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SuppressionOrigin {
    /// A person, by a login.
    Account(AccountId),
    /// A program, by an API key.
    ApiKey(ApiKeyId),
    /// A job whose mail was refused.
    Job {
        /// The job.
        job: JobId,
        /// What the server said, with addresses masked.
        reply: String,
    },
    /// Whoever has the address, by the link in a mail.
    Recipient,
}

impl SuppressionReason {
    /// Whether this reason takes the place of `other`: people's own words go before what a server says, and that before what
    /// somebody else decided, which is the easiest to repeat.
    #[must_use]
    pub const fn outweighs(self, other: Self) -> bool {
        self.weight() > other.weight()
    }

    const fn weight(self) -> u8 {
        match self {
            Self::Complaint => 3,
            Self::Unsubscribe => 2,
            Self::Bounce => 1,
            Self::Manual => 0,
        }
    }
}

impl SuppressionOrigin {
    /// Of what sort it is.
    #[must_use]
    pub const fn kind(&self) -> SuppressionOriginKind {
        match self {
            Self::Account(_) => SuppressionOriginKind::Account,
            Self::ApiKey(_) => SuppressionOriginKind::ApiKey,
            Self::Job { .. } => SuppressionOriginKind::Job,
            Self::Recipient => SuppressionOriginKind::Recipient,
        }
    }

    /// The id of the account, key or job.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        match self {
            Self::Account(id) => Some(id.to_string()),
            Self::ApiKey(id) => Some(id.to_string()),
            Self::Job { job, .. } => Some(job.to_string()),
            Self::Recipient => None,
        }
    }

    /// What the server said.
    #[must_use]
    pub fn reply(&self) -> Option<&str> {
        match self {
            Self::Job { reply, .. } => Some(reply),
            Self::Account(_) | Self::ApiKey(_) | Self::Recipient => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_one_order_in_which_peoples_own_words_come_first() {
        use SuppressionReason::{Bounce, Complaint, Manual, Unsubscribe};
        let order = [Manual, Bounce, Unsubscribe, Complaint];
        for (place, reason) in order.iter().enumerate() {
            for (other_place, other) in order.iter().enumerate() {
                assert_eq!(reason.outweighs(*other), place > other_place, "{reason} {other}");
            }
        }
        assert_eq!(order.len(), SuppressionReason::ALL.len());
    }
}
