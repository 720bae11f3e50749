//! What happens to the security of accounts over HTTP, as it is written down.
//!
//! Guarantees: the row is written in the transaction of what it tells of, and is a line in the log once that is committed. Of
//! logins with a wrong password only the first of each minute are written down, which whoever writes one asks
//! `Throttle::keeps_refusal`.

use serde_json::{Value, json};

use super::client::Client;
use super::http::RequestId;
use crate::clock::Timestamp;
use crate::domain::id::{AccountId, WorkspaceId};
use crate::domain::security::SecurityEvent;
use crate::store::accounts::Account;
use crate::store::security::{self, NewSecurityEvent};
use crate::store::{StoreError, Tx};

/// By what request something happens.
#[derive(Clone, Debug)]
pub(super) struct Happening {
    client: Client,
    request_id: String,
    at: Timestamp,
}

impl Happening {
    /// By this one, now.
    pub(super) fn of(client: Client, request: &RequestId, at: Timestamp) -> Self {
        Self {
            client,
            request_id: request.as_str().to_owned(),
            at,
        }
    }

    /// The request.
    pub(super) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Writes down what happened to an account, and what else there is to say of it: ids, names and counts, no secret.
    ///
    /// # Errors
    /// When the statement fails.
    pub(super) fn note(
        &self,
        tx: &mut Tx<'_>,
        account: &Account,
        event: SecurityEvent,
        detail: Value,
    ) -> Result<(), StoreError> {
        self.write(tx, Some(account.id), account.workspace, event, detail)
    }

    /// Writes down what happened where there is no account, or where it must not matter whether there is one.
    ///
    /// # Errors
    /// When the statement fails.
    pub(super) fn note_of_nobody(&self, tx: &mut Tx<'_>, event: SecurityEvent) -> Result<(), StoreError> {
        self.write(tx, None, WorkspaceId::SERVICE, event, json!({}))
    }

    fn write(
        &self,
        tx: &mut Tx<'_>,
        account: Option<AccountId>,
        workspace: WorkspaceId,
        event: SecurityEvent,
        detail: Value,
    ) -> Result<(), StoreError> {
        let new = NewSecurityEvent {
            at: self.at,
            workspace,
            account,
            event,
            network: self.client.network().map(|network| network.to_string()),
            user_agent: self.client.user_agent.clone(),
            request_id: Some(self.request_id.clone()),
            detail,
        };
        security::note(tx, &new)
    }
}
