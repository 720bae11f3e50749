//! What an attempt is given beside its arguments.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::ledger::Ledger;
use super::stop::{StopCause, StopSignal};
use super::told::Told;
use crate::clock::{Clock, Timestamp};
use crate::domain::id::{JobId, WorkspaceId};
use crate::domain::job::{Progress, WhenUncertain};
use crate::store::suppressions::NewSuppression;
use crate::store::{ClaimedJob, Held};
use crate::telemetry::names::event;

/// The attempt is to stop; its effect must not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the attempt was told to stop")]
pub struct Stopped;

/// An attempt's link to the outside: who it is, whether it should stop, how far it has come. Clones are the same attempt.
#[derive(Clone)]
pub struct JobContext {
    inner: Arc<Inner>,
}

struct Inner {
    job: JobId,
    workspace: WorkspaceId,
    attempt: u32,
    fence: i64,
    args: Arc<str>,
    accepted_at: Timestamp,
    earlier_result: Option<String>,
    stop: StopSignal,
    told: Arc<Told>,
    when_uncertain: WhenUncertain,
    ledger: Arc<dyn Ledger>,
    clock: Clock,
}

impl JobContext {
    pub(super) fn new(
        job: &ClaimedJob,
        stop: StopSignal,
        told: Arc<Told>,
        when_uncertain: WhenUncertain,
        ledger: Arc<dyn Ledger>,
        clock: Clock,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                job: job.id,
                workspace: job.workspace,
                attempt: job.attempt,
                fence: job.fence,
                args: Arc::clone(&job.args),
                accepted_at: job.created_at,
                earlier_result: job.result.clone(),
                stop,
                told,
                when_uncertain,
                ledger,
                clock,
            }),
        }
    }

    /// The job.
    #[must_use]
    pub fn job(&self) -> JobId {
        self.inner.job
    }

    /// The tenant for whom the work is done.
    #[must_use]
    pub fn workspace(&self) -> WorkspaceId {
        self.inner.workspace
    }

    /// How many attempts the job has spent, this one included; snoozed and lost ones do not count.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.inner.attempt
    }

    /// The attempt's own number, which only ever grows within a job: for the work's own writes, so that a late one of an
    /// older attempt can be told apart. [`crate::store::Tx::hold`] has a transaction commit only while this attempt holds the
    /// job.
    #[must_use]
    pub fn fence(&self) -> i64 {
        self.inner.fence
    }

    /// What an outgoing call is to carry as its `Idempotency-Key`, so that the other side does once what several attempts ask
    /// for: at most 48 characters of letters, digits, `_` and `-`, the same over all attempts of the job. A person's retry with
    /// other arguments asks for another effect, and so has another key. A job with several effects adds a name to each.
    #[must_use]
    pub fn effect_key(&self) -> String {
        let digest = Sha256::digest(self.inner.args.as_bytes());
        let mut marks = [0; 4];
        digest.iter().zip(&mut marks).for_each(|(byte, mark)| *mark = *byte);
        format!("{}-{:08x}", self.inner.job, u32::from_be_bytes(marks))
    }

    /// How many bytes the job's arguments have, as JSON.
    #[must_use]
    pub fn args_bytes(&self) -> usize {
        self.inner.args.len()
    }

    /// When the job was accepted: the same over all attempts.
    #[must_use]
    pub fn accepted_at(&self) -> Timestamp {
        self.inner.accepted_at
    }

    /// What an earlier attempt answered, as JSON: how far the work came that this one goes on with.
    #[must_use]
    pub fn earlier_result(&self) -> Option<&str> {
        self.inner.earlier_result.as_deref()
    }

    /// The present.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Why the attempt should stop, if it should.
    #[must_use]
    pub fn stop_cause(&self) -> Option<StopCause> {
        self.inner.stop.cause()
    }

    /// Waits until the attempt should stop.
    pub async fn stopped(&self) {
        self.inner.stop.given().await;
    }

    /// Says how far the work has come. It never waits; the latest is stored a few times a second.
    pub fn progress(&self, done: u64, total: Option<u64>, note: Option<&str>) {
        self.inner.told.progress.set(Progress::new(done, total, note));
    }

    /// What was said with whoever is outside, for people who look at the attempt: printable, without secrets and whole
    /// addresses, and at most some KiB. Each call replaces what an earlier one said; it is stored with the attempt's end.
    pub fn transcript(&self, text: String) {
        self.inner.told.set_transcript(text);
    }

    /// From now on, what is uncertain and is to be repeated is repeated after this long, in place of the kind's backoff:
    /// nothing is wrong with the work then, and whoever may have lost an answer is best asked again soon.
    pub fn repeat_uncertain_after(&self, wait: Duration) {
        self.inner.told.set_uncertain_wait(wait);
    }

    /// Has these addresses suppressed in the transaction that writes the attempt's end, whatever that is, and only if the
    /// attempt still holds the job then.
    pub fn suppress(&self, new: Vec<NewSuppression>) {
        self.inner.told.progress.suppress(new);
    }

    /// Whether the point of no return was passed.
    #[must_use]
    pub fn is_past_no_return(&self) -> bool {
        self.inner.told.is_past_no_return()
    }

    /// To be awaited directly before an effect that cannot be undone. From then on, whatever ends the attempt without an
    /// answer of its own makes it uncertain, and it is never simply run again. Where the kind's rule for this job is
    /// [`WhenUncertain::Hold`], that is on disk before this returns, so that it holds through `kill -9` too.
    ///
    /// # Errors
    /// [`Stopped`] when the attempt should stop or is no longer ours: the effect must then not begin.
    pub async fn point_of_no_return(&self) -> Result<(), Stopped> {
        let inner = &self.inner;
        if inner.stop.cause().is_some() {
            return Err(Stopped);
        }
        if inner.when_uncertain == WhenUncertain::Hold {
            match inner.ledger.no_return(inner.job, inner.fence, inner.clock.now()).await {
                Ok(Held::Yes {
                    cancel_requested: false,
                }) => {}
                Ok(Held::Yes { cancel_requested: true }) => {
                    inner.stop.give(StopCause::CancelRequested);
                    return Err(Stopped);
                }
                Ok(Held::No) => {
                    inner.stop.give(StopCause::LeaseLost);
                    return Err(Stopped);
                }
                Err(error) => {
                    let error = crate::telemetry::chain(&error);
                    tracing::warn!(
                        event = event::NO_RETURN_FAILED,
                        job = %inner.job,
                        error,
                        "the point of no return could not be noted"
                    );
                    return Err(Stopped);
                }
            }
        }
        inner.told.pass_no_return();
        Ok(())
    }
}
