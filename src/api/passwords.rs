//! Passwords over HTTP: checking the one that somebody shows, and hashing a new one.
//!
//! Guarantees: what takes long runs on the hashing pool; where there is no account, checking takes the same time; a password
//! that is right and whose hash was made under an earlier cost is hashed anew once the answer is known, so that the time until
//! then says nothing of the account.

use secrecy::{ExposeSecret as _, SecretString};

use super::State;
use super::http::{FieldError, Problem};
use crate::domain::id::AccountId;
use crate::domain::password::{Password, PasswordError, PasswordHash, PasswordHashError, SALT_BYTES};
use crate::domain::token::random_bytes;
use crate::store::{Abort, accounts};
use crate::telemetry::names::event;

/// Why a new password has no hash.
enum Unhashed {
    TooEasy(PasswordError),
    Hash(PasswordHashError),
}

/// The hash of a new password, which must be hard to guess for somebody who knows the texts in `about`: its owner's address and
/// name.
///
/// # Errors
/// 422 at `pointer` if it is not; 503 when too many wait for a hash.
pub(super) async fn hashed(
    password: Password,
    about: Vec<String>,
    pointer: &'static str,
    state: &State,
) -> Result<PasswordHash, Problem> {
    let (hasher, salt) = (state.hasher.clone(), random_bytes::<SALT_BYTES>()?);
    let work = move || {
        let about: Vec<&str> = about.iter().map(String::as_str).collect();
        password.check_strength(&about).map_err(Unhashed::TooEasy)?;
        hasher.hash(&password, &salt).map_err(Unhashed::Hash)
    };
    state.hashing.run(work).await?.map_err(|unhashed| match unhashed {
        Unhashed::Hash(error) => error.into(),
        Unhashed::TooEasy(error) => Problem::invalid_input(vec![FieldError {
            pointer: pointer.to_owned(),
            detail: error.to_string(),
        }]),
    })
}

/// Whether `text` is the password of an account, of which the hash is `stored`. Without one the answer is no, after the same
/// time.
///
/// # Errors
/// 503 when too many wait for a hash.
pub(super) async fn is_right(
    text: SecretString,
    account: Option<AccountId>,
    stored: Option<PasswordHash>,
    state: &State,
) -> Result<bool, Problem> {
    let (hasher, shown, of_account) = (state.hasher.clone(), text.clone(), stored.clone());
    let verify = move || hasher.verify(shown.expose_secret(), of_account.as_ref());
    let is_right = state.hashing.run(verify).await?;
    if let (true, Some(account), Some(stored)) = (is_right, account, stored)
        && state.hasher.is_outdated(&stored)
        && let Err(problem) = hash_again(text, account, stored, state).await
    {
        // It is as good as before, and the next login tries again.
        tracing::warn!(
            event = event::REHASH_FAILED,
            %account,
            error = problem.slug().as_str(),
            "a password could not be hashed anew under today's cost"
        );
    }
    Ok(is_right)
}

async fn hash_again(
    text: SecretString,
    account: AccountId,
    stored: PasswordHash,
    state: &State,
) -> Result<(), Problem> {
    let (hasher, salt) = (state.hasher.clone(), random_bytes::<SALT_BYTES>()?);
    let work = move || hasher.hash_again(text.expose_secret(), &salt);
    let new = state.hashing.run(work).await??;
    let write = state.store.write(move |tx| {
        accounts::set_password_hash(tx.connection(), account, &stored, &new).map_err(Abort::<()>::Store)
    });
    match write.await {
        Ok(_) | Err(Abort::Refused(())) => Ok(()),
        Err(Abort::Store(error)) => Err(error.into()),
    }
}
