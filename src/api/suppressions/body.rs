//! What a client says of an address that is to get no mails.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::auth::{Member, Via};
use crate::api::http::Fields;
use crate::api::openapi::RecipientAddress;
use crate::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::SuppressionId;
use crate::domain::stream::Stream;
use crate::domain::suppression::{SuppressionOrigin, SuppressionReason};
use crate::store::suppressions::NewSuppression;

/// An address that is to get no mails.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewSuppression)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NewSuppressionBody {
    #[schema(value_type = RecipientAddress)]
    address: String,
    reason: SuppressionReason,
    /// In which stream; in all where none is named.
    #[schema(min_length = 1, max_length = 50, pattern = "^[a-z][a-z0-9_-]*$")]
    stream: Option<String>,
}

impl NewSuppressionBody {
    /// What is to be kept, with what is wrong noted in `fields`.
    pub(super) fn checked(self, fields: &mut Fields, member: &Member, now: Timestamp) -> Option<NewSuppression> {
        let address = fields.check("/address", EmailAddress::parse_international(&self.address));
        let stream = self.stream.map(|name| fields.check("/stream", Stream::parse(&name)));
        let stream = match stream {
            Some(named) => Some(named?),
            None => None,
        };
        Some(NewSuppression {
            id: SuppressionId::generate(),
            workspace: member.account.workspace,
            address: address?.canonical(),
            stream,
            reason: self.reason,
            origin: origin(member),
            at: now,
        })
    }
}

fn origin(member: &Member) -> SuppressionOrigin {
    match &member.via {
        Via::Session(_) => SuppressionOrigin::Account(member.account.id),
        Via::ApiKey(key) => SuppressionOrigin::ApiKey(key.id),
    }
}
