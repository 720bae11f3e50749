//! What a delivery's end is for the job.

use crate::domain::job::Backoff;
use crate::domain::token::random_bytes;
use crate::jobs::kinds::recipients::Recipients;
use crate::jobs::{Failure, JobContext, Outcome, RetryWish};
use crate::mail::{DeliveryError, NoRoom, Receipt, RenderError, Rendered};
use crate::telemetry;

/// How long to wait for a relay that cannot be used: seconds for one that restarts, and then a quarter of an hour, within
/// which a mail goes out after the relay is back.
const RELAY_AWAY: Backoff = Backoff {
    base: std::time::Duration::from_secs(15),
    cap: std::time::Duration::from_secs(900),
};

/// How long to wait for a site that has no room for one mail more: short at first, for one that only just began to be slow.
const SITE_BUSY: Backoff = Backoff {
    base: std::time::Duration::from_secs(2),
    cap: std::time::Duration::from_secs(900),
};

/// After so many attempts a relay that cannot be used spends them. With [`RELAY_AWAY`] that takes three days: a long
/// weekend, after which a mail is hardly of use; and a job keeps a record of each attempt, so that there must be an end.
const SNOOZES_MAX: u32 = 300;

/// From this attempt on, a mail that may have been sent is not sent again, whatever its rule: a relay that takes mails and
/// never says so would deliver a copy with each of [`super::MAIL_ATTEMPTS_MAX`].
const COPIES_MAX: u32 = 5;

pub(super) fn taken(mut recipients: Recipients, receipt: &Receipt, rendered: &Rendered, ctx: &JobContext) -> Outcome {
    recipients.taken(receipt);
    tracing::info!(
        event = telemetry::names::event::MAIL_SENT,
        job = %ctx.job(),
        recipients = rendered.envelope.to.len().saturating_sub(receipt.refusals.len()),
        not_taken = receipt.refusals.len(),
        reply = receipt.words,
        "a mail was handed over"
    );
    finished(&recipients, recipients.summary(), rendered)
}

pub(super) fn not_taken(mut recipients: Recipients, error: &DeliveryError, rendered: &Rendered) -> Outcome {
    recipients.not_taken(error);
    let words = match error {
        DeliveryError::Recipients { .. } => recipients.summary(),
        other => other.to_string(),
    };
    finished(&recipients, words, rendered)
}

pub(super) fn finished(recipients: &Recipients, words: String, rendered: &Rendered) -> Outcome {
    let result = Some(recipients.result(&rendered.message_id));
    let retry = match (recipients.is_left(), recipients.is_anybody_reached()) {
        (false, true) => return Outcome::Completed(result),
        (false, false) => RetryWish::Never,
        (true, _) => RetryWish::Backoff,
    };
    Outcome::Failed(Failure {
        error: words,
        retry,
        result,
    })
}

pub(super) fn uncertain(error: &DeliveryError, ctx: &JobContext) -> Outcome {
    Outcome::Uncertain {
        why: error.to_string(),
        hold: ctx.attempt() >= COPIES_MAX,
    }
}

pub(super) fn unavailable(error: &DeliveryError, ctx: &JobContext) -> Outcome {
    let why = error.to_string();
    if claims_of(ctx) > SNOOZES_MAX {
        return Outcome::retry(why);
    }
    snoozed(RELAY_AWAY, why, ctx)
}

/// It spends no attempt, however often: nobody was asked, and whoever is asked at last decides.
pub(super) fn crowded(no_room: &NoRoom, ctx: &JobContext) -> Outcome {
    snoozed(SITE_BUSY, format!("not sent yet: {no_room}"), ctx)
}

fn snoozed(waits: Backoff, why: String, ctx: &JobContext) -> Outcome {
    // Without randomness the mails come back together, which the limits bound.
    let random = random_bytes().map(u64::from_le_bytes).unwrap_or(20);
    Outcome::Snoozed {
        wait: waits.after(claims_of(ctx), random),
        why: Some(why),
    }
}

fn claims_of(ctx: &JobContext) -> u32 {
    u32::try_from(ctx.fence()).unwrap_or(u32::MAX)
}

pub(super) fn unrenderable(error: &RenderError) -> Outcome {
    Outcome::permanent(format!("the mail could not be built: {}", telemetry::chain(error)))
}
