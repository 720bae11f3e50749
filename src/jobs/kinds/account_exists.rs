//! `account.exists`: the mail to the owner of an address that somebody tried to register again, or to make that of another
//! account.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::postbox::{MAIL_ATTEMPTS_MAX, MAIL_BACKOFF, MAIL_TIMEOUT, Postbox, Sending, untemplatable};
use crate::domain::id::AccountId;
use crate::domain::job::{Backoff, Queue, WhenUncertain};
use crate::jobs::{JobContext, Kind, Outcome};
use crate::store::{Store, accounts};
use crate::telemetry;

/// Tells an account's owner that it exists.
pub struct AccountExists {
    postbox: Postbox,
    store: Store,
    link: String,
}

/// Which account.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccountExistsArgs {
    /// The account.
    pub account: AccountId,
}

impl AccountExists {
    /// Sends by `postbox`; `public_url` is where the service is reached.
    #[must_use]
    pub fn new(postbox: Postbox, store: Store, public_url: &str) -> Self {
        Self {
            postbox,
            store,
            link: public_url.to_owned(),
        }
    }
}

impl Kind for AccountExists {
    type Args = AccountExistsArgs;

    const NAME: &'static str = "account.exists";
    const QUEUE: Queue = Queue::Mail;
    const MAX_ATTEMPTS: u32 = MAIL_ATTEMPTS_MAX;
    const TIMEOUT: Duration = MAIL_TIMEOUT;
    const BACKOFF: Backoff = MAIL_BACKOFF;

    fn when_uncertain(&self, _args: &AccountExistsArgs) -> WhenUncertain {
        WhenUncertain::Repeat
    }

    async fn perform(&self, args: AccountExistsArgs, ctx: JobContext) -> Outcome {
        let account = match self
            .store
            .read(move |connection| accounts::by_id(connection, args.account))
            .await
        {
            Ok(Some(account)) => account,
            Ok(None) => return Outcome::Completed(Some(json!({ "skipped": "the account is gone" }))),
            Err(error) => {
                return Outcome::retry(format!("the account could not be read: {}", telemetry::chain(&error)));
            }
        };
        let data = json!({ "name": account.name, "link": self.link });
        match self.postbox.own_content("account-exists", &data).await {
            Ok(content) => self.postbox.send(Sending::own(account.email, content), &ctx).await,
            Err(error) => untemplatable(&error),
        }
    }
}
