//! Turning an account's second factor off on the command line, for whoever has lost both the app and the recovery codes. Who
//! they are is for the operator to make sure of.

use serde_json::json;

use crate::clock::Clock;
use crate::config::Config;
use crate::domain::act::Action;
use crate::domain::email::{AddressError, EmailAddress};
use crate::domain::security::SecurityEvent;
use crate::store::accounts;
use crate::store::acts::{self, ActBy, NewAct};
use crate::store::security::{self, NewSecurityEvent};
use crate::store::{Abort, Database, Store, StoreError, StoreOptions, second_factors, sessions};
use crate::supervision::Tree;

/// Why it was not turned off.
#[derive(Debug, thiserror::Error)]
pub enum DisableError {
    /// The address is not one.
    #[error("the address cannot be used")]
    Email(#[from] AddressError),
    /// No account has the address.
    #[error("no account has this address")]
    NoAccount,
    /// The account has no second factor.
    #[error("the account has no second factor")]
    IsOff,
    /// The database failed.
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
}

/// Turns the second factor of the account with this address off, and ends all its logins; answers how many. It is written down
/// among the acts of operators and in the security log.
///
/// Needs an actix system.
///
/// # Errors
/// [`DisableError`]; then nothing was changed.
pub async fn disable(config: &Config, email: &str, clock: &Clock) -> Result<usize, DisableError> {
    let email = EmailAddress::parse(email)?;
    let options = StoreOptions {
        database: Database::from(&config.database.url),
        writers: 1,
        readers: 1,
        on_available: std::sync::Arc::new(|_| {}),
    };
    // For the writer alone, and for as long as this takes.
    let tree = Tree::new("root", clock.clone());
    let store = Store::open_beside(&options, tree.root())?;
    let at = clock.now();
    let done = store.write(move |tx| {
        let account = accounts::by_email(tx.connection(), &email)?;
        let account = account.ok_or(Abort::Refused(DisableError::NoAccount))?;
        if !second_factors::remove(tx.connection(), account.id)? {
            return Err(Abort::Refused(DisableError::IsOff));
        }
        let ended = sessions::remove_others(tx.connection(), account.id, None)?;
        let act = NewAct {
            at,
            by: ActBy::CommandLine { uid: None },
            action: Action::DisableSecondFactor,
            subject_kind: "account",
            subject: account.id.to_string(),
            detail: json!({ "ended": ended }),
        };
        acts::record(tx, &act)?;
        let happened = NewSecurityEvent {
            at,
            workspace: account.workspace,
            account: Some(account.id),
            event: SecurityEvent::SecondFactorOff,
            network: None,
            user_agent: None,
            request_id: None,
            detail: json!({ "ended": ended, "by": "command_line" }),
        };
        security::record(tx.connection(), &happened)?;
        Ok(ended)
    });
    let done = done.await;
    tree.stop().await;
    match done {
        Ok(ended) => Ok(ended),
        Err(Abort::Refused(refusal)) => Err(refusal),
        Err(Abort::Store(error)) => Err(error.into()),
    }
}
