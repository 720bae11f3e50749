//! A worker: the actor that performs the jobs of one queue. The mailer and the prober are workers.
//!
//! Its handler only receives; the attempt runs as a task of the same arbiter beside the actor, so that the actor's restart
//! does not end it and slow work never holds up the mailbox. To test one alone: start it in a tree, send it a [`Perform`]
//! whose ledger is a [`crate::jobs::MemoryLedger`], and await the [`Report`].

use std::sync::Arc;

use actix::{Actor, Handler, Message, ResponseFuture};

use crate::jobs::{Attempt, Report};
use crate::supervision;
use crate::telemetry::names;

/// Performs whatever attempts it is sent.
#[derive(Default)]
pub struct Worker {
    comes_up: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Worker {
    /// A worker that calls `comes_up` at the beginning of each of its lives. While it is down nothing is claimed for it, so
    /// that its queue must be looked at again now, or the jobs would wait for the next poll.
    #[must_use]
    pub fn waking(comes_up: Arc<dyn Fn() + Send + Sync>) -> Self {
        Self {
            comes_up: Some(comes_up),
        }
    }
}

/// Perform this attempt; answered when its end is written. None when there is nothing left of it.
#[derive(Message)]
#[rtype(result = "Option<Report>")]
pub struct Perform(pub Attempt);

impl Actor for Worker {
    type Context = supervision::Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        if let Some(comes_up) = &self.comes_up {
            comes_up();
        }
    }
}

supervision::supervised!(Worker);

impl Handler<Perform> for Worker {
    type Result = ResponseFuture<Option<Report>>;

    fn handle(&mut self, Perform(attempt): Perform, ctx: &mut Self::Context) -> Self::Result {
        if let Some(job) = attempt.begin() {
            tracing::info!(
                event = names::event::JOB_CLAIMED,
                actor = ctx.name(),
                job = %job.id,
                kind = job.kind,
                queue = %job.queue,
                attempt = job.attempt,
                fence = job.fence,
                request_id = job.request_id.as_deref(),
                "an attempt begins"
            );
        }
        // A panic in here drops the attempt, which writes its own end.
        let received = attempt.receive();
        let task = tokio::spawn(attempt.run(received));
        Box::pin(async move { task.await.ok().flatten() })
    }
}
