//! `account.new_device`: the mail to the owner of an account that somebody logged in to by a browser or program that had not
//! before.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::postbox::{MAIL_ATTEMPTS_MAX, MAIL_BACKOFF, MAIL_TIMEOUT, Postbox, Sending, untemplatable};
use crate::domain::email::breaks_a_line;
use crate::domain::id::{AccountId, DeviceId};
use crate::domain::job::{Backoff, Queue, WhenUncertain};
use crate::jobs::{JobContext, Kind, Outcome};
use crate::store::accounts::{self, Account};
use crate::store::devices::{self, Device};
use crate::store::{Connection, Store, StoreError};
use crate::telemetry;

/// Tells an account's owner of a new device.
pub struct NewDeviceMail {
    postbox: Postbox,
    store: Store,
    link: String,
}

/// Of which device.
#[derive(Debug, Serialize, Deserialize)]
pub struct NewDeviceMailArgs {
    /// The account.
    pub account: AccountId,
    /// The device.
    pub device: DeviceId,
}

impl NewDeviceMail {
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

impl Kind for NewDeviceMail {
    type Args = NewDeviceMailArgs;

    const NAME: &'static str = "account.new_device";
    const QUEUE: Queue = Queue::Mail;
    const MAX_ATTEMPTS: u32 = MAIL_ATTEMPTS_MAX;
    const TIMEOUT: Duration = MAIL_TIMEOUT;
    const BACKOFF: Backoff = MAIL_BACKOFF;

    fn when_uncertain(&self, _args: &NewDeviceMailArgs) -> WhenUncertain {
        // Told twice is better than not told.
        WhenUncertain::Repeat
    }

    async fn perform(&self, args: NewDeviceMailArgs, ctx: JobContext) -> Outcome {
        let (account, device) = match self.store.read(move |connection| found(connection, &args)).await {
            Ok(Some(found)) => found,
            Ok(None) => return Outcome::Completed(Some(json!({ "skipped": "the account or the device is gone" }))),
            Err(error) => {
                return Outcome::retry(format!("the device could not be read: {}", telemetry::chain(&error)));
            }
        };
        let data = data(&account.name, &device, &self.link);
        match self.postbox.own_content("new-device", &data).await {
            Ok(content) => self.postbox.send(Sending::own(account.email, content), &ctx).await,
            Err(error) => untemplatable(&error),
        }
    }
}

fn found(connection: &mut Connection, args: &NewDeviceMailArgs) -> Result<Option<(Account, Device)>, StoreError> {
    let account = accounts::by_id(connection, args.account)?;
    Ok(account.zip(devices::one(connection, args.device, args.account)?))
}

/// The fields of the template. How the program calls itself is a stranger's text, and may be none that fits a line.
fn data(name: &str, device: &Device, link: &str) -> Value {
    let line = |text: Option<&str>| {
        let text: String = text
            .unwrap_or_default()
            .chars()
            .filter(|character| !breaks_a_line(*character))
            .collect();
        if text.trim().is_empty() {
            "not known".to_owned()
        } else {
            text
        }
    };
    json!({
        "name": name,
        "at": device.created_at.to_string(),
        "network": line(device.network.as_deref()),
        "program": line(device.user_agent.as_deref()),
        "link": link,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::mail::Templates;

    #[test]
    fn the_mail_says_when_where_and_by_what_and_a_strangers_text_is_only_text() {
        let at = Timestamp::from_micros(1_700_000_000_000_000);
        let device = |program: &str| Device {
            id: DeviceId::generate(),
            account: AccountId::generate(),
            user_agent: Some(program.into()),
            network: None,
            created_at: at,
            last_used_at: at,
        };
        let odd = data(
            "Ada",
            &device("<b>Mozilla</b>\t\u{202e}{{ link }}"),
            "https://legwork.example",
        );
        let content = Templates::new().unwrap().render_own("new-device", &odd).unwrap();
        assert!(content.text.contains("<b>Mozilla</b>{{ link }}"), "{}", content.text);
        assert!(content.text.contains("2023-11-14T22:13:20") && content.text.contains("not known"));
        let html = content.html.unwrap();
        assert!(html.contains("&lt;b&gt;") && !html.contains("<b>"), "{html}");
        assert_eq!(data("Ada", &device(" \t"), "x")["program"], "not known");
    }
}
