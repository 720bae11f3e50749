//! Accepting work: what all work routes do once they know the kind and its arguments.
//!
//! Guarantees: 202 is answered after the job is committed; the body is the job as `GET` of its `Location` would show it at
//! that moment; each job that was accepted is one line in the log, with the id of its request. A request that is repeated
//! with its `Idempotency-Key` is answered as the first time and takes nothing from any limit. One that prefers to wait is
//! answered 200 once the job has ended, whatever it came to, or 202 when the time has.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName};
use actix_web::{FromRequest, HttpRequest, HttpResponse, dev};
use std::cell::Cell;
use std::future::{Ready, ready};

use super::State;
use super::after;
use super::auth::Member;
use super::client::Client;
use super::http::{Problem, Slug};
use super::idempotency::{self, Keyed};
use super::jobs::JobView;
use super::prefer::{self, Preferences};
use super::throttle::count_of;
use super::unique;
use super::waiting::Wait;
use crate::domain::id::JobId;
use crate::jobs::{Kind, Order, new_job};
use crate::store::idempotency::{Entered, KeptAnswer, enter};
use crate::store::jobs::{Enqueued, NoSuchJob};
use crate::store::{Abort, NewJob, Tx};
use crate::telemetry::names::event;

/// The header that says that an answer is that of an earlier request.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// How a request asks for work, apart from its body: with which key, and whether it waits.
pub(super) struct Asked(HttpRequest);

impl FromRequest for Asked {
    type Error = std::convert::Infallible;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(Ok(Self(request.clone())))
    }
}

impl Asked {
    /// The key of the request, if it has one.
    ///
    /// # Errors
    /// 400 if it is no key.
    pub(super) fn keyed(&self) -> Result<Option<Keyed>, Problem> {
        idempotency::keyed(&self.0)
    }

    fn preferences(&self) -> Preferences {
        Preferences::extract(&self.0).into_inner().unwrap_or_default()
    }
}

/// Enqueues a job for the member's workspace and answers with it.
///
/// # Errors
/// 429 when it is more than the workspace may have; 503 or 500 when it could not be committed; 400, 409 or 422 for its key.
pub(super) async fn accept<K: Kind>(
    args: &K::Args,
    order: Order,
    member: &Member,
    state: &State,
    asked: &Asked,
) -> Result<HttpResponse, Problem> {
    accept_mail::<K>(args, 0, order, member, state, asked).await
}

/// The same, for a job that sends this many mails.
///
/// # Errors
/// As [`accept`]; 422 when it is more mails than the workspace may ever send at once.
async fn accept_mail<K: Kind>(
    args: &K::Args,
    mails: usize,
    order: Order,
    member: &Member,
    state: &State,
    asked: &Asked,
) -> Result<HttpResponse, Problem> {
    let besides = None::<fn(&mut Tx<'_>, &NewJob) -> _>;
    accept_with::<K, (), _>(
        args,
        mails,
        order,
        member,
        state,
        asked,
        (besides, |()| Problem::not_found()),
    )
    .await
}

/// The same, with what is written besides in the job's transaction, and what is told where that is refused.
///
/// # Errors
/// As [`accept`]; 422 when it is more mails than the workspace may ever send at once; what `told` makes of a refusal.
pub(super) async fn accept_with<K, E, B>(
    args: &K::Args,
    mails: usize,
    order: Order,
    member: &Member,
    state: &State,
    asked: &Asked,
    (besides, told): (Option<B>, impl FnOnce(E) -> Problem),
) -> Result<HttpResponse, Problem>
where
    K: Kind,
    E: Send + 'static,
    B: FnMut(&mut Tx<'_>, &NewJob) -> Result<(), Abort<E>> + Send + 'static,
{
    let unique = order.unique.clone();
    let is_taken = Cell::new(false);
    let limits = async || {
        let holder = unique::holder(unique.as_ref(), member, state).await?;
        if holder.is_none() {
            state.throttle.take_work(&member.account, K::QUEUE, mails)?;
            is_taken.set(true);
        }
        Ok(holder)
    };
    let make = || new_job::<K>(args, member.account.workspace, state.clock.now(), order).map_err(Problem::internal);
    let answer = submit(asked, member, state, limits, make, besides, told).await;
    let is_of_another = |answer: &HttpResponse| {
        let headers = answer.headers();
        headers.contains_key(REPLAYED) || headers.contains_key(unique::EXISTING)
    };
    if is_taken.get() && answer.as_ref().map_or(true, is_of_another) {
        // Nothing came of it, or another request was quicker.
        state.mail_counts.give_back(member.account.workspace, count_of(mails));
    }
    answer
}

/// Commits a job that is made by `make`, with what `besides` writes in its transaction, and answers with it.
///
/// `limits` is asked first, unless the request is a repeated one; it may have an answer already. Jobs without a key of either
/// sort, that wait for no other, and without anything besides, are inserted as data, many of them in one statement.
///
/// # Errors
/// What `limits` and `make` answer, what `told` makes of a refusal of `besides`, and as [`accept`].
pub(super) async fn submit<E, B>(
    asked: &Asked,
    member: &Member,
    state: &State,
    limits: impl AsyncFnOnce() -> Result<Option<HttpResponse>, Problem>,
    make: impl FnOnce() -> Result<NewJob, Problem>,
    besides: Option<B>,
    told: impl FnOnce(E) -> Problem,
) -> Result<HttpResponse, Problem>
where
    E: Send + 'static,
    B: FnMut(&mut Tx<'_>, &NewJob) -> Result<(), Abort<E>> + Send + 'static,
{
    let keyed = idempotency::keyed(&asked.0)?;
    let workspace = member.account.workspace;
    let (turn, known) = idempotency::begun(keyed.as_ref(), workspace, state).await?;
    if let (Some(Keyed { fingerprint, .. }), Some(known)) = (&keyed, known) {
        drop(turn);
        return replay(known, fingerprint, member, state, asked).await;
    }
    let client = Client::of(&asked.0);
    state.throttle.take_network_work(&member.account, &client, 1, "")?;
    if let Some(answer) = limits().await? {
        return Ok(answer);
    }
    let job = make()?;
    // From before the job is there, so that its end is not missed.
    let wait = Wait::begin(job.id, asked.preferences(), &asked.0, member);
    let view = JobView::of_new(&job, state);
    let body = serde_json::to_string(&view).map_err(Problem::internal)?;
    if keyed.is_none() && besides.is_none() && job.unique.is_none() && job.after.is_none() {
        let enqueued = state.store.enqueue(vec![job.clone()]).await;
        enqueued.inspect_err(|_| state.depths.left(job.queue, [workspace]))?;
    } else {
        let kept = keyed.as_ref().map(|keyed| kept(keyed, &job, &body, state));
        let written = write(&job, kept, besides, state).await;
        if !matches!(written, Ok(Entered::New)) {
            // Nothing came of the place that it took.
            state.depths.left(job.queue, [workspace]);
        }
        match written {
            Ok(Entered::New) => {}
            Ok(Entered::Known(known)) => {
                let fingerprint = keyed.map(|keyed| keyed.fingerprint).unwrap_or_default();
                drop(wait);
                drop(turn);
                return replay(known, &fingerprint, member, state, asked).await;
            }
            Ok(Entered::Held) => {
                return Err(Problem::conflict(
                    "another request with this Idempotency-Key is at work",
                ));
            }
            Err(Abort::Refused(Undone::Existing(holder))) => return unique::existing(holder, member, state).await,
            Err(Abort::Refused(Undone::NotThere(missing))) => return Err(after::not_there(missing, "")),
            Err(Abort::Refused(Undone::Besides(refusal))) => return Err(told(refusal)),
            Err(Abort::Store(error)) => return Err(error.into()),
        }
    }
    drop(turn);
    log_enqueued(&job);
    answer(job.id, body, wait, false, member, state).await
}

fn kept(keyed: &Keyed, job: &NewJob, body: &str, state: &State) -> KeptAnswer {
    KeptAnswer {
        workspace: job.workspace,
        key: keyed.key.clone(),
        fingerprint: keyed.fingerprint.clone(),
        job: job.id,
        body: body.to_owned(),
        expires_at: job.created_at.plus(state.config.idempotency.window),
    }
}

/// Why nothing of a job was committed.
enum Undone<E> {
    /// This job has its unique key.
    Existing(JobId),
    /// A job that it is to wait for is not there.
    NotThere(NoSuchJob),
    /// What was to be written besides was refused.
    Besides(E),
}

impl<E> Undone<E> {
    /// What `refused` makes of a refusal; a failure stays one.
    fn of<R>(refused: impl FnOnce(R) -> Self) -> impl FnOnce(Abort<R>) -> Abort<Self> {
        |abort| match abort {
            Abort::Refused(refusal) => Abort::Refused(refused(refusal)),
            Abort::Store(error) => Abort::Store(error),
        }
    }
}

/// Commits the key, if there is one, the job, and what `besides` writes.
async fn write<E, B>(
    job: &NewJob,
    kept: Option<KeptAnswer>,
    mut besides: Option<B>,
    state: &State,
) -> Result<Entered, Abort<Undone<E>>>
where
    E: Send + 'static,
    B: FnMut(&mut Tx<'_>, &NewJob) -> Result<(), Abort<E>> + Send + 'static,
{
    let job = job.clone();
    let write = state.store.write(move |tx| {
        if let Some(kept) = &kept {
            let entered = enter(tx.connection(), kept, job.created_at)?;
            if entered != Entered::New {
                return Ok(entered);
            }
        }
        // Refused rather than answered, so that the key of the request stays free.
        let enqueued = tx.enqueue_after(&job).map_err(Undone::of(Undone::NotThere))?;
        if let Enqueued::Existing(holder) = enqueued {
            return Err(Abort::Refused(Undone::Existing(holder)));
        }
        if let Some(besides) = &mut besides {
            besides(tx, &job).map_err(Undone::of(Undone::Besides))?;
        }
        Ok(Entered::New)
    });
    write.await
}

/// The answer of the first time, or, to whoever prefers to wait, the job as it is.
async fn replay(
    known: KeptAnswer,
    fingerprint: &str,
    member: &Member,
    state: &State,
    asked: &Asked,
) -> Result<HttpResponse, Problem> {
    if known.fingerprint != fingerprint {
        return Err(Problem::new(
            Slug::KeyReused,
            "this Idempotency-Key stands for a request with another body; take a new key for a new request",
        ));
    }
    let wait = Wait::begin(known.job, asked.preferences(), &asked.0, member);
    answer(known.job, known.body, wait, true, member, state).await
}

/// 202 with `body`; to whoever waits, the job as it is when it has ended, or the time has.
async fn answer(
    job: JobId,
    body: String,
    wait: Option<Wait>,
    is_replayed: bool,
    member: &Member,
    state: &State,
) -> Result<HttpResponse, Problem> {
    let (mut status, mut body, mut applied) = (StatusCode::ACCEPTED, body, None);
    if let Some(wait) = wait {
        applied = Some(wait.applied().to_owned());
        // One that was cleared away meanwhile is answered as it was accepted; so is one that cannot be read, which is
        // committed all the same.
        if let Ok(Some(view)) = wait.outcome(member, state).await {
            if view.is_final() {
                status = StatusCode::OK;
            }
            body = serde_json::to_string(&view).map_err(Problem::internal)?;
        }
    }
    let mut answer = HttpResponse::build(status);
    answer.insert_header((header::LOCATION, format!("/v1/jobs/{job}")));
    if is_replayed {
        answer.insert_header((REPLAYED, "true"));
    }
    if let Some(applied) = applied {
        answer.insert_header((prefer::APPLIED, applied));
    }
    Ok(answer.content_type("application/json").body(body))
}

/// Says in the log that a job was accepted; to be called after the commit.
pub(super) fn log_enqueued(job: &NewJob) {
    tracing::info!(
        event = event::JOB_ENQUEUED,
        job = %job.id,
        kind = job.kind,
        queue = %job.queue,
        workspace = %job.workspace,
        request_id = job.request_id.as_deref(),
        "a job was accepted"
    );
}
