//! Mails that tell the owner of an account what was done to it, so that a stranger cannot do it unseen: `account.address_changed`
//! to the address that was, `account.password_changed`, and `account.deletion_asked`.

use std::marker::PhantomData;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::account_mail::{account, send, skipped};
use super::postbox::{MAIL_ATTEMPTS_MAX, MAIL_BACKOFF, MAIL_TIMEOUT, Postbox};
use crate::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::AccountId;
use crate::domain::job::{Backoff, Queue, WhenUncertain};
use crate::jobs::{JobContext, Kind, Outcome};
use crate::store::Store;
use crate::store::accounts::Account;

/// Something that is told: the arguments of its job.
pub trait Told: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name of the kind.
    const KIND: &'static str;
    /// The template of the mail.
    const TEMPLATE: &'static str;

    /// Whose account it is about.
    fn account(&self) -> AccountId;

    /// To which address, of an account that is so now.
    fn to(&self, account: &Account) -> EmailAddress {
        account.email.clone()
    }

    /// Whether it is still so; if not, nothing is sent.
    fn holds(&self, account: &Account) -> bool {
        let _ = account;
        true
    }

    /// The fields of the template; `link` is where the service is reached.
    fn data(&self, account: &Account, link: &str) -> Value {
        json!({ "name": account.name, "link": link })
    }
}

/// The address was changed; told to the one that was.
#[derive(Debug, Serialize, Deserialize)]
pub struct AddressChangedArgs {
    /// The account.
    pub account: AccountId,
    /// The address that was. The account knows it no more.
    pub old: EmailAddress,
}

/// The password was changed or reset.
#[derive(Debug, Serialize, Deserialize)]
pub struct PasswordChangedArgs {
    /// The account.
    pub account: AccountId,
}

/// The deletion of the account was asked for.
#[derive(Debug, Serialize, Deserialize)]
pub struct DeletionAskedArgs {
    /// The account.
    pub account: AccountId,
    /// When it is to go.
    pub deletion_at: Timestamp,
}

impl Told for AddressChangedArgs {
    const KIND: &'static str = "account.address_changed";
    const TEMPLATE: &'static str = "address-changed";

    fn account(&self) -> AccountId {
        self.account
    }

    fn to(&self, _account: &Account) -> EmailAddress {
        self.old.clone()
    }

    fn data(&self, account: &Account, link: &str) -> Value {
        json!({ "name": account.name, "address": account.email.masked(), "link": link })
    }
}

impl Told for PasswordChangedArgs {
    const KIND: &'static str = "account.password_changed";
    const TEMPLATE: &'static str = "password-changed";

    fn account(&self) -> AccountId {
        self.account
    }
}

impl Told for DeletionAskedArgs {
    const KIND: &'static str = "account.deletion_asked";
    const TEMPLATE: &'static str = "deletion-asked";

    fn account(&self) -> AccountId {
        self.account
    }

    fn holds(&self, account: &Account) -> bool {
        account.deletion_at == Some(self.deletion_at)
    }

    fn data(&self, account: &Account, link: &str) -> Value {
        json!({ "name": account.name, "at": self.deletion_at.to_string(), "link": link })
    }
}

/// Tells the owner of an account what its arguments say.
pub struct Notice<A> {
    postbox: Postbox,
    store: Store,
    link: String,
    args: PhantomData<fn() -> A>,
}

impl<A: Told> Notice<A> {
    /// Sends by `postbox`; `public_url` is where the service is reached.
    #[must_use]
    pub fn new(postbox: Postbox, store: Store, public_url: &str) -> Self {
        Self {
            postbox,
            store,
            link: public_url.to_owned(),
            args: PhantomData,
        }
    }
}

impl<A: Told> Kind for Notice<A> {
    type Args = A;

    const NAME: &'static str = A::KIND;
    const QUEUE: Queue = Queue::Mail;
    const MAX_ATTEMPTS: u32 = MAIL_ATTEMPTS_MAX;
    const TIMEOUT: Duration = MAIL_TIMEOUT;
    const BACKOFF: Backoff = MAIL_BACKOFF;

    fn when_uncertain(&self, _args: &A) -> WhenUncertain {
        // Told twice is better than not told.
        WhenUncertain::Repeat
    }

    async fn perform(&self, args: A, ctx: JobContext) -> Outcome {
        let account = match account(&self.store, args.account()).await {
            Ok(account) => account,
            Err(outcome) => return outcome,
        };
        if !args.holds(&account) {
            return skipped("it is no longer so");
        }
        let data = args.data(&account, &self.link);
        send(&self.postbox, A::TEMPLATE, &data, args.to(&account), &ctx).await
    }
}
