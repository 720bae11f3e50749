//! `email.send`: a mail that a client asked for.
//!
//! Guarantees: its files are read from the database, where whichever node performs the job finds them; the mails that are at
//! work hold a bounded number of their bytes ([`FILES_KIB_MAX`]); one from another sender goes out only while an operator's
//! grant for its domain stands.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::postbox::{BuiltMail, MAIL_ATTEMPTS_MAX, MAIL_BACKOFF, MAIL_TIMEOUT, Postbox, Sending, untemplatable};
use crate::domain::email::{AttachmentName, ContentId, CustomHeader, EmailAddress, Mailbox, MediaType, Subject};
use crate::domain::id::{UploadId, WorkspaceId};
use crate::domain::job::{Backoff, Queue, WhenUncertain};
use crate::domain::list_unsubscribe::ListUnsubscribe;
use crate::domain::stream::Stream;
use crate::jobs::{ArgsError, JobContext, Kind, Outcome, UsedTemplate};
use crate::mail::{AttachedFile, Content, Extras};
use crate::store::{Connection, Store, StoreError, uploads, workspaces};
use crate::telemetry;

/// The most KiB of files that mails at work hold together, as they were given; each is in memory a few times over while its
/// mail is built. One mail may always go, however large its files are.
const FILES_KIB_MAX: u32 = 64 * 1024;

/// The most bytes of the arguments of a mail that is built before there is room for it. Each of the mailer's slots may hold one
/// that waits, a few times as large when it is built.
const SMALL_BYTES: usize = 16 * 1024;

/// How many small mails are built between two looks at the network: each takes some 20 µs.
const TURNS: usize = 2;

/// Sends one mail.
pub struct EmailSend {
    postbox: Postbox,
    store: Option<Store>,
    /// Room for the files of mails at work, in KiB.
    room: Arc<Semaphore>,
    /// One for each small mail that is built between two looks at the network.
    turns: Semaphore,
}

/// Which mail.
#[derive(Debug, Serialize, Deserialize)]
pub struct EmailSendArgs {
    /// The recipients that stand in `To`, all in one mail.
    pub to: Vec<Mailbox>,
    /// Those that stand in `Cc`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cc: Vec<Mailbox>,
    /// Those that nobody sees.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bcc: Vec<EmailAddress>,
    /// To whom an answer goes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reply_to: Vec<Mailbox>,
    /// Who stands in `From`, if not the service's own sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Mailbox>,
    /// Headers besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<CustomHeader>,
    /// Files, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attached>,
    /// Words by which its asker finds it again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// What its asker keeps with it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// What it says.
    pub body: EmailBody,
    /// The stream that it belongs to.
    #[serde(default)]
    pub stream: Stream,
    /// How its reader may end that stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_unsubscribe: Option<ListUnsubscribe>,
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

/// A file of a mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// Where its bytes are.
    pub upload: UploadId,
    /// What it is called in the mail.
    pub name: AttachmentName,
    /// What it is.
    pub media_type: MediaType,
    /// How many bytes it has.
    pub bytes: u64,
    /// The id by which the HTML shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_id: Option<ContentId>,
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

impl EmailSendArgs {
    /// A mail with nothing but its recipients and its words.
    #[must_use]
    pub fn plain(to: Vec<Mailbox>, body: EmailBody, stream: Stream, when_uncertain: WhenUncertain) -> Self {
        Self {
            to,
            cc: Vec::new(),
            bcc: Vec::new(),
            reply_to: Vec::new(),
            from: None,
            headers: Vec::new(),
            attachments: Vec::new(),
            tags: Vec::new(),
            metadata: BTreeMap::new(),
            body,
            stream,
            list_unsubscribe: None,
            when_uncertain,
            made_by: None,
        }
    }

    /// All to whom it goes, in the order of [`crate::mail::Message::recipients`].
    fn recipients(&self) -> Vec<EmailAddress> {
        let seen = self.to.iter().chain(&self.cc).map(|one| &one.address);
        seen.chain(&self.bcc).cloned().collect()
    }

    /// How many mails it counts as: one a recipient.
    #[must_use]
    pub fn mails(&self) -> usize {
        self.to.len() + self.cc.len() + self.bcc.len()
    }

    /// The uploads that it needs, each once.
    #[must_use]
    pub fn uploads(&self) -> Vec<UploadId> {
        let mut ids: Vec<UploadId> = self.attachments.iter().map(|file| file.upload).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

impl EmailSend {
    /// Sends by this postbox, mails without files and from the service's own sender.
    #[must_use]
    pub fn new(postbox: Postbox) -> Self {
        let room = usize::try_from(FILES_KIB_MAX).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            postbox,
            store: None,
            room: Arc::new(Semaphore::new(room)),
            turns: Semaphore::new(TURNS),
        }
    }

    /// With files that are kept in `store`, and from senders whose grants stand there.
    #[must_use]
    pub fn with_store(self, store: Store) -> Self {
        Self {
            store: Some(store),
            ..self
        }
    }

    /// What marks the job of these stored arguments, which is shown with it.
    #[must_use]
    pub fn labels_of(args: &str) -> Option<String> {
        let args: EmailSendArgs = serde_json::from_str(args).ok()?;
        Self::labels(&args)
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

    /// Sends a mail that is built before there is room for it, while others speak to the relay. The error is how the attempt ends
    /// without having spoken to it.
    async fn send_small(&self, args: EmailSendArgs, ctx: &JobContext) -> Result<Outcome, Outcome> {
        let (to, stream) = (args.recipients(), args.stream.clone());
        let mail = self.build_in_turn(args, ctx).await?;
        let admission = self.postbox.admit(&to, Some(&stream), ctx).await?;
        Ok(self.postbox.send_admitted(admission, mail, ctx).await)
    }

    /// The same for a mail that is built once there is room.
    async fn send_large(&self, args: EmailSendArgs, ctx: &JobContext) -> Result<Outcome, Outcome> {
        let to = args.recipients();
        // A mail that waits for its site must hold no room for files, and one that waits for that room no place at its site.
        let (admission, _room) = loop {
            let admission = self.postbox.admit(&to, Some(&args.stream), ctx).await?;
            if let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(kib_of(&args.attachments)) {
                break (admission, room);
            }
            drop(admission);
            if self.room_for(&args.attachments, ctx).await.is_none() {
                return Err(Outcome::Cancelled);
            }
        };
        let attachments = self.kept(&args, ctx).await?;
        let mail = self.build(args, attachments, ctx)?;
        Ok(self.postbox.send_admitted(admission, mail, ctx).await)
    }

    /// Builds a small mail, once those that speak to the relay have had a look at what it says: many mails are claimed
    /// together, and built one behind the other they would keep the connections idle.
    async fn build_in_turn(&self, args: EmailSendArgs, ctx: &JobContext) -> Result<BuiltMail, Outcome> {
        // It is never closed.
        let _turn = self.turns.acquire().await;
        tokio::task::yield_now().await;
        if ctx.stop_cause().is_some() {
            return Err(Outcome::Cancelled);
        }
        self.build(args, Vec::new(), ctx)
    }

    fn build(
        &self,
        args: EmailSendArgs,
        attachments: Vec<AttachedFile>,
        ctx: &JobContext,
    ) -> Result<BuiltMail, Outcome> {
        let sending = Sending {
            to: args.to,
            content: self.content(args.body)?,
            extras: Extras {
                from: args.from,
                cc: args.cc,
                bcc: args.bcc,
                reply_to: args.reply_to,
                headers: args.headers,
                attachments,
                list_unsubscribe: None,
            },
            stream: Some(args.stream),
            list_unsubscribe: args.list_unsubscribe,
        };
        self.postbox.build(sending, ctx)
    }

    /// Room for the files of a mail, which it has for as long as the permit lives; none where the attempt is to stop.
    async fn room_for(&self, files: &[Attached], ctx: &JobContext) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            biased;
            // It is never closed.
            permit = Arc::clone(&self.room).acquire_many_owned(kib_of(files)) => permit.ok(),
            () = ctx.stopped() => None,
        }
    }

    /// The files, once it is seen that the sender may still be named.
    async fn kept(&self, args: &EmailSendArgs, ctx: &JobContext) -> Result<Vec<AttachedFile>, Outcome> {
        let own = &self.postbox.sender().address;
        let from = args.from.as_ref().map(|from| &from.address);
        let granted = from
            .filter(|from| from.canonical() != own.canonical())
            .map(|from| from.domain().to_ascii_lowercase());
        if granted.is_none() && args.attachments.is_empty() {
            return Ok(Vec::new());
        }
        let Some(store) = &self.store else {
            return Err(Outcome::retry("this process has no access to what the mail needs"));
        };
        let (files, workspace) = (args.attachments.clone(), ctx.workspace());
        let read = store.read(move |connection| {
            if let Some(domain) = &granted
                && !is_granted(connection, workspace, domain)?
            {
                return Ok(Err(format!(
                    "mails may not be sent from {domain}: no operator grants it to the workspace any more"
                )));
            }
            let mut all = Vec::with_capacity(files.len());
            for file in files {
                match uploads::content(connection, file.upload, workspace)? {
                    Some(bytes) => all.push(AttachedFile {
                        name: file.name,
                        media_type: file.media_type,
                        content_id: file.content_id,
                        bytes,
                    }),
                    None => return Ok(Err(format!("the attachment {} is gone", file.upload))),
                }
            }
            Ok(Ok(all))
        });
        match read.await {
            Ok(Ok(files)) => Ok(files),
            Ok(Err(why)) => Err(Outcome::permanent(why)),
            Err(error) => Err(Outcome::retry(format!(
                "the attachments could not be read: {}",
                telemetry::chain(&error)
            ))),
        }
    }
}

/// Whether an operator grants a domain to a workspace.
fn is_granted(connection: &mut Connection, workspace: WorkspaceId, domain: &str) -> Result<bool, StoreError> {
    let record = workspaces::one(connection, workspace)?;
    Ok(record.is_some_and(|record| record.sender_domains.iter().any(|granted| granted == domain)))
}

/// The room that files take, in KiB.
fn kib_of(files: &[Attached]) -> u32 {
    let kib = files.iter().map(|file| file.bytes.div_ceil(1024)).sum::<u64>();
    u32::try_from(kib).unwrap_or(FILES_KIB_MAX).min(FILES_KIB_MAX)
}

/// Whether a mail may wait for room when it is built already: it needs nothing of the database, and takes little memory.
fn is_small(args: &EmailSendArgs, ctx: &JobContext) -> bool {
    args.attachments.is_empty() && args.from.is_none() && ctx.args_bytes() <= SMALL_BYTES
}

impl Kind for EmailSend {
    type Args = EmailSendArgs;

    const NAME: &'static str = "email.send";
    const VERSION: u32 = 2;
    const QUEUE: Queue = Queue::Mail;
    const MAX_ATTEMPTS: u32 = MAIL_ATTEMPTS_MAX;
    const TIMEOUT: Duration = MAIL_TIMEOUT;
    const BACKOFF: Backoff = MAIL_BACKOFF;

    fn labels(args: &EmailSendArgs) -> Option<String> {
        let mut labels = serde_json::Map::new();
        if !args.tags.is_empty() || !args.metadata.is_empty() {
            labels.insert("tags".to_owned(), json!(args.tags));
            labels.insert("metadata".to_owned(), json!(args.metadata));
        }
        if let Some(made_by) = &args.made_by {
            labels.insert("template".to_owned(), json!(made_by.template));
        }
        (!labels.is_empty()).then(|| Value::Object(labels).to_string())
    }

    /// The first version is the second without its optional fields.
    fn upgrade(from: u32, args: Value) -> Result<Value, ArgsError> {
        match from {
            1 => Ok(args),
            found => Err(ArgsError::Version {
                known: Self::VERSION,
                found,
            }),
        }
    }

    fn when_uncertain(&self, args: &EmailSendArgs) -> WhenUncertain {
        args.when_uncertain
    }

    async fn perform(&self, args: EmailSendArgs, ctx: JobContext) -> Outcome {
        let sent = if is_small(&args, &ctx) {
            self.send_small(args, &ctx).await
        } else {
            self.send_large(args, &ctx).await
        };
        sent.unwrap_or_else(|outcome| outcome)
    }
}

#[cfg(test)]
#[path = "email_send_tests.rs"]
mod tests;
