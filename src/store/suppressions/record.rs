//! A suppression as it is kept.

use crate::store::dialect::prelude::*;

use crate::clock::Timestamp;
use crate::domain::id::{SuppressionId, WorkspaceId};
use crate::domain::stream::Stream;
use crate::domain::suppression::{SuppressionOrigin, SuppressionOriginKind, SuppressionReason};
use crate::store::StoreError;
use crate::store::schema::suppressions;
use crate::store::text::{parsed, time};

const TABLE: &str = "suppressions";

/// The columns, in the order in which they are written.
pub(super) const COLUMNS: &[&str] = &[
    "id",
    "workspace_id",
    "address",
    "stream",
    "reason",
    "origin",
    "origin_id",
    "reply",
    "created_at",
    "updated_at",
];

/// An address that is to get no mails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSuppression {
    /// The id that it gets, unless there is one already.
    pub id: SuppressionId,
    /// Whose mails.
    pub workspace: WorkspaceId,
    /// The address in its canonical form.
    pub address: String,
    /// In which stream; none for all.
    pub stream: Option<Stream>,
    /// Why.
    pub reason: SuppressionReason,
    /// Who says so.
    pub origin: SuppressionOrigin,
    /// When.
    pub at: Timestamp,
}

/// An address that gets no mails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    /// Its id.
    pub id: SuppressionId,
    /// Whose mails.
    pub workspace: WorkspaceId,
    /// The address in its canonical form.
    pub address: String,
    /// In which stream; none for all.
    pub stream: Option<Stream>,
    /// Why.
    pub reason: SuppressionReason,
    /// Who said so.
    pub origin: SuppressionOrigin,
    /// Since when.
    pub created_at: Timestamp,
    /// Since when for this reason.
    pub updated_at: Timestamp,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = suppressions)]
pub(super) struct SuppressionRow {
    id: String,
    workspace_id: String,
    address: String,
    stream: String,
    reason: String,
    origin: String,
    origin_id: Option<String>,
    reply: Option<String>,
    created_at: i64,
    updated_at: i64,
}

/// The stream as it is kept: all of them are the empty name, which no stream has.
pub(super) fn stream_column(stream: &Option<Stream>) -> &str {
    stream.as_ref().map_or("", Stream::as_str)
}

impl SuppressionRow {
    fn origin(&self) -> Result<SuppressionOrigin, StoreError> {
        let id = self.origin_id.as_deref().unwrap_or_default();
        Ok(match parsed(&self.origin, TABLE, "origin")? {
            SuppressionOriginKind::Account => SuppressionOrigin::Account(parsed(id, TABLE, "origin_id")?),
            SuppressionOriginKind::ApiKey => SuppressionOrigin::ApiKey(parsed(id, TABLE, "origin_id")?),
            SuppressionOriginKind::Job => SuppressionOrigin::Job {
                job: parsed(id, TABLE, "origin_id")?,
                reply: self.reply.clone().unwrap_or_default(),
            },
            SuppressionOriginKind::Recipient => SuppressionOrigin::Recipient,
        })
    }
}

impl TryFrom<SuppressionRow> for Suppression {
    type Error = StoreError;

    fn try_from(row: SuppressionRow) -> Result<Self, StoreError> {
        let stream = match row.stream.as_str() {
            "" => None,
            name => Some(Stream::parse(name).map_err(|_unreadable| StoreError::Corrupt {
                table: TABLE,
                what: "stream",
            })?),
        };
        Ok(Self {
            id: parsed(&row.id, TABLE, "id")?,
            workspace: parsed(&row.workspace_id, TABLE, "workspace_id")?,
            stream,
            reason: parsed(&row.reason, TABLE, "reason")?,
            origin: row.origin()?,
            created_at: time(row.created_at),
            updated_at: time(row.updated_at),
            address: row.address,
        })
    }
}
