//! Waiting for a job's end, for clients that prefer it (`Prefer: wait=N`).
//!
//! Guarantees: what waits is bounded ([`Waiters::WAITING_MAX`]), and whoever finds no place is answered at once; waiting reads
//! nothing until the job's end is told of, but for a look every [`LOOK_EVERY`]; at a shutdown all are answered.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpRequest, web};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::State;
use super::auth::Member;
use super::http::Problem;
use super::http::security::Patience;
use super::jobs::cancel::{Cancelled, cancel};
use super::jobs::{JobView, shown};
use super::prefer::Preferences;
use crate::domain::id::{AccountId, JobId};
use crate::store::events::{Interest, Subscription};
use crate::store::{Abort, JobScope};
use crate::telemetry::names::event;

/// How often a job is looked at while nothing is told of it: a wake that was lost costs no more than that.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The places for requests that wait; clones share them.
#[derive(Clone, Debug)]
pub struct Waiters(Arc<Semaphore>);

impl Waiters {
    /// How many requests may wait at once: half of the connections that the service takes by default.
    pub const WAITING_MAX: usize = 500;
}

impl Default for Waiters {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(Self::WAITING_MAX)))
    }
}

/// One request that waits.
pub(super) struct Wait {
    job: JobId,
    until: Instant,
    subscription: Subscription,
    applied: String,
    gone: Option<WhenGone>,
    _place: OwnedSemaphorePermit,
}

impl Wait {
    /// Begins to wait for `job`, before it is looked at or even made; none if that is not preferred, or there is no place.
    pub(super) fn begin(job: JobId, preferences: Preferences, request: &HttpRequest, member: &Member) -> Option<Self> {
        let (wait, applied) = (preferences.wait?, preferences.applied()?);
        let state = request.app_data::<web::Data<State>>()?;
        if state.shutdown.is_raised() {
            return None;
        }
        let place = Arc::clone(&state.waiters.0).try_acquire_owned().ok()?;
        Patience::extend(request, wait);
        let gone = preferences.cancels_when_gone.then(|| WhenGone::new(job, member, state));
        Some(Self {
            job,
            until: Instant::now() + wait,
            subscription: state.store.hub().subscribe(Interest::End(job)),
            applied,
            gone,
            _place: place,
        })
    }

    /// What `Preference-Applied` says.
    pub(super) fn applied(&self) -> &str {
        &self.applied
    }

    /// From now on the job is cancelled if the client goes away, if it asked for that: the job is there.
    pub(super) fn arm(&mut self) {
        if let Some(gone) = &mut self.gone {
            gone.is_armed = true;
        }
    }

    /// Waits for the job's end or the time's, and answers the job as it is then; none if it is not there (any more).
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) async fn outcome(mut self, member: &Member, state: &State) -> Result<Option<JobView>, Problem> {
        self.arm();
        let mut is_over = false;
        loop {
            let job = shown(self.job, member, state).await;
            let goes_on = !is_over && matches!(&job, Ok(Some(job)) if !job.is_final());
            if !goes_on {
                // Whatever is answered, the client is still there to get it.
                if let Some(gone) = &mut self.gone {
                    gone.is_armed = false;
                }
                return job;
            }
            let look_at = self.until.min(Instant::now() + LOOK_EVERY);
            is_over = tokio::select! {
                biased;
                () = state.shutdown.raised() => true,
                () = self.subscription.changed(&state.store) => false,
                () = tokio::time::sleep_until(look_at) => look_at == self.until,
            };
        }
    }
}

/// Cancels a job when it is dropped while armed: the client that wanted it went away.
pub(super) struct WhenGone {
    job: JobId,
    scope: JobScope,
    account: AccountId,
    state: web::Data<State>,
    /// Whether the job is there and has not been seen to end.
    pub(super) is_armed: bool,
}

impl WhenGone {
    /// For `job`, which `member` may cancel if they may see it; not armed yet.
    pub(super) fn new(job: JobId, member: &Member, state: &web::Data<State>) -> Self {
        Self {
            job,
            scope: member.job_scope(),
            account: member.account.id,
            state: web::Data::clone(state),
            is_armed: false,
        }
    }
}

impl Drop for WhenGone {
    fn drop(&mut self) {
        // At a shutdown it is the service that goes; the job lives on.
        if !self.is_armed || self.state.shutdown.is_raised() {
            return;
        }
        let (job, scope, account) = (self.job, self.scope, self.account);
        let state = web::Data::clone(&self.state);
        // Without a runtime the process is at its end.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { cancel_for(job, scope, account, &state).await });
        }
    }
}

async fn cancel_for(job: JobId, scope: JobScope, account: AccountId, state: &State) {
    match cancel(job, scope, None, state).await {
        Ok(Cancelled {
            job: record, is_here, ..
        }) => {
            tracing::info!(
                event = event::JOB_CANCEL_REQUESTED,
                job = %job,
                state = %record.state,
                account = %account,
                is_here,
                "whoever waited for the job went away, and had asked for its cancel then"
            );
        }
        // It has ended, which is as good.
        Err(Abort::Refused(_)) => {}
        Err(Abort::Store(error)) => {
            let error = crate::telemetry::chain(&error);
            tracing::warn!(event = event::CANCEL_FAILED, job = %job, error, "a job whose client went away could not be cancelled");
        }
    }
}
