//! `password.reset`: the mail with the link that sets another password.
//!
//! Guarantees: whether the address has an account is looked up here, and not by the request, which writes the same for every
//! address: this job. The reset's id is that of the job, so that a job that is run again enters no second one, and mails the
//! same link; a link that was used, or became void, is not mailed again. The job holds no secret: the token is derived from the
//! id when the mail is sent.
//!
//! A reset is good for ten minutes from when its mail is handed over, so that a slow relay takes nothing of them; one that could
//! not be mailed within an hour is given up, since nobody waits for it any more.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::account_mail::{send, skipped, unreadable};
use super::postbox::{MAIL_ATTEMPTS_MAX, MAIL_BACKOFF, MAIL_TIMEOUT, Postbox};
use crate::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::{JobId, PasswordResetId};
use crate::domain::job::{Backoff, Queue, WhenUncertain};
use crate::domain::security::SecurityEvent;
use crate::domain::token::TokenHash;
use crate::jobs::{JobContext, Kind, Outcome};
use crate::keyring::{KeyId, KeyRing};
use crate::store::accounts::{self, Account};
use crate::store::password_resets::{self, Entered, PasswordReset};
use crate::store::security::{self, NewSecurityEvent};
use crate::store::{Abort, Held, Store};

/// What the token of a reset is derived for.
pub const RESET_PURPOSE: &str = "password-reset";

/// How long a link is good for.
pub const RESET_TTL: Duration = Duration::from_secs(10 * 60);

/// How long after it was asked for a link is still mailed. What was used or is void is kept for longer than that.
const MAILED_WITHIN: Duration = Duration::from_secs(3600);

/// Sends the mail that sets another password.
pub struct ResetMail {
    postbox: Postbox,
    store: Store,
    keys: Arc<KeyRing>,
    /// The link without its token.
    link: String,
}

/// For which address.
#[derive(Debug, Serialize, Deserialize)]
pub struct ResetMailArgs {
    /// The address, as somebody typed it. It may have no account.
    pub email: EmailAddress,
}

/// The reset is no longer this attempt's to mail.
struct Stopped;

impl ResetMail {
    /// Sends by `postbox`; `page_url` is the page that the link leads to.
    #[must_use]
    pub fn new(postbox: Postbox, store: Store, keys: Arc<KeyRing>, page_url: &str) -> Self {
        Self {
            postbox,
            store,
            keys,
            link: format!("{page_url}?token="),
        }
    }

    /// The id of the reset that this job makes.
    #[must_use]
    pub const fn id_of(job: JobId) -> PasswordResetId {
        PasswordResetId::from_bits(job.as_uuid().as_u128())
    }

    /// Enters the reset, and answers the account and the key that its token is derived with.
    async fn enter(&self, email: EmailAddress, ctx: &JobContext) -> Result<(Account, KeyId), Outcome> {
        let (id, now, job, fence) = (Self::id_of(ctx.job()), ctx.now(), ctx.job(), ctx.fence());
        let (key_id, token) = self.keys.derive(RESET_PURPOSE, &id.to_string());
        let token_hash = TokenHash::of(token.expose_secret());
        let write = self.store.write(move |tx| {
            let Some(found) = accounts::by_email(tx.connection(), &email)? else {
                return Ok(None);
            };
            // Held, and looked at once more: the change to another address makes void what was entered before it, and what
            // comes after it must not be mailed to the old one.
            let account = accounts::locked(tx.connection(), found.id)?;
            let Some(account) = account.filter(|account| account.email.canonical() == found.email.canonical()) else {
                return Ok(None);
            };
            let new = PasswordReset {
                id,
                workspace: account.workspace,
                account: account.id,
                token_hash,
                key_id: key_id.clone(),
                created_at: now,
                expires_at: now.plus(RESET_TTL),
            };
            let entered = password_resets::enter(tx.connection(), &new)?;
            if entered == Entered::New {
                security::note(tx, &mailed(&account, now))?;
            }
            match tx.hold(job, fence)? {
                Held::Yes { .. } => Ok(Some((account, entered, key_id.clone()))),
                Held::No => Err(Abort::Refused(Stopped)),
            }
        });
        match write.await {
            Ok(None) => Err(skipped("no account has this address")),
            Ok(Some((account, entered, key_id))) => match entered {
                Entered::New => Ok((account, key_id)),
                Entered::Again(key_id) => Ok((account, key_id)),
                Entered::Void => Err(skipped("the link was used, or is void")),
            },
            Err(Abort::Refused(Stopped)) => Err(Outcome::Cancelled),
            Err(Abort::Store(error)) => Err(unreadable("the account", &error)),
        }
    }
}

/// That a link is mailed, as it is written down. Who asked for it is known to the request's own log line alone.
fn mailed(account: &Account, at: Timestamp) -> NewSecurityEvent {
    NewSecurityEvent {
        at,
        workspace: account.workspace,
        account: Some(account.id),
        event: SecurityEvent::ResetMailed,
        network: None,
        user_agent: None,
        request_id: None,
        detail: json!({}),
    }
}

impl Kind for ResetMail {
    type Args = ResetMailArgs;

    const NAME: &'static str = "password.reset";
    const QUEUE: Queue = Queue::Mail;
    const MAX_ATTEMPTS: u32 = MAIL_ATTEMPTS_MAX;
    const TIMEOUT: Duration = MAIL_TIMEOUT;
    const BACKOFF: Backoff = MAIL_BACKOFF;

    fn when_uncertain(&self, _args: &ResetMailArgs) -> WhenUncertain {
        // The same link twice is better than none.
        WhenUncertain::Repeat
    }

    async fn perform(&self, args: ResetMailArgs, ctx: JobContext) -> Outcome {
        if ctx.now().since(ctx.accepted_at()) >= MAILED_WITHIN {
            return skipped("it was asked for too long ago");
        }
        let (account, key_id) = match self.enter(args.email, &ctx).await {
            Ok(entered) => entered,
            Err(outcome) => return outcome,
        };
        let subject = Self::id_of(ctx.job()).to_string();
        let Some(token) = self.keys.derive_with(&key_id, RESET_PURPOSE, &subject) else {
            return Outcome::permanent("the key under which the link was made is no longer in the key ring");
        };
        let link = format!("{}{}", self.link, token.expose_secret());
        let data = json!({ "name": account.name, "link": link });
        // To the address of the account, and not as a stranger wrote it.
        send(&self.postbox, "password-reset", &data, account.email, &ctx).await
    }
}
