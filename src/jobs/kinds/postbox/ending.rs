//! What a delivery's end is for the job.

use std::time::Duration;

use crate::domain::job::Backoff;
use crate::domain::token::random_bytes;
use crate::jobs::kinds::recipients::Recipients;
use crate::jobs::{Failure, JobContext, Outcome, RetryWish};
use crate::mail::{DeliveryError, NoRoom, Receipt, RenderError, Rendered};
use crate::telemetry;

/// How long to wait for a relay that cannot be used: seconds for one that restarts, and then a quarter of an hour, within
/// which a mail goes out after the relay is back.
const RELAY_AWAY: Backoff = Backoff {
    base: Duration::from_secs(15),
    cap: Duration::from_secs(900),
};

/// How long to wait for a site that has no room for one mail more: short at first, for one that only just began to be slow,
/// but not so short that what waits for it costs others their turns again and again.
const SITE_BUSY: Backoff = Backoff {
    base: Duration::from_secs(5),
    cap: Duration::from_secs(900),
};

/// How much of a site's rest is waited for at least, however long it is: another node may have no trouble with it, and one that
/// is started anew knows of none.
const RESTS_HEEDED: Duration = Duration::from_secs(60);

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
    let random = random();
    let rests_for = match no_room {
        NoRoom::Resting { left, .. } => spread(*left, random),
        NoRoom::Site(_) | NoRoom::Silent(_) | NoRoom::Relay => Duration::ZERO,
    };
    Outcome::Snoozed {
        wait: SITE_BUSY.after(claims_of(ctx), random).max(rests_for),
        why: Some(format!("not sent yet: {no_room}")),
    }
}

/// Until when a mail need not come again to a site that rests so long: behind the end of it, each at another time, since one at
/// a time is let in then. A long rest is not waited for: this process alone knows of it.
fn spread(rests_for: Duration, random: u64) -> Duration {
    let percent = 100 + u32::try_from(random % 51).unwrap_or(0);
    rests_for.min(RESTS_HEEDED).saturating_mul(percent) / 100
}

fn snoozed(waits: Backoff, why: String, ctx: &JobContext) -> Outcome {
    Outcome::Snoozed {
        wait: waits.after(claims_of(ctx), random()),
        why: Some(why),
    }
}

/// Without randomness the mails come back together, which the limits bound.
fn random() -> u64 {
    random_bytes().map(u64::from_le_bytes).unwrap_or(20)
}

fn claims_of(ctx: &JobContext) -> u32 {
    u32::try_from(ctx.fence()).unwrap_or(u32::MAX)
}

pub(super) fn unrenderable(error: &RenderError) -> Outcome {
    Outcome::permanent(format!("the mail could not be built: {}", telemetry::chain(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mails_for_a_site_that_rests_come_back_after_its_end_at_different_times() {
        let rest = Duration::from_secs(30);
        let waits: Vec<Duration> = (0..51).map(|random| spread(rest, random)).collect();
        assert_eq!((waits[0], waits[50]), (rest, rest + rest / 2));
        assert!(waits.is_sorted_by(|one, other| one < other));
        assert_eq!(spread(rest, 51), rest);
    }

    #[test]
    fn a_long_rest_is_heeded_for_a_minute() {
        let ten_minutes = Duration::from_secs(600);
        assert_eq!(spread(ten_minutes, 0), Duration::from_secs(60));
        assert_eq!(spread(ten_minutes, 50), Duration::from_secs(90));
        assert_eq!(spread(Duration::ZERO, 50), Duration::ZERO);
    }
}
