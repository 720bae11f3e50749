//! The second factor of one's own account: an app that shows codes, and recovery codes for when it is lost.
//!
//! Guarantees: it is asked for only once a first code has shown that the app has it; the secret is kept sealed for the account,
//! so that a copy of the database alone makes no codes and one account's secret is of no use in another's row; recovery codes are
//! kept as hashes and shown once. Turning it on ends the account's other logins, which were made without it.

use actix_web::{HttpResponse, web};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::State;
use super::auth::{ConfirmedMember, SessionMember};
use super::client::Client;
use super::failure::or_refused;
use super::http::{Fields, Problem, RequestId, StrictJson};
use super::openapi::SecondFactorCode;
use super::security_log::Happening;
use super::then::Then;
use crate::domain::id::SessionId;
use crate::domain::recovery::{RECOVERY_CODES, RecoveryCode};
use crate::domain::second_factor::ShownCode;
use crate::domain::security::SecurityEvent;
use crate::domain::token::{EntropyError, TokenHash};
use crate::domain::totp::TotpSecret;
use crate::keyring::KeyRing;
use crate::store::accounts::{self, Account};
use crate::store::second_factors::{self, IsOn, SecondFactor};
use crate::store::{Abort, StoreError, Tx, sessions};

/// What secrets are sealed for.
const PURPOSE: &str = "second factor";
/// What apps show the secret under, before the account's address.
const ISSUER: &str = "Legwork";

/// Whether there is a second factor.
#[derive(Serialize, ToSchema)]
#[schema(as = SecondFactor)]
struct SecondFactorView {
    /// Whether it is asked for.
    on: bool,
    /// Recovery codes that were not used yet.
    recovery_codes_left: i64,
}

/// A second factor that is to be put into an app.
#[derive(Serialize, ToSchema)]
#[schema(as = NewSecondFactor)]
struct NewSecondFactorView {
    /// The secret in base32, to be typed into the app. Shown this once.
    secret: String,
    /// The same as a link, which apps read as a picture.
    #[schema(format = "uri")]
    uri: String,
}

/// Codes that stand in for the second factor, each once.
#[derive(Serialize, ToSchema)]
#[schema(as = RecoveryCodes)]
struct RecoveryCodesView {
    /// The codes, shown this once.
    recovery_codes: Vec<String>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = SecondFactorProof)]
#[serde(deny_unknown_fields)]
pub(super) struct CodeBody {
    /// The six digits of the app, or a recovery code.
    #[schema(value_type = SecondFactorCode)]
    code: SecretString,
}

/// Tells whether the account has a second factor.
#[utoipa::path(
    get, path = "/v1/accounts/me/second-factor", tag = "accounts", security(("session" = [])),
    responses((status = 200, description = "Whether it is on.", body = SecondFactorView)),
)]
pub(super) async fn show_second_factor(
    member: SessionMember,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let id = member.account.id;
    let read = state.store.read(move |connection| {
        let factor = second_factors::of_account(connection, id)?;
        let on = factor.is_some_and(|factor| factor.confirmed_at.is_some());
        Ok((on, second_factors::codes_left(connection, id)?))
    });
    let (on, recovery_codes_left) = read.await?;
    Ok(HttpResponse::Ok().json(SecondFactorView {
        on,
        recovery_codes_left,
    }))
}

/// Makes a second factor.
///
/// It is asked for only once its first code was shown. Needs a password that was shown lately.
#[utoipa::path(
    post, path = "/v1/accounts/me/second-factor", tag = "accounts", security(("session" = [])),
    responses(
        (status = 201, description = "The secret, to be put into an app.", body = NewSecondFactorView),
        (status = 409, description = "There is one that is on."),
    ),
)]
pub(super) async fn begin_second_factor(
    member: ConfirmedMember,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let account = member.account;
    let secret = TotpSecret::generate()?;
    let (key_id, sealed_secret) = state
        .keys
        .seal(PURPOSE, &account.id.to_string(), secret.expose())
        .map_err(Problem::internal)?;
    let factor = SecondFactor {
        account: account.id,
        workspace: account.workspace,
        sealed_secret,
        key_id,
        created_at: state.clock.now(),
        confirmed_at: None,
    };
    let write = state
        .store
        .write(move |tx| second_factors::begin(tx.connection(), &factor));
    write.await.map_err(or_refused(|_is_on: IsOn| is_on()))?;
    let uri = secret.uri(ISSUER, account.email.as_str());
    let uri = uri.map_err(Problem::internal)?;
    Ok(HttpResponse::Created().json(NewSecondFactorView {
        secret: secret.base32().expose_secret().to_owned(),
        uri: uri.expose_secret().to_owned(),
    }))
}

/// Turns the second factor on, by its first code.
///
/// Ends all other logins of the account. Needs a password that was shown lately.
#[utoipa::path(
    post, path = "/v1/accounts/me/second-factor/confirm", tag = "accounts", security(("session" = [])),
    request_body(content = CodeBody, example = json!({ "code": "123456" })),
    responses(
        (status = 200, description = "It is on. The recovery codes are shown this once.", body = RecoveryCodesView),
        (status = 409, description = "There is none, or it is on already."),
        (status = 429, description = "Too many codes were wrong."),
    ),
)]
pub(super) async fn confirm_second_factor(
    Then(member, StrictJson(body)): Then<ConfirmedMember, StrictJson<CodeBody>>,
    client: Client,
    request: RequestId,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let code = checked(&body)?;
    let (account, asking, now) = (member.account, member.session.id, state.clock.now());
    let id = account.id;
    let read = state
        .store
        .read(move |connection| second_factors::of_account(connection, id));
    let factor = read.await?.filter(|factor| factor.confirmed_at.is_none());
    let factor = factor.ok_or_else(nothing_to_confirm)?;
    let happening = Happening::of(client, &request, now);
    let guess = state.wrong_codes.guess(id, now)?;
    let step = match &code {
        ShownCode::Totp(code) => totp_secret(&factor, &state.keys)?.step_of(code, now),
        // There are none yet.
        ShownCode::Recovery(_) => None,
    };
    let Some(step) = step else {
        return Err(refused(account, &happening, &state).await);
    };
    state.wrong_codes.was_right(&guess);
    let (codes, hashes) = recovery_codes()?;
    let write = state.store.write(move |tx| {
        // Held, so that a login that is under way is either among those that end or finds the factor.
        accounts::locked(tx.connection(), id)?.ok_or(Abort::Refused(()))?;
        if !second_factors::turn_on(tx.connection(), &factor, step, now)? {
            return Err(Abort::Refused(()));
        }
        second_factors::replace_codes(tx.connection(), id, account.workspace, &hashes)?;
        Ok(note_changed(
            tx,
            (&account, asking),
            &happening,
            SecurityEvent::SecondFactorOn,
        )?)
    });
    write.await.map_err(or_refused(|()| nothing_to_confirm()))?;
    Ok(HttpResponse::Ok().json(codes))
}

/// Turns the second factor off.
///
/// Its recovery codes go with it, and all other logins of the account end. Needs a password that was shown lately.
#[utoipa::path(
    delete, path = "/v1/accounts/me/second-factor", tag = "accounts", security(("session" = [])),
    request_body(content = CodeBody, example = json!({ "code": "123456" })),
    responses(
        (status = 204, description = "It is off."),
        (status = 409, description = "There is none that is on."),
        (status = 429, description = "Too many codes were wrong."),
    ),
)]
pub(super) async fn delete_second_factor(
    Then(member, StrictJson(body)): Then<ConfirmedMember, StrictJson<CodeBody>>,
    client: Client,
    request: RequestId,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let code = checked(&body)?;
    let (account, asking, now) = (member.account, member.session.id, state.clock.now());
    let id = account.id;
    let read = state
        .store
        .read(move |connection| second_factors::of_account(connection, id));
    let factor = read.await?.filter(|factor| factor.confirmed_at.is_some());
    let factor = factor.ok_or_else(is_off)?;
    let happening = Happening::of(client, &request, now);
    let (step, guess) = match &code {
        ShownCode::Totp(code) => {
            let guess = state.wrong_codes.guess(id, now)?;
            let Some(step) = totp_secret(&factor, &state.keys)?.step_of(code, now) else {
                return Err(refused(account, &happening, &state).await);
            };
            (Some(step), Some(guess))
        }
        // It cannot be guessed, and needs no secret, of which the key may be lost.
        ShownCode::Recovery(_) => (None, None),
    };
    let write = {
        let (account, happening) = (account.clone(), happening.clone());
        state.store.write(move |tx| {
            let taken = match (&code, step) {
                (ShownCode::Recovery(code), _) => second_factors::take_code(tx.connection(), id, &code.hash(), now)?,
                (ShownCode::Totp(_), Some(step)) => second_factors::take_step(tx.connection(), &factor, step)?,
                (ShownCode::Totp(_), None) => false,
            };
            if !taken || !second_factors::remove(tx.connection(), id)? {
                return Err(Abort::Refused(()));
            }
            Ok(note_changed(
                tx,
                (&account, asking),
                &happening,
                SecurityEvent::SecondFactorOff,
            )?)
        })
    };
    match write.await {
        Ok(()) => {}
        Err(Abort::Refused(())) => return Err(refused(account, &happening, &state).await),
        Err(Abort::Store(error)) => return Err(error.into()),
    }
    if let Some(guess) = &guess {
        state.wrong_codes.was_right(guess);
    }
    Ok(HttpResponse::NoContent().finish())
}

/// Makes new recovery codes; the old ones are void.
///
/// Needs a password that was shown lately.
#[utoipa::path(
    post, path = "/v1/accounts/me/second-factor/recovery-codes", tag = "accounts", security(("session" = [])),
    responses(
        (status = 200, description = "The codes, shown this once.", body = RecoveryCodesView),
        (status = 409, description = "There is no second factor that is on."),
    ),
)]
pub(super) async fn replace_recovery_codes(
    member: ConfirmedMember,
    client: Client,
    request: RequestId,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (codes, hashes) = recovery_codes()?;
    let account = member.account;
    let happening = Happening::of(client, &request, state.clock.now());
    let write = state.store.write(move |tx| {
        let factor = second_factors::of_account(tx.connection(), account.id)?;
        if factor.is_none_or(|factor| factor.confirmed_at.is_none()) {
            return Err(Abort::Refused(()));
        }
        second_factors::replace_codes(tx.connection(), account.id, account.workspace, &hashes)?;
        Ok(happening.note(tx, &account, SecurityEvent::RecoveryCodesMade, json!({}))?)
    });
    write.await.map_err(or_refused(|()| is_off()))?;
    Ok(HttpResponse::Ok().json(codes))
}

/// The secret of a second factor.
///
/// # Errors
/// 500 where the key that it was sealed with is gone.
pub(super) fn totp_secret(factor: &SecondFactor, keys: &KeyRing) -> Result<TotpSecret, Problem> {
    let subject = factor.account.to_string();
    let secret = keys.unseal(&factor.key_id, PURPOSE, &subject, &factor.sealed_secret);
    let secret = secret.and_then(|bytes| TotpSecret::from_bytes(&bytes));
    secret.ok_or_else(|| Problem::internal(Unreadable))
}

/// The secret cannot be read: the key ring is another, or somebody changed the row.
#[derive(Debug, thiserror::Error)]
#[error("the secret of a second factor cannot be opened with the keys of the ring")]
struct Unreadable;

/// Writes down that the second factor was turned on or off, and ends the logins that were made before.
fn note_changed(
    tx: &mut Tx<'_>,
    (account, asking): (&Account, SessionId),
    happening: &Happening,
    event: SecurityEvent,
) -> Result<(), StoreError> {
    let ended = sessions::remove_others(tx.connection(), account.id, Some(asking))?;
    happening.note(tx, account, event, json!({ "ended": ended }))
}

fn checked(body: &CodeBody) -> Result<ShownCode, Problem> {
    let mut fields = Fields::new();
    let code = fields.check("/code", ShownCode::parse(body.code.expose_secret()));
    fields.finish_with(code)
}

/// New codes, and what is kept of them.
fn recovery_codes() -> Result<(RecoveryCodesView, Vec<TokenHash>), EntropyError> {
    let codes = (0..RECOVERY_CODES).map(|_| RecoveryCode::generate());
    let codes = codes.collect::<Result<Vec<_>, _>>()?;
    let shown = codes.iter().map(|code| code.shown().expose_secret().to_owned());
    let view = RecoveryCodesView {
        recovery_codes: shown.collect(),
    };
    Ok((view, codes.iter().map(RecoveryCode::hash).collect()))
}

fn is_on() -> Problem {
    Problem::conflict("the account has a second factor; turn it off first, to make another")
}

fn is_off() -> Problem {
    Problem::conflict("the account has no second factor that is on")
}

fn nothing_to_confirm() -> Problem {
    Problem::conflict("there is no second factor that waits for its first code")
}

/// The answer to a wrong code, which is written down.
async fn refused(account: Account, happening: &Happening, state: &State) -> Problem {
    let happening = happening.clone();
    let write = state.store.write(move |tx| {
        let detail = json!({ "why": "code" });
        Ok::<_, Abort<StoreError>>(happening.note(tx, &account, SecurityEvent::ConfirmationRefused, detail)?)
    });
    let noted = write.await.map_err(or_refused(Problem::from));
    noted.err().unwrap_or_else(wrong_code)
}

/// Not a 401: whoever asks is known.
fn wrong_code() -> Problem {
    Problem::invalid_input(vec![super::http::FieldError {
        pointer: "/code".to_owned(),
        detail: "is wrong, too old, or was used before".to_owned(),
    }])
}
