//! What all mailing kinds share: the transport, the templates and the sender, and the way from an attempt to a delivery.
//!
//! What is promised: a mail whose delivery failed before its final dot was not sent and is tried again; one that the server
//! took is never sent again by a finished attempt; silence after the dot goes to the kind's rule (repeated after a short wait
//! of its own, or held until a person decides), but is not answered by another copy from the fifth attempt on. `Message-ID`
//! and `Date` are the same over all attempts, so that a reader's program can fold what came twice. What was said with the
//! server is told with the attempt, also where the delivery was dropped half-way.
//!
//! Each recipient is told apart: who is refused for good is listed and the others get the mail; who is refused for now is
//! tried again alone. The job is completed once nobody waits any more and somebody has got the mail.
//!
//! A relay that cannot be used is no fault of a mail, and spends none of its attempts: the mail is snoozed, at first for 15
//! seconds and later for a quarter of an hour, three days long. After that, failures are attempts like others. So it is, from
//! two seconds on, with a mail for whose site there is no room ([`Sites`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;

use super::recipients::Recipients;
use crate::domain::email::EmailAddress;
use crate::domain::job::Backoff;
use crate::domain::token::random_bytes;
use crate::jobs::{Failure, JobContext, Outcome, RetryWish, StopCause};
use crate::mail::{
    Content, DeliveryError, Gate, GateClosed, Message, NoRoom, Pass, Receipt, RenderError, Rendered, Sender, Sites,
    SlowedSite, TemplateError, Templates, Transcript, Transport,
};
use crate::telemetry;

/// How long to wait after a mail could not be handed over: quick at first, for a relay that restarts or greylists, and
/// every ten minutes then, for one that is away.
pub(super) const MAIL_BACKOFF: Backoff = Backoff {
    base: std::time::Duration::from_secs(5),
    cap: std::time::Duration::from_secs(600),
};

/// With [`MAIL_BACKOFF`], fifty attempts reach over seven hours: a relay whose disk is full, or that is told to hold all
/// mail back, has that long. (One that cannot be used at all has [`SNOOZES_MAX`].)
pub(super) const MAIL_ATTEMPTS_MAX: u32 = 50;

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
/// never says so would deliver a copy with each of [`MAIL_ATTEMPTS_MAX`].
const COPIES_MAX: u32 = 5;

/// How long one attempt may take: longer than the longest `mail.dot_timeout`, with a quarter of an hour for the steps before
/// it, a large message on a slow line among them.
pub(super) const MAIL_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(45 * 60);

/// How long to wait before a mail that may have been sent is sent again, unless the settings say otherwise: whoever waits
/// for it should not wait for long, and a relay that restarts is back by then.
const UNCERTAIN_WAIT: std::time::Duration = std::time::Duration::from_secs(10);

/// Where mail goes and whom it is from; clones share it.
#[derive(Clone)]
pub struct Postbox {
    inner: Arc<Inner>,
    /// None in tests that are about something else.
    sites: Option<Sites>,
    uncertain_wait: std::time::Duration,
}

struct Inner {
    transport: Arc<dyn Transport>,
    templates: Templates,
    from: Sender,
}

/// What is to be sent, and to whom.
pub struct Sending {
    /// The recipients.
    pub to: Vec<EmailAddress>,
    /// Subject and bodies.
    pub content: Content,
}

/// Opens when the attempt may pass its point of no return.
struct AttemptGate<'a> {
    ctx: &'a JobContext,
    /// Whether the point of no return is being noted, or was.
    is_asked: AtomicBool,
    transcript: Transcript,
}

impl Drop for AttemptGate<'_> {
    /// The delivery has ended, or was dropped before: what was said until then is the attempt's.
    fn drop(&mut self) {
        if let Some(text) = self.transcript.take() {
            self.ctx.transcript(text);
        }
    }
}

impl Gate for AttemptGate<'_> {
    fn open<'a>(&'a self) -> BoxFuture<'a, Result<(), GateClosed>> {
        self.is_asked.store(true, Ordering::SeqCst);
        Box::pin(async { self.ctx.point_of_no_return().await.map_err(|_stopped| GateClosed) })
    }

    fn transcript(&self) -> Option<&Transcript> {
        Some(&self.transcript)
    }
}

impl Postbox {
    /// A postbox that sends by `transport`, as `from`.
    ///
    /// # Errors
    /// When a built-in template does not compile, which a test rules out.
    pub fn new(transport: Arc<dyn Transport>, from: Sender) -> Result<Self, TemplateError> {
        Ok(Self {
            inner: Arc::new(Inner {
                transport,
                templates: Templates::new()?,
                from,
            }),
            sites: None,
            uncertain_wait: UNCERTAIN_WAIT,
        })
    }

    /// The same, sending as much at once as these allow.
    #[must_use]
    pub fn within(mut self, sites: Sites) -> Self {
        self.sites = Some(sites);
        self
    }

    /// The same, but that a mail which may have been sent is sent again after this long, where it is to be.
    #[must_use]
    pub fn repeating_after(mut self, uncertain_wait: std::time::Duration) -> Self {
        self.uncertain_wait = uncertain_wait;
        self
    }

    /// The sites that are given fewer mails at once than they could be, by name.
    #[must_use]
    pub fn slowed_sites(&self) -> Vec<SlowedSite> {
        self.sites.as_ref().map(Sites::slowed).unwrap_or_default()
    }

    /// The templates, for checking a request before it is accepted.
    #[must_use]
    pub fn templates(&self) -> &Templates {
        &self.inner.templates
    }

    /// Sends a mail in the name of an attempt.
    pub async fn send(&self, sending: Sending, ctx: &JobContext) -> Outcome {
        let recipients = Recipients::resume(&sending.to, ctx.earlier_result());
        let to = recipients.open();
        // Before the mail is built: many may wait.
        let mut pass = match self.enter(&to, ctx).await {
            Ok(pass) => pass,
            Err(outcome) => return outcome,
        };
        // All attempts send the same bytes, whomever this one is for.
        let mut rendered = match self.message(sending, ctx).render() {
            Ok(rendered) => rendered,
            Err(error) => return unrenderable(&error),
        };
        rendered.envelope.to = to;
        ctx.repeat_uncertain_after(self.uncertain_wait);
        let gate = AttemptGate {
            ctx,
            is_asked: AtomicBool::new(false),
            transcript: Transcript::new(),
        };
        let delivery = self.inner.transport.deliver(&rendered, &gate);
        tokio::pin!(delivery);
        let delivered = tokio::select! {
            biased;
            delivered = &mut delivery => delivered,
            () = ctx.stopped() => {
                if ctx.stop_cause() == Some(StopCause::TimedOut) {
                    pass.iter_mut().for_each(Pass::is_out_of_time);
                }
                // What is being noted cannot be taken back: left now, a mail of which nothing was sent would be uncertain.
                if !gate.is_asked.load(Ordering::SeqCst) {
                    // Dropping the delivery closes its connection: nothing was sent.
                    return Outcome::Cancelled;
                }
                delivery.await
            }
        };
        if let Some(pass) = pass {
            pass.ended(&delivered);
        }
        match delivered {
            Ok(receipt) => taken(recipients, &receipt, &rendered, ctx),
            Err(DeliveryError::GateClosed) if ctx.stop_cause().is_some() => Outcome::Cancelled,
            // Nothing was sent, and nobody asked to stop: the database did not take the note.
            Err(DeliveryError::GateClosed) => Outcome::retry("the point of no return could not be written down"),
            Err(error @ DeliveryError::Unavailable { .. }) => unavailable(&error, ctx),
            Err(error @ DeliveryError::Uncertain { .. }) => uncertain(&error, ctx),
            Err(error) => not_taken(recipients, &error, &rendered),
        }
    }

    /// Waits until there is room for one mail more to these.
    async fn enter(&self, to: &[EmailAddress], ctx: &JobContext) -> Result<Option<Pass>, Outcome> {
        let Some(sites) = &self.sites else { return Ok(None) };
        tokio::select! {
            biased;
            entered = sites.enter(to) => entered.map(Some).map_err(|no_room| crowded(&no_room, ctx)),
            () = ctx.stopped() => Err(Outcome::Cancelled),
        }
    }

    fn message(&self, sending: Sending, ctx: &JobContext) -> Message {
        let from = self.inner.from.clone();
        let job = ctx.job().to_string();
        Message {
            id: format!("{}@{}", ctx.effect_key(), from.address.domain()),
            date: ctx.accepted_at(),
            from,
            to: sending.to,
            subject: sending.content.subject,
            text: sending.content.text,
            html: sending.content.html,
            job: Some(job),
        }
    }
}

fn taken(mut recipients: Recipients, receipt: &Receipt, rendered: &Rendered, ctx: &JobContext) -> Outcome {
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

fn not_taken(mut recipients: Recipients, error: &DeliveryError, rendered: &Rendered) -> Outcome {
    recipients.not_taken(error);
    let words = match error {
        DeliveryError::Recipients { .. } => recipients.summary(),
        other => other.to_string(),
    };
    finished(&recipients, words, rendered)
}

fn finished(recipients: &Recipients, words: String, rendered: &Rendered) -> Outcome {
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

fn uncertain(error: &DeliveryError, ctx: &JobContext) -> Outcome {
    Outcome::Uncertain {
        why: error.to_string(),
        hold: ctx.attempt() >= COPIES_MAX,
    }
}

fn unavailable(error: &DeliveryError, ctx: &JobContext) -> Outcome {
    snoozed(RELAY_AWAY, error.to_string(), ctx)
}

fn crowded(no_room: &NoRoom, ctx: &JobContext) -> Outcome {
    snoozed(SITE_BUSY, format!("not sent yet: {no_room}"), ctx)
}

fn snoozed(waits: Backoff, why: String, ctx: &JobContext) -> Outcome {
    let claims = u32::try_from(ctx.fence()).unwrap_or(u32::MAX);
    if claims > SNOOZES_MAX {
        return Outcome::retry(why);
    }
    // Without randomness the mails come back together, which the limits bound.
    let random = random_bytes().map(u64::from_le_bytes).unwrap_or(20);
    Outcome::Snoozed {
        wait: waits.after(claims, random),
        why: Some(why),
    }
}

fn unrenderable(error: &RenderError) -> Outcome {
    Outcome::permanent(format!("the mail could not be built: {}", telemetry::chain(error)))
}

/// The outcome of a mail whose template did not render.
pub(super) fn untemplatable(error: &TemplateError) -> Outcome {
    Outcome::permanent(format!(
        "the template could not be rendered: {}",
        telemetry::chain(error)
    ))
}
