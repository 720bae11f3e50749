//! A suppression as a client sees it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::domain::id::SuppressionId;
use crate::domain::suppression::{SuppressionOrigin, SuppressionOriginKind, SuppressionReason};
use crate::store::suppressions::Suppression;

/// An address that gets no mails.
#[derive(Serialize, ToSchema)]
#[schema(as = Suppression)]
pub(super) struct SuppressionView {
    id: SuppressionId,
    /// The address as mails are compared with it: in lower case.
    address: String,
    /// In which stream; null for all.
    stream: Option<String>,
    reason: SuppressionReason,
    origin: OriginView,
    /// Since when.
    created_at: Timestamp,
    /// Since when for this reason.
    updated_at: Timestamp,
}

/// Who put the address there.
#[derive(Serialize, ToSchema)]
#[schema(as = SuppressionOrigin)]
struct OriginView {
    by: SuppressionOriginKind,
    /// The account, the API key, or the job whose mail was refused; null where the recipient said so.
    id: Option<String>,
    /// What the server said to that job; null for others.
    reply: Option<String>,
}

impl From<SuppressionOrigin> for OriginView {
    fn from(origin: SuppressionOrigin) -> Self {
        Self {
            by: origin.kind(),
            id: origin.id(),
            reply: origin.reply().map(ToOwned::to_owned),
        }
    }
}

impl From<Suppression> for SuppressionView {
    fn from(one: Suppression) -> Self {
        Self {
            id: one.id,
            address: one.address,
            stream: one.stream.map(|stream| stream.to_string()),
            reason: one.reason,
            origin: one.origin.into(),
            created_at: one.created_at,
            updated_at: one.updated_at,
        }
    }
}
