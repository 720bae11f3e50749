//! `account.change_address`: the mail with the link that confirms another address of an account, to that address.
//!
//! The job holds the id of the change and no secret: the token in the link is derived when the mail is sent, under the key that
//! is recorded with the change.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::account_mail::{account, send, skipped, unreadable};
use super::postbox::{MAIL_ATTEMPTS_MAX, MAIL_BACKOFF, MAIL_TIMEOUT, Postbox};
use crate::domain::id::AddressChangeId;
use crate::domain::job::{Backoff, Queue, WhenUncertain};
use crate::jobs::{JobContext, Kind, Outcome};
use crate::keyring::KeyRing;
use crate::store::{Store, address_changes};

/// What the token of a change of address is derived for.
pub const ADDRESS_PURPOSE: &str = "address-change";

/// Sends the mail that confirms another address.
pub struct AddressMail {
    postbox: Postbox,
    store: Store,
    keys: Arc<KeyRing>,
    /// The link without its token.
    link: String,
}

/// For which change.
#[derive(Debug, Serialize, Deserialize)]
pub struct AddressMailArgs {
    /// The change.
    pub change: AddressChangeId,
}

impl AddressMail {
    /// Sends by `postbox` what `store` has; `page_url` is the page that the link leads to.
    #[must_use]
    pub fn new(postbox: Postbox, store: Store, keys: Arc<KeyRing>, page_url: &str) -> Self {
        Self {
            postbox,
            store,
            keys,
            link: format!("{page_url}?token="),
        }
    }
}

impl Kind for AddressMail {
    type Args = AddressMailArgs;

    const NAME: &'static str = "account.change_address";
    const QUEUE: Queue = Queue::Mail;
    const MAX_ATTEMPTS: u32 = MAIL_ATTEMPTS_MAX;
    const TIMEOUT: Duration = MAIL_TIMEOUT;
    const BACKOFF: Backoff = MAIL_BACKOFF;

    fn when_uncertain(&self, _args: &AddressMailArgs) -> WhenUncertain {
        // A person who waits for a link is better served by two mails than by none.
        WhenUncertain::Repeat
    }

    async fn perform(&self, args: AddressMailArgs, ctx: JobContext) -> Outcome {
        let now = ctx.now();
        let read = self
            .store
            .read(move |connection| address_changes::waiting(connection, args.change, now));
        let change = match read.await {
            Ok(Some(change)) => change,
            Ok(None) => return skipped("the change was confirmed, replaced, or has expired"),
            Err(error) => return unreadable("the change of address", &error),
        };
        let account = match account(&self.store, change.account).await {
            Ok(account) => account,
            Err(outcome) => return outcome,
        };
        let subject = change.id.to_string();
        let Some(token) = self.keys.derive_with(&change.key_id, ADDRESS_PURPOSE, &subject) else {
            return Outcome::permanent("the key under which the link was made is no longer in the key ring");
        };
        let link = format!("{}{}", self.link, token.expose_secret());
        let data = json!({ "name": account.name, "link": link });
        send(&self.postbox, "confirm-address", &data, change.email, &ctx).await
    }
}
