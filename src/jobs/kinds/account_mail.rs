//! What all mails about accounts share: looking the account up, and sending a template of the service's own.

use serde_json::{Value, json};

use super::postbox::{Postbox, Sending, untemplatable};
use crate::domain::email::EmailAddress;
use crate::domain::id::AccountId;
use crate::jobs::{JobContext, Outcome};
use crate::store::accounts::{self, Account};
use crate::store::{Store, StoreError};
use crate::telemetry;

/// The end of a job whose mail is of no use any more, for this reason.
pub(super) fn skipped(why: &'static str) -> Outcome {
    Outcome::Completed(Some(json!({ "skipped": why })))
}

/// The end of an attempt that could not read or write what its mail is about.
pub(super) fn unreadable(what: &'static str, error: &StoreError) -> Outcome {
    Outcome::retry(format!("{what} could not be read: {}", telemetry::chain(error)))
}

/// The account.
///
/// # Errors
/// How the attempt ends without it.
pub(super) async fn account(store: &Store, id: AccountId) -> Result<Account, Outcome> {
    let read = store.read(move |connection| accounts::by_id(connection, id));
    match read.await {
        Ok(Some(account)) => Ok(account),
        Ok(None) => Err(skipped("the account is gone")),
        Err(error) => Err(unreadable("the account", &error)),
    }
}

/// Sends a template of the service's own.
pub(super) async fn send(
    postbox: &Postbox,
    template: &'static str,
    data: &Value,
    to: EmailAddress,
    ctx: &JobContext,
) -> Outcome {
    match postbox.own_content(template, data).await {
        Ok(content) => postbox.send(Sending::own(to, content), ctx).await,
        Err(error) => untemplatable(&error),
    }
}
