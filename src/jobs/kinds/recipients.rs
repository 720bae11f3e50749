//! Who of a mail's recipients has got it: what the job's result tells, and what the next attempt goes on from.
//!
//! Guarantees: the record is written with the end of its attempt, under the attempt's fence; whoever got the mail is not
//! sent it again by another attempt; who was refused for good is not asked for again; who is suppressed is not named to any
//! server; the record's JSON stays within what a result may have, whatever the servers say.
//!
//! A person's retry of a mail for which nothing is left to do begins again with those who were refused or suppressed, or, where
//! all have got it, with all.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::email::EmailAddress;
use crate::domain::suppression::SuppressionReason;
use crate::mail::{DeliveryError, Receipt, Refusal};

/// The most characters of all replies together in one result. A result keeps 64 KiB; a hundred addresses of 254 characters
/// take 32 KiB with all around them, and a character of a reply at most 4 bytes.
const REPLIES_CHARS_MAX: usize = 6_000;
/// The most characters of one reply in a result: a whole status text with its link.
const REPLY_CHARS_MAX: usize = 300;

/// What became of the mail for one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// Not tried yet.
    Waiting,
    /// The server took it.
    Sent,
    /// The server refused it for good.
    Refused,
    /// The server refused it for now.
    Deferred,
    /// Nobody was asked: the address gets no mails of the stream.
    Suppressed,
}

/// One recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Recipient {
    to: EmailAddress,
    status: Status,
    /// The server's answer, unless that is the one to the whole mail.
    reply: Option<String>,
    /// Why it gets no mails of the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<SuppressionReason>,
}

/// All recipients of one mail, in the order of its `To`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Recipients {
    /// The answer with which the server took the mail, if it did.
    reply: Option<String>,
    recipients: Vec<Recipient>,
}

impl Recipients {
    /// The recipients `to`, as an `earlier` attempt left them if there was one.
    pub(super) fn resume(to: &[EmailAddress], earlier: Option<&str>) -> Self {
        let earlier: Option<Self> = earlier.and_then(|text| serde_json::from_str(text).ok());
        let same = |found: &Self| found.recipients.iter().map(|recipient| &recipient.to).eq(to);
        let mut found = earlier.filter(same).unwrap_or_else(|| Self {
            reply: None,
            recipients: to.iter().cloned().map(Recipient::new).collect(),
        });
        found.reopen();
        found
    }

    /// Makes sure that something is left to do: only a person has a mail sent again for which nothing is.
    fn reopen(&mut self) {
        if self.is_left() {
            return;
        }
        let all_sent = self.count(Status::Sent) == self.recipients.len();
        for recipient in &mut self.recipients {
            if all_sent || matches!(recipient.status, Status::Refused | Status::Suppressed) {
                *recipient = Recipient::new(recipient.to.clone());
            }
        }
    }

    /// Leaves out those of [`Self::open`] that are suppressed, by the canonical form of their address.
    pub(super) fn suppress(&mut self, reasons: &HashMap<String, SuppressionReason>) {
        if reasons.is_empty() {
            return;
        }
        for recipient in self.recipients.iter_mut().filter(|recipient| recipient.is_open()) {
            if let Some(reason) = reasons.get(&recipient.to.canonical()) {
                recipient.status = Status::Suppressed;
                recipient.reply = None;
                recipient.reason = Some(*reason);
            }
        }
    }

    /// To whom this attempt is to send, in the order of the mail.
    pub(super) fn open(&self) -> Vec<EmailAddress> {
        self.recipients
            .iter()
            .filter(|recipient| recipient.is_open())
            .map(|recipient| recipient.to.clone())
            .collect()
    }

    /// The mail was taken for all of [`Self::open`] but the refused.
    pub(super) fn taken(&mut self, receipt: &Receipt) {
        self.reply = Some(receipt.words.clone());
        self.each_open(&receipt.refusals, |recipient| {
            recipient.status = Status::Sent;
            recipient.reply = None;
        });
    }

    /// The mail was taken for nobody of [`Self::open`].
    pub(super) fn not_taken(&mut self, error: &DeliveryError) {
        let refusals: &[Refusal] = match error {
            DeliveryError::Recipients { refusals } => refusals,
            _ => &[],
        };
        let status = match error {
            DeliveryError::Permanent { .. } => Status::Refused,
            _ => Status::Deferred,
        };
        let words = error.to_string();
        self.each_open(refusals, |recipient| {
            recipient.status = status;
            recipient.reply = Some(words.clone());
        });
    }

    fn each_open(&mut self, refusals: &[Refusal], otherwise: impl Fn(&mut Recipient)) {
        let open = self.recipients.iter_mut().filter(|recipient| recipient.is_open());
        for (position, recipient) in open.enumerate() {
            match refusals.iter().find(|refusal| refusal.position == position) {
                Some(refusal) => recipient.refused(refusal),
                None => otherwise(recipient),
            }
        }
    }

    /// Whether anybody waits for another attempt.
    pub(super) fn is_left(&self) -> bool {
        self.recipients.iter().any(Recipient::is_open)
    }

    /// Whether anybody has got the mail.
    pub(super) fn is_anybody_reached(&self) -> bool {
        self.count(Status::Sent) > 0
    }

    /// What happened, for people, with addresses masked.
    pub(super) fn summary(&self) -> String {
        use std::fmt::Write as _;
        let mut text = format!("sent to {} of {}", self.count(Status::Sent), self.recipients.len());
        for recipient in &self.recipients {
            // Writing to a text cannot fail.
            let _written = match (recipient.status, &recipient.reply, recipient.reason) {
                (Status::Refused | Status::Deferred, Some(reply), _) => {
                    write!(text, "; {}: {reply}", recipient.to.masked())
                }
                (Status::Suppressed, _, Some(reason)) => {
                    write!(text, "; {} is suppressed ({reason})", recipient.to.masked())
                }
                _ => Ok(()),
            };
        }
        text
    }

    /// The job's result.
    pub(super) fn result(&self, message_id: &str) -> Value {
        let share = REPLIES_CHARS_MAX / self.recipients.len().max(1);
        let cut = |reply: &Option<String>, most: usize| {
            let reply = reply.as_ref()?;
            Some(reply.chars().take(most).collect::<String>())
        };
        let most = share.min(REPLY_CHARS_MAX);
        let recipients: Vec<Value> = self
            .recipients
            .iter()
            .map(|one| {
                let mut shown = json!({ "to": one.to, "status": one.status, "reply": cut(&one.reply, most) });
                if let (Some(reason), Some(fields)) = (one.reason, shown.as_object_mut()) {
                    fields.insert("reason".to_owned(), json!(reason));
                }
                shown
            })
            .collect();
        json!({ "message_id": message_id, "reply": cut(&self.reply, REPLY_CHARS_MAX), "recipients": recipients })
    }

    fn count(&self, status: Status) -> usize {
        self.recipients
            .iter()
            .filter(|recipient| recipient.status == status)
            .count()
    }
}

impl Recipient {
    fn new(to: EmailAddress) -> Self {
        Self {
            to,
            status: Status::Waiting,
            reply: None,
            reason: None,
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.status, Status::Waiting | Status::Deferred)
    }

    fn refused(&mut self, refusal: &Refusal) {
        self.status = if refusal.is_final {
            Status::Refused
        } else {
            Status::Deferred
        };
        self.reply = Some(refusal.to_string());
    }
}

#[cfg(test)]
#[path = "recipients_tests.rs"]
mod tests;
