//! Proving who one is: the password, and the second factor where there is one.
//!
//! Guarantees: an unknown address and a wrong password get the same answer after the same work: one read, one hash, and one
//! write of what happened, unless a flood of them has used up what is written down in a minute. The code is looked at only
//! after the password was right, and taken in the transaction of what it is shown for: so that each is taken once, and nothing
//! is done with a password that was changed, or without a second factor that was turned on, meanwhile.

use secrecy::SecretString;
use serde_json::{Value, json};

use crate::api::State;
use crate::api::failure::or_refused;
use crate::api::http::{Problem, Slug};
use crate::api::passwords;
use crate::api::second_factor::totp_secret;
use crate::api::security_log::Happening;
use crate::api::wrong_codes::Guess;
use crate::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::second_factor::ShownCode;
use crate::domain::security::SecurityEvent;
use crate::domain::token::TokenHash;
use crate::store::accounts::{self, Account};
use crate::store::second_factors::{self, SecondFactor};
use crate::store::{Abort, StoreError, Tx};

/// What somebody shows.
pub(super) struct Shown {
    pub(super) email: EmailAddress,
    pub(super) password: SecretString,
    pub(super) code: Option<ShownCode>,
}

/// Who has proved to be who they are, but for what only a transaction can tell.
pub(super) struct Proven {
    pub(super) account: Account,
    /// When the password that was shown had been set.
    password_set_at: Option<Timestamp>,
    factor: Factor,
    /// The code that is being looked at.
    guess: Option<Guess>,
}

/// How the second factor was shown.
#[derive(Clone)]
enum Factor {
    /// There is none that is on.
    Off,
    /// By the app, in this step.
    Step(SecondFactor, i64),
    /// By a recovery code.
    Recovery(TokenHash),
}

/// Why a proof is none after all.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lost {
    /// A second factor was turned on meanwhile.
    CodeMissing,
    /// The code was wrong, or was used before.
    Code,
    /// The password was changed meanwhile.
    Changed,
    /// What the proof was for is gone meanwhile.
    Gone,
}

/// How a refusal is told: to the one who asks, and in the security log.
#[derive(Clone, Copy)]
pub(super) struct Words {
    /// What is said of a wrong password.
    pub(super) refused: &'static str,
    /// What happened.
    pub(super) event: SecurityEvent,
}

/// Looks at what is shown. What was wrong is written down.
///
/// # Errors
/// 401 if it is wrong, or a code is missing; 429 if too many codes were wrong.
pub(super) async fn prove(shown: Shown, words: Words, happening: &Happening, state: &State) -> Result<Proven, Problem> {
    let Shown { email, password, code } = shown;
    let found = state
        .store
        .read(move |connection| accounts::with_password(connection, &email))
        .await?;
    let (account, stored, password_set_at) = match found {
        Some((account, stored, set_at)) => (Some(account), Some(stored), Some(set_at)),
        None => (None, None, None),
    };
    let id = account.as_ref().map(|account| account.id);
    let good = passwords::is_right(password, id, stored, state).await?;
    let account = match account {
        Some(account) if good => account,
        account => {
            note_refusal(account, "password", words, happening, state).await?;
            return Err(Problem::unauthenticated(words.refused));
        }
    };
    let id = account.id;
    let factor = state
        .store
        .read(move |connection| second_factors::of_account(connection, id))
        .await?;
    let mut proven = Proven {
        account,
        password_set_at,
        factor: Factor::Off,
        guess: None,
    };
    let Some(factor) = factor.filter(|factor| factor.confirmed_at.is_some()) else {
        return Ok(proven);
    };
    proven.factor = match code {
        None => {
            // Somebody has the password: its owner is to find that even if no code follows.
            note_refusal(Some(proven.account), "code missing", words, happening, state).await?;
            return Err(code_missing());
        }
        Some(ShownCode::Recovery(code)) => Factor::Recovery(code.hash()),
        Some(ShownCode::Totp(code)) => {
            let now = state.clock.now();
            proven.guess = Some(state.wrong_codes.guess(id, now)?);
            match totp_secret(&factor, &state.keys)?.step_of(&code, now) {
                Some(step) => Factor::Step(factor, step),
                None => return Err(proven.refused(Lost::Code, words, happening, state).await),
            }
        }
    };
    Ok(proven)
}

impl Proven {
    /// What is left to be looked at, and taken, in the transaction of what the proof is for.
    pub(super) fn claim(&self) -> Claim {
        Claim {
            account: self.account.clone(),
            password_set_at: self.password_set_at,
            factor: self.factor.clone(),
        }
    }

    /// Says that what the proof was for was done.
    pub(super) fn was_good(&self, state: &State) {
        if let Some(guess) = &self.guess {
            state.wrong_codes.was_right(guess);
        }
    }

    /// The answer where it was no proof after all, which is written down.
    pub(super) async fn refused(&self, lost: Lost, words: Words, happening: &Happening, state: &State) -> Problem {
        match lost {
            Lost::CodeMissing => code_missing(),
            Lost::Changed | Lost::Gone => Problem::conflict("the account was changed meanwhile; log in again"),
            Lost::Code => {
                let noted = note_refusal(Some(self.account.clone()), "code", words, happening, state).await;
                let wrong =
                    Problem::unauthenticated("the code is wrong, too old, or was used before; wait for the next one");
                noted.err().unwrap_or(wrong)
            }
        }
    }
}

/// What a transaction takes of a proof. It may be run more than once.
pub(super) struct Claim {
    account: Account,
    password_set_at: Option<Timestamp>,
    factor: Factor,
}

impl Claim {
    /// Takes it. Whoever enters a login enters it first: the row of a login holds its account's, so that a change of what is looked
    /// at here either came before, and is seen, or comes after, and finds the login.
    ///
    /// # Errors
    /// [`Lost`] if it is no proof any more.
    pub(super) fn take(&self, tx: &mut Tx<'_>, happening: &Happening, now: Timestamp) -> Result<(), Abort<Lost>> {
        let id = self.account.id;
        let set_at = accounts::password_set_at(tx.connection(), id)?;
        if set_at.is_none() || set_at != self.password_set_at {
            return Err(Abort::Refused(Lost::Changed));
        }
        let taken = match &self.factor {
            Factor::Off => {
                let found = second_factors::of_account(tx.connection(), id)?;
                if found.is_some_and(|factor| factor.confirmed_at.is_some()) {
                    return Err(Abort::Refused(Lost::CodeMissing));
                }
                true
            }
            Factor::Step(factor, step) => second_factors::take_step(tx.connection(), factor, *step)?,
            Factor::Recovery(code) => self.take_recovery(tx, code, happening, now)?,
        };
        taken.then_some(()).ok_or(Abort::Refused(Lost::Code))
    }

    fn take_recovery(
        &self,
        tx: &mut Tx<'_>,
        code: &TokenHash,
        happening: &Happening,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let id = self.account.id;
        if !second_factors::take_code(tx.connection(), id, code, now)? {
            return Ok(false);
        }
        let left = second_factors::codes_left(tx.connection(), id)?;
        happening.note(
            tx,
            &self.account,
            SecurityEvent::RecoveryCodeUsed,
            json!({ "left": left }),
        )?;
        Ok(true)
    }
}

fn code_missing() -> Problem {
    Problem::new(
        Slug::SecondFactorRequired,
        "send the same again with `code`: the six digits of the app, or a recovery code",
    )
    .with_header(
        actix_web::http::header::WWW_AUTHENTICATE,
        actix_web::http::header::HeaderValue::from_static("Bearer"),
    )
}

/// Writes down that it was refused: one row in one commit, whether or not there is an account. Of a flood of wrong passwords at
/// logins, only the first of each minute are.
async fn note_refusal(
    account: Option<Account>,
    why: &'static str,
    words: Words,
    happening: &Happening,
    state: &State,
) -> Result<(), Problem> {
    // Strangers can have as many as they like; asked before it matters whether there is an account. Not so whoever has the password:
    // their codes are all written down.
    let is_anybodys = words.event == SecurityEvent::LoginRefused && why == "password";
    if is_anybodys && !state.throttle.keeps_refusal() {
        return Ok(());
    }
    let happening = happening.clone();
    let detail: Value = json!({ "why": why });
    let write = state.store.write(move |tx| {
        match &account {
            Some(account) => happening.note(tx, account, words.event, detail.clone())?,
            None => happening.note_of_nobody(tx, words.event)?,
        }
        Ok::<_, Abort<StoreError>>(())
    });
    write.await.map_err(or_refused(Problem::from))
}
