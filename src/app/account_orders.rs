//! Changing an account on the command line, beside a running service: for who lost the password and cannot read the mail, and
//! for who is asked to have an account deleted.
//!
//! Guarantees: what is done is what the account's owner would do over HTTP, in the same functions; it is an act that is written
//! down, and the owner is told by mail.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::{Value, json};

use super::account::AccountError;
use super::beside::Beside;
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::domain::act::Action;
use crate::domain::email::EmailAddress;
use crate::domain::id::AccountId;
use crate::domain::password::{Password, PasswordHasher, SALT_BYTES};
use crate::domain::security::SecurityEvent;
use crate::domain::token::random_bytes;
use crate::jobs::Order;
use crate::jobs::accounts::{ask_deletion, set_password};
use crate::store::accounts::{self, Account};
use crate::store::acts::{self, ActBy, NewAct};
use crate::store::security::{self, NewSecurityEvent};
use crate::store::{Abort, StoreError, Tx, deletion, sessions};

/// The account that was changed.
#[derive(Debug, Serialize)]
pub struct ChangedAccount {
    /// Its id.
    pub id: AccountId,
    /// Its address.
    pub email: String,
    /// When it goes; none if it stays.
    pub deletion_at: Option<Timestamp>,
}

/// Sets the password of the account with this address, and ends all its logins.
///
/// Needs an actix system.
///
/// # Errors
/// [`AccountError`]; then nothing was changed.
pub async fn change_password(
    config: &Config,
    email: &str,
    password: &SecretString,
    clock: &Clock,
) -> Result<ChangedAccount, AccountError> {
    let email = EmailAddress::parse(email)?;
    let password = Password::parse_for(password.expose_secret(), email.as_str())?;
    password.check_strength(&[email.as_str()])?;
    let salt = random_bytes::<SALT_BYTES>()?;
    let hash = PasswordHasher::new(config.passwords.cost)?.hash(&password, &salt)?;
    change(config, email, clock, move |tx, account, now| {
        let ended = sessions::remove_others(tx.connection(), account.id, None)?;
        set_password(tx, account, &hash, now).map_err(of_job)?;
        let detail = json!({ "sessions_ended": ended });
        note(
            tx,
            account,
            (Action::SetPassword, SecurityEvent::PasswordReset),
            &detail,
            now,
        )?;
        Ok(None)
    })
    .await
}

/// Has the account with this address deleted: at once, or after the time of grace that the settings say.
///
/// Needs an actix system.
///
/// # Errors
/// [`AccountError`]; then nothing was changed.
pub async fn delete(
    config: &Config,
    email: &str,
    at_once: bool,
    clock: &Clock,
) -> Result<ChangedAccount, AccountError> {
    let email = EmailAddress::parse(email)?;
    let grace = if at_once {
        std::time::Duration::ZERO
    } else {
        config.accounts.deletion_grace
    };
    change(config, email, clock, move |tx, account, now| {
        if account.is_operator && deletion::is_last_operator(tx.connection(), account.id)? {
            return Err(Abort::Refused(AccountError::LastOperator));
        }
        let deletion_at = now.plus(grace);
        ask_deletion(tx, account, deletion_at, now, &Order::default()).map_err(of_job)?;
        let detail = json!({ "deletion_at": deletion_at });
        note(
            tx,
            account,
            (Action::DeleteAccount, SecurityEvent::DeletionAsked),
            &detail,
            now,
        )?;
        Ok(Some(deletion_at))
    })
    .await
}

/// Does something with the account that has this address; what it answers is when that account goes.
async fn change(
    config: &Config,
    email: EmailAddress,
    clock: &Clock,
    mut act: impl FnMut(&mut Tx<'_>, &Account, Timestamp) -> Result<Option<Timestamp>, Abort<AccountError>> + Send + 'static,
) -> Result<ChangedAccount, AccountError> {
    let beside = Beside::open(config, clock)?;
    let now = clock.now();
    let written = beside
        .store
        .write(move |tx| {
            let found = accounts::by_email(tx.connection(), &email)?;
            let found = found.ok_or(Abort::Refused(AccountError::Unknown))?;
            // Held, so that a login that is under way is among those that end, or finds the change.
            let account = accounts::locked(tx.connection(), found.id)?;
            let account = account.ok_or(Abort::Refused(AccountError::Unknown))?;
            let deletion_at = act(tx, &account, now)?.or(account.deletion_at);
            Ok(ChangedAccount {
                id: account.id,
                email: account.email.as_str().to_owned(),
                deletion_at,
            })
        })
        .await;
    beside.close().await;
    written.map_err(|abort| match abort {
        Abort::Refused(error) => error,
        Abort::Store(error) => error.into(),
    })
}

/// Writes down what was done, for operators and for the account's owner.
fn note(
    tx: &mut Tx<'_>,
    account: &Account,
    (action, event): (Action, SecurityEvent),
    detail: &Value,
    at: Timestamp,
) -> Result<(), StoreError> {
    let act = NewAct {
        at,
        by: ActBy::CommandLine { uid: None },
        action,
        subject_kind: "account",
        subject: account.id.to_string(),
        detail: detail.clone(),
    };
    acts::record(tx, &act)?;
    let new = NewSecurityEvent {
        at,
        workspace: account.workspace,
        account: Some(account.id),
        event,
        network: None,
        user_agent: None,
        request_id: None,
        detail: detail.clone(),
    };
    security::record(tx.connection(), &new)
}

fn of_job(abort: Abort<serde_json::Error>) -> Abort<AccountError> {
    match abort {
        Abort::Refused(error) => Abort::Refused(error.into()),
        Abort::Store(error) => Abort::Store(error),
    }
}
