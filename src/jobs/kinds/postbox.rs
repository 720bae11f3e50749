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
//! A mail of a stream is sent to nobody who was suppressed before the attempt began; whom a server says not to exist is suppressed
//! in that stream, with the attempt's end. Mails of the service itself belong to no stream: somebody who asks for a link is sent
//! it, whatever a list says.
//!
//! A relay that cannot be used is no fault of a mail, and spends none of its attempts: the mail is snoozed, at first for 15
//! seconds and later for a quarter of an hour, three days long. After that, failures are attempts like others. A mail for whose
//! site there is no room ([`Sites`]) is snoozed too, from five seconds on, without end.

mod ending;
mod gate;
mod gone;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;

use super::recipients::Recipients;
use super::unsubscribe_link::UnsubscribeLinks;
use crate::domain::email::{EmailAddress, Mailbox};
use crate::domain::job::Backoff;
use crate::domain::list_unsubscribe::ListUnsubscribe;
use crate::domain::stream::Stream;
use crate::jobs::{JobContext, Outcome, StopCause, SuppressionList, TemplateLibrary};
use crate::mail::{
    Content, DeliveryError, Extras, Message, Pass, Rendered, Sender, Sites, SlowedSite, TemplateError, Templates,
    Transcript, Transport, UnsubscribeHeader,
};
use crate::telemetry;
use ending::{crowded, finished, not_taken, taken, unavailable, uncertain, unrenderable};
use gate::AttemptGate;
use gone::suppress_refused;

/// How long to wait after a mail could not be handed over: quick at first, for a relay that restarts or greylists, and
/// every ten minutes then, for one that is away.
pub(super) const MAIL_BACKOFF: Backoff = Backoff {
    base: std::time::Duration::from_secs(5),
    cap: std::time::Duration::from_secs(600),
};

/// With [`MAIL_BACKOFF`], fifty attempts reach over seven hours: a relay whose disk is full, or that is told to hold all
/// mail back, has that long. (One that cannot be used at all has longer.)
pub(super) const MAIL_ATTEMPTS_MAX: u32 = 50;

/// How long one attempt may take: longer than the longest `mail.dot_timeout`, with a quarter of an hour for the steps before
/// it, a large message on a slow line among them.
pub(super) const MAIL_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(45 * 60);

/// How long to wait before a mail that may have been sent is sent again, unless the settings say otherwise: whoever waits
/// for it should not wait for long, and a relay that restarts is back by then.
const UNCERTAIN_WAIT: std::time::Duration = std::time::Duration::from_secs(10);

/// After waiting so long for room it is asked again who is suppressed.
const ASKED_AGAIN_AFTER: std::time::Duration = std::time::Duration::from_millis(250);

/// Where mail goes and whom it is from; clones share it.
#[derive(Clone)]
pub struct Postbox {
    inner: Arc<Inner>,
    /// None in tests that are about something else.
    sites: Option<Sites>,
    uncertain_wait: std::time::Duration,
    /// Where operators put what is sent in the place of built-in templates.
    library: Option<TemplateLibrary>,
    suppressions: Option<SuppressionList>,
    links: Option<UnsubscribeLinks>,
}

struct Inner {
    transport: Arc<dyn Transport>,
    templates: Templates,
    from: Sender,
}

/// What is to be sent, and to whom.
pub struct Sending {
    /// Whom it is addressed to.
    pub to: Vec<Mailbox>,
    /// Subject and bodies.
    pub content: Content,
    /// Copies, files and what else few mails have.
    pub extras: Extras,
    /// The stream whose suppressions it keeps to; none for a mail of the service itself.
    pub stream: Option<Stream>,
    /// How its reader may end that stream.
    pub list_unsubscribe: Option<ListUnsubscribe>,
}

/// Leave to send one mail.
pub(super) struct Admission {
    /// What became of it for each recipient so far.
    recipients: Recipients,
    /// Its room; none where nothing bounds it, or nobody is left.
    pass: Option<Pass>,
}

/// A mail that is ready to go.
pub(super) struct BuiltMail {
    rendered: Rendered,
    /// The stream whose suppressions grow by it.
    stream: Option<Stream>,
}

impl Sending {
    /// All to whom it goes, in the order of [`Message::recipients`].
    fn recipients(&self) -> Vec<EmailAddress> {
        let seen = self.to.iter().chain(&self.extras.cc).map(|one| &one.address);
        seen.chain(&self.extras.bcc).cloned().collect()
    }

    /// A mail of the service itself to one address.
    #[must_use]
    pub fn own(to: impl Into<Mailbox>, content: Content) -> Self {
        Self {
            to: vec![to.into()],
            content,
            extras: Extras::default(),
            stream: None,
            list_unsubscribe: None,
        }
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
            library: None,
            suppressions: None,
            links: None,
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

    /// The same, which sends what `library` has in the place of mails of the service's own.
    #[must_use]
    pub fn with_replacements(self, library: TemplateLibrary) -> Self {
        Self {
            library: Some(library),
            ..self
        }
    }

    /// The same, which keeps to these suppressions, and whose mails can be ended by these links. Without them, as where there is
    /// no database, nobody is suppressed.
    #[must_use]
    pub fn keeping_to(self, suppressions: SuppressionList, links: UnsubscribeLinks) -> Self {
        Self {
            suppressions: Some(suppressions),
            links: Some(links),
            ..self
        }
    }

    /// What a mail of the service's own says: by an operator's replacement, or by the built-in template where there is none or
    /// that fails, since such a mail must not be lost by it.
    ///
    /// # Errors
    /// As [`Templates::render_own`].
    pub(super) async fn own_content(
        &self,
        template: &'static str,
        data: &serde_json::Value,
    ) -> Result<Content, TemplateError> {
        if let Some(library) = &self.library {
            match library.render_replacement(template, data.clone()).await {
                Ok(Some(content)) => return Ok(content),
                Ok(None) => {}
                Err(error) => tracing::warn!(
                    event = telemetry::names::event::REPLACEMENT_FAILED,
                    template,
                    error = telemetry::chain(&error),
                    "the built-in template is sent, since what replaces it cannot be"
                ),
            }
        }
        self.templates().render_own(template, data)
    }

    /// The templates, for checking a request before it is accepted.
    #[must_use]
    pub fn templates(&self) -> &Templates {
        &self.inner.templates
    }

    /// Whom mails are from that name no other sender.
    #[must_use]
    pub fn sender(&self) -> &Sender {
        &self.inner.from
    }

    /// Sends a mail in the name of an attempt.
    pub async fn send(&self, sending: Sending, ctx: &JobContext) -> Outcome {
        let admitted = self.admit(&sending.recipients(), sending.stream.as_ref(), ctx).await;
        let ready = admitted.and_then(|admission| Ok((admission, self.build(sending, ctx)?)));
        match ready {
            Ok((admission, mail)) => self.send_admitted(admission, mail, ctx).await,
            Err(outcome) => outcome,
        }
    }

    /// Waits until one mail more may be sent to those of these who have not got it, and may get it. Whatever of a mail takes
    /// much memory is made after this, since many may wait here.
    pub(super) async fn admit(
        &self,
        to: &[EmailAddress],
        stream: Option<&Stream>,
        ctx: &JobContext,
    ) -> Result<Admission, Outcome> {
        let mut recipients = Recipients::resume(to, ctx.earlier_result());
        // Before there is room, since a connection would be idle for as long as that takes.
        self.leave_out(&mut recipients, stream, ctx).await?;
        let (open, began) = (recipients.open(), Instant::now());
        if open.is_empty() {
            return Ok(Admission { recipients, pass: None });
        }
        let pass = self.enter(&open, ctx).await?;
        if began.elapsed() >= ASKED_AGAIN_AFTER {
            self.leave_out(&mut recipients, stream, ctx).await?;
        }
        Ok(Admission { recipients, pass })
    }

    /// A mail as it goes over the wire. All attempts send the same bytes, whomever each is for.
    pub(super) fn build(&self, sending: Sending, ctx: &JobContext) -> Result<BuiltMail, Outcome> {
        let stream = sending.stream.clone();
        let rendered = self.message(sending, ctx).render();
        let rendered = rendered.map_err(|error| unrenderable(&error))?;
        Ok(BuiltMail { rendered, stream })
    }

    /// Sends a mail for which there is room.
    pub(super) async fn send_admitted(&self, admission: Admission, mail: BuiltMail, ctx: &JobContext) -> Outcome {
        let Admission { recipients, mut pass } = admission;
        let BuiltMail { mut rendered, stream } = mail;
        rendered.envelope.to = recipients.open();
        if rendered.envelope.to.is_empty() {
            return finished(&recipients, recipients.summary(), &rendered);
        }
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
            pass.ended(&rendered.envelope.to, &delivered);
            // Whoever is let in by that speaks to the relay first: what is left to do here is done while the relay thinks. Not where
            // an attempt may be dropped next: what the relay has said must be believed.
            if ctx.stop_cause().is_none() {
                tokio::task::yield_now().await;
            }
        }
        suppress_refused(&delivered, &rendered, stream.as_ref(), ctx);
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

    /// Leaves out who is suppressed in the stream, as it is now.
    async fn leave_out(
        &self,
        recipients: &mut Recipients,
        stream: Option<&Stream>,
        ctx: &JobContext,
    ) -> Result<(), Outcome> {
        let (Some(list), Some(stream)) = (&self.suppressions, stream) else {
            return Ok(());
        };
        let found = list.held_back(ctx.workspace(), stream, &recipients.open()).await;
        // A mail that waits does less harm than one that somebody has asked not to get.
        let reasons = found.map_err(|error| Outcome::retry(format!("the suppressions could not be read: {error}")))?;
        recipients.suppress(&reasons);
        Ok(())
    }

    fn message(&self, sending: Sending, ctx: &JobContext) -> Message {
        let extras = Extras {
            list_unsubscribe: self.unsubscribe_header(&sending, ctx),
            ..sending.extras
        };
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
            extras,
        }
    }

    fn unsubscribe_header(&self, sending: &Sending, ctx: &JobContext) -> Option<UnsubscribeHeader> {
        match (sending.list_unsubscribe.as_ref()?, sending.to.as_slice()) {
            (ListUnsubscribe::OneClick, [to]) => {
                let links = self.links.as_ref()?;
                Some(UnsubscribeHeader::one_click(links.link(
                    ctx.workspace(),
                    sending.stream.as_ref()?,
                    &to.address,
                )))
            }
            // The link is personal, so that such a mail was not accepted.
            (ListUnsubscribe::OneClick, _) => None,
            (ListUnsubscribe::Links(links), _) => Some(UnsubscribeHeader::links(links)),
        }
    }
}

/// The outcome of a mail whose template did not render.
pub(super) fn untemplatable(error: &TemplateError) -> Outcome {
    Outcome::permanent(format!(
        "the template could not be rendered: {}",
        telemetry::chain(error)
    ))
}
