//! `account.verify`: the welcome mail with the link that verifies an address.
//!
//! The job holds the registration's id and no secret: the token in the link is derived when the mail is sent, under the key
//! that is recorded with the registration.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::postbox::{MAIL_ATTEMPTS_MAX, MAIL_BACKOFF, MAIL_TIMEOUT, Postbox, Sending, untemplatable};
use crate::domain::id::RegistrationId;
use crate::domain::job::{Backoff, Queue, WhenUncertain};
use crate::jobs::{JobContext, Kind, Outcome};
use crate::keyring::KeyRing;
use crate::store::{Store, registrations};
use crate::telemetry;

/// What the token of a registration is derived for.
pub const TOKEN_PURPOSE: &str = "registration";

/// Sends the mail that verifies an address.
pub struct RegistrationMail {
    postbox: Postbox,
    store: Store,
    keys: Arc<KeyRing>,
    /// The link without its token.
    link: String,
}

/// For which registration.
#[derive(Debug, Serialize, Deserialize)]
pub struct RegistrationMailArgs {
    /// The registration.
    pub registration: RegistrationId,
}

impl RegistrationMail {
    /// Sends by `postbox` what `store` has registered; `verify_url` is the page that the link leads to.
    #[must_use]
    pub fn new(postbox: Postbox, store: Store, keys: Arc<KeyRing>, verify_url: &str) -> Self {
        Self {
            postbox,
            store,
            keys,
            link: format!("{verify_url}?token="),
        }
    }
}

impl Kind for RegistrationMail {
    type Args = RegistrationMailArgs;

    const NAME: &'static str = "account.verify";
    const QUEUE: Queue = Queue::Mail;
    const MAX_ATTEMPTS: u32 = MAIL_ATTEMPTS_MAX;
    const TIMEOUT: Duration = MAIL_TIMEOUT;
    const BACKOFF: Backoff = MAIL_BACKOFF;

    fn when_uncertain(&self, _args: &RegistrationMailArgs) -> WhenUncertain {
        // A person who waits for a link is better served by two mails than by none.
        WhenUncertain::Repeat
    }

    async fn perform(&self, args: RegistrationMailArgs, ctx: JobContext) -> Outcome {
        let now = ctx.now();
        let found = self
            .store
            .read(move |connection| registrations::waiting(connection, args.registration, now))
            .await;
        let registration = match found {
            Ok(Some(registration)) => registration,
            Ok(None) => {
                return Outcome::Completed(Some(
                    json!({ "skipped": "the registration was verified or has expired" }),
                ));
            }
            Err(error) => {
                return Outcome::retry(format!(
                    "the registration could not be read: {}",
                    telemetry::chain(&error)
                ));
            }
        };
        let subject = registration.id.to_string();
        let Some(token) = self.keys.derive_with(&registration.key_id, TOKEN_PURPOSE, &subject) else {
            return Outcome::permanent("the key under which the link was made is no longer in the key ring");
        };
        let link = format!("{}{}", self.link, token.expose_secret());
        let data = json!({ "name": registration.name, "link": link });
        match self.postbox.own_content("welcome", &data).await {
            Ok(content) => self.postbox.send(Sending::own(registration.email, content), &ctx).await,
            Err(error) => untemplatable(&error),
        }
    }
}
