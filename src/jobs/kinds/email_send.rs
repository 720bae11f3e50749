//! `email.send`: a mail that a client asked for.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::postbox::{MAIL_ATTEMPTS_MAX, MAIL_BACKOFF, MAIL_TIMEOUT, Postbox, Sending, untemplatable};
use crate::domain::email::{EmailAddress, Subject};
use crate::domain::job::{Backoff, Queue, WhenUncertain};
use crate::domain::stream::Stream;
use crate::jobs::{JobContext, Kind, Outcome, UsedTemplate};
use crate::mail::Content;

/// Sends one mail.
pub struct EmailSend {
    postbox: Postbox,
}

/// Which mail.
#[derive(Debug, Serialize, Deserialize)]
pub struct EmailSendArgs {
    /// The recipients, all in one mail.
    pub to: Vec<EmailAddress>,
    /// What it says.
    pub body: EmailBody,
    /// The stream that it belongs to.
    #[serde(default)]
    pub stream: Stream,
    /// What is worse for this mail: twice, or not at all.
    pub when_uncertain: WhenUncertain,
    /// By which template its words were made, if one did. It changes nothing of the mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<MadeBy>,
}

/// A template that made a mail when it was accepted, and what it was given.
#[derive(Debug, Serialize, Deserialize)]
pub struct MadeBy {
    /// Which.
    pub template: UsedTemplate,
    /// The data.
    pub data: Value,
}

/// What a mail says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmailBody {
    /// These words.
    Written {
        /// What it is about; a [`Subject`].
        subject: String,
        /// The plain text.
        text: String,
        /// The same as HTML.
        html: Option<String>,
    },
    /// A built-in template with these fields, which were found to be right.
    Template {
        /// Its name.
        name: String,
        /// Its fields.
        data: Value,
    },
}

impl EmailSend {
    /// Sends by this postbox.
    #[must_use]
    pub fn new(postbox: Postbox) -> Self {
        Self { postbox }
    }

    fn content(&self, body: EmailBody) -> Result<Content, Outcome> {
        match body {
            EmailBody::Written { subject, text, html } => match Subject::parse(&subject) {
                Ok(subject) => Ok(Content { subject, text, html }),
                Err(error) => Err(Outcome::permanent(format!("the subject is not one: {error}"))),
            },
            EmailBody::Template { name, data } => self
                .postbox
                .templates()
                .render(&name, &data)
                .map_err(|error| untemplatable(&error)),
        }
    }
}

impl Kind for EmailSend {
    type Args = EmailSendArgs;

    const NAME: &'static str = "email.send";
    const QUEUE: Queue = Queue::Mail;
    const MAX_ATTEMPTS: u32 = MAIL_ATTEMPTS_MAX;
    const TIMEOUT: Duration = MAIL_TIMEOUT;
    const BACKOFF: Backoff = MAIL_BACKOFF;

    fn when_uncertain(&self, args: &EmailSendArgs) -> WhenUncertain {
        args.when_uncertain
    }

    async fn perform(&self, args: EmailSendArgs, ctx: JobContext) -> Outcome {
        match self.content(args.body) {
            Ok(content) => self.postbox.send(Sending { to: args.to, content }, &ctx).await,
            Err(outcome) => outcome,
        }
    }
}
