//! Giving an account another role on the command line, beside a running service.
//!
//! Guarantees: it is an act that is written down, and an event that the account's owner sees; the only operator stays one.

use serde::Serialize;
use serde_json::json;

use super::account::AccountError;
use super::beside::Beside;
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::domain::act::Action;
use crate::domain::email::EmailAddress;
use crate::domain::id::{AccountId, WorkspaceId};
use crate::domain::security::SecurityEvent;
use crate::store::accounts::{self, Account};
use crate::store::acts::{self, ActBy, NewAct};
use crate::store::security::{self, NewSecurityEvent};
use crate::store::{Abort, StoreError, Tx};

/// An account with its role.
#[derive(Debug, Serialize)]
pub struct AccountRole {
    /// Its id.
    pub id: AccountId,
    /// Its workspace.
    pub workspace_id: WorkspaceId,
    /// Its address.
    pub email: String,
    /// Whether it may see and steer the whole service.
    pub is_operator: bool,
    /// Whether that is a change.
    pub changed: bool,
}

/// Makes an account an operator's, or an ordinary one; its logins end.
///
/// Needs an actix system.
///
/// # Errors
/// [`AccountError`]; then nothing was changed.
pub async fn set_operator(
    config: &Config,
    email: &str,
    is_operator: bool,
    clock: &Clock,
) -> Result<AccountRole, AccountError> {
    let email = EmailAddress::parse(email)?;
    let beside = Beside::open(config, clock)?;
    let now = clock.now();
    let written = beside
        .store
        .write(move |tx| {
            let (account, changed) = accounts::set_operator(tx.connection(), &email, is_operator, now)?;
            if changed {
                note_role(tx, &account, now)?;
            }
            Ok((account, changed))
        })
        .await;
    beside.close().await;
    match written {
        Ok((account, changed)) => Ok(AccountRole {
            id: account.id,
            workspace_id: account.workspace,
            email: account.email.as_str().to_owned(),
            is_operator: account.is_operator,
            changed,
        }),
        Err(Abort::Refused(refusal)) => Err(refusal.into()),
        Err(Abort::Store(error)) => Err(error.into()),
    }
}

/// Writes down, for operators and for the account's owner, which role an account got.
fn note_role(tx: &mut Tx<'_>, account: &Account, at: Timestamp) -> Result<(), StoreError> {
    let (action, event) = if account.is_operator {
        (Action::GrantOperator, SecurityEvent::OperatorGranted)
    } else {
        (Action::RevokeOperator, SecurityEvent::OperatorRevoked)
    };
    let act = NewAct {
        at,
        by: ActBy::CommandLine { uid: None },
        action,
        subject_kind: "account",
        subject: account.id.to_string(),
        detail: json!({}),
    };
    acts::record(tx, &act)?;
    let event = NewSecurityEvent {
        at,
        workspace: account.workspace,
        account: Some(account.id),
        event,
        network: None,
        user_agent: None,
        request_id: None,
        detail: json!({}),
    };
    security::record(tx.connection(), &event)
}
