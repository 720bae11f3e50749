//! Whom a server said not to exist: suppressed in the stream with the attempt's end.

use crate::domain::id::SuppressionId;
use crate::domain::stream::Stream;
use crate::domain::suppression::{SuppressionOrigin, SuppressionReason, names_no_mailbox};
use crate::jobs::JobContext;
use crate::mail::{DeliveryError, Receipt, Refusal, Rendered};
use crate::store::suppressions::NewSuppression;
use crate::telemetry;

/// Has the end of the attempt suppress, in the stream, whom the server said not to exist.
pub(super) fn suppress_refused(
    delivered: &Result<Receipt, DeliveryError>,
    rendered: &Rendered,
    stream: Option<&Stream>,
    ctx: &JobContext,
) {
    let refusals: &[Refusal] = match delivered {
        Ok(receipt) => &receipt.refusals,
        Err(DeliveryError::Recipients { refusals }) => refusals,
        Err(_) => &[],
    };
    let Some(stream) = stream else { return };
    let is_gone = |refusal: &&Refusal| refusal.is_final && names_no_mailbox(refusal.code, &refusal.words);
    let new = refusals.iter().filter(is_gone).filter_map(|refusal| {
        Some(NewSuppression {
            id: SuppressionId::generate(),
            workspace: ctx.workspace(),
            address: rendered.envelope.to.get(refusal.position)?.canonical(),
            stream: Some(stream.clone()),
            reason: SuppressionReason::Bounce,
            origin: SuppressionOrigin::Job {
                job: ctx.job(),
                reply: refusal.to_string(),
            },
            at: ctx.now(),
        })
    });
    let new: Vec<NewSuppression> = new.collect();
    if new.is_empty() {
        return;
    }
    tracing::info!(
        event = telemetry::names::event::RECIPIENTS_GONE,
        job = %ctx.job(),
        workspace = %ctx.workspace(),
        %stream,
        addresses = new.len(),
        "a server said that addresses do not exist; they are suppressed"
    );
    ctx.suppress(new);
}
