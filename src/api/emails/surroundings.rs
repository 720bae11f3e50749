//! What a mail is checked against beside its own body: the service's sender, the domains that are granted to the workspace, and
//! the uploads that it names.
//!
//! Guarantees: one read for a whole request, and none where nothing must be looked up; what is another workspace's is as good
//! as nothing.

use std::collections::{BTreeSet, HashMap};

use super::NewEmailBody;
use super::recipients::address_of;
use crate::api::State;
use crate::api::auth::Member;
use crate::api::http::Problem;
use crate::domain::email::EmailAddress;
use crate::domain::id::{UploadId, WorkspaceId};
use crate::mail::Sender;
use crate::store::uploads::{self, UploadRecord};
use crate::store::workspaces;

/// What mails of one workspace are checked against.
pub(in crate::api) struct Surroundings<'a> {
    pub(super) state: &'a State,
    /// Whose templates are looked at before the built-in ones.
    pub(super) workspace: Option<WorkspaceId>,
    /// Whom mails are from that name no other sender.
    pub(super) own: &'a Sender,
    /// The most bytes of one over the wire.
    pub(super) message_bytes_max: usize,
    domains: Vec<String>,
    pub(super) uploads: HashMap<UploadId, UploadRecord>,
}

impl<'a> Surroundings<'a> {
    /// With the templates of `workspace`, without grants and uploads: for whoever may name neither.
    pub(in crate::api) fn bare(workspace: Option<WorkspaceId>, state: &'a State) -> Self {
        Self {
            state,
            workspace,
            own: state.postbox.sender(),
            message_bytes_max: state.config.mail.message_bytes_max,
            domains: Vec::new(),
            uploads: HashMap::new(),
        }
    }

    /// With what is granted to the member's workspace.
    ///
    /// # Errors
    /// 503 or 500 when the database cannot be read.
    pub(in crate::api) async fn with_grants(member: &Member, state: &'a State) -> Result<Self, Problem> {
        let workspace = member.account.workspace;
        let read = state
            .store
            .read(move |connection| workspaces::one(connection, workspace));
        let record = read.await?;
        Ok(Self {
            domains: record.map(|record| record.sender_domains).unwrap_or_default(),
            ..Self::bare(Some(workspace), state)
        })
    }

    /// The same with the templates of the workspace whose job it is.
    pub(in crate::api) fn of_job(self, workspace: WorkspaceId) -> Self {
        Self {
            workspace: Some(workspace),
            ..self
        }
    }

    /// What these mails of the member's workspace are checked against.
    ///
    /// # Errors
    /// 503 or 500 when the database cannot be read.
    pub(in crate::api) async fn of(
        bodies: impl IntoIterator<Item = &NewEmailBody>,
        member: &Member,
        state: &'a State,
    ) -> Result<Self, Problem> {
        let bare = Self::bare(Some(member.account.workspace), state);
        let (mut from_others, mut ids) = (false, BTreeSet::new());
        for body in bodies {
            from_others |= bare.is_from_another(body);
            ids.extend(body.uploads());
        }
        if !from_others && ids.is_empty() {
            return Ok(bare);
        }
        let (workspace, ids) = (member.account.workspace, Vec::from_iter(ids));
        let read = state.store.read(move |connection| {
            let record = workspaces::one(connection, workspace)?;
            Ok((record, uploads::several(connection, workspace, &ids)?))
        });
        let (record, found) = read.await?;
        Ok(Self {
            domains: record.map(|record| record.sender_domains).unwrap_or_default(),
            uploads: found.into_iter().map(|one| (one.id, one)).collect(),
            ..bare
        })
    }

    /// Whether mails may be from this address.
    pub(super) fn may_send_from(&self, address: &EmailAddress) -> bool {
        let domain = address.domain().to_ascii_lowercase();
        address.canonical() == self.own.address.canonical() || self.domains.contains(&domain)
    }

    fn is_from_another(&self, body: &NewEmailBody) -> bool {
        let address = body.from.as_ref().and_then(address_of);
        address.is_some_and(|address| address.canonical() != self.own.address.canonical())
    }
}
