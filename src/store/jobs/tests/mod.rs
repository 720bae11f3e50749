//! Jobs in a real database: who gets them, what ends of attempts write, what people may order, and how they are read.

mod after;
mod arguments;
mod bulk;
mod claiming;
mod deadlines;
mod ending;
mod limits;
mod lives;
mod newer;
mod ordering;
mod plans;
mod ranges;
mod reading;
mod rescuing;
mod resolving;
mod retaining;
mod turns;
mod uniqueness;

use crate::clock::Timestamp;
use crate::domain::id::JobId;
use crate::domain::job::{AttemptEnd, JobState, Retry};
use crate::store::testing::{TestStore, end, job, request};
use crate::store::{Abort, AttemptRecord, ClaimedJob, Finished, JobRecord, JobScope, jobs};

/// Enqueues a job and claims it.
async fn running(store: &TestStore, now: Timestamp) -> ClaimedJob {
    store.enqueue(vec![job()]).await.unwrap();
    claim_one(store, now).await
}

async fn claim_one(store: &TestStore, now: Timestamp) -> ClaimedJob {
    let claimed = store.claim(request(10, now)).await.unwrap();
    assert_eq!(claimed.jobs.len(), 1, "{:?}", claimed.jobs);
    claimed.jobs.into_iter().next().unwrap()
}

async fn finish(store: &TestStore, held: &ClaimedJob, how: AttemptEnd, at: Timestamp) -> Finished {
    store.finish(end(held.id, held.fence, how, at)).await.unwrap()
}

async fn cancel(store: &TestStore, id: JobId, now: Timestamp) -> Result<JobRecord, Abort<jobs::OrderRefused>> {
    store.write(move |tx| jobs::cancel(tx, id, JobScope::All, now)).await
}

async fn retry(store: &TestStore, id: JobId, now: Timestamp) -> Result<JobRecord, Abort<jobs::OrderRefused>> {
    store.write(move |tx| jobs::retry(tx, id, JobScope::All, now)).await
}

async fn one(store: &TestStore, id: JobId) -> JobRecord {
    let found = store
        .read(move |connection| jobs::one(connection, id, JobScope::All))
        .await;
    found.unwrap().unwrap()
}

async fn attempts(store: &TestStore, id: JobId) -> Vec<AttemptRecord> {
    store
        .read(move |connection| {
            let job = jobs::one(connection, id, JobScope::All)?.unwrap();
            jobs::attempts_of(connection, &job)
        })
        .await
        .unwrap()
}

/// Every column of every job and attempt, to see that nothing changed.
fn all(store: &TestStore) -> Vec<String> {
    let columns = |table: &str| {
        let (names, quote) = if store.file().is_some() {
            (
                format!("SELECT name AS value FROM pragma_table_info('{table}')"),
                "quote",
            )
        } else {
            let columns = "SELECT column_name::text AS value FROM information_schema.columns";
            (format!("{columns} WHERE table_name = '{table}'"), "quote_nullable")
        };
        let names = store.words(&names);
        let quoted: Vec<String> = names.iter().map(|name| format!("{quote}({name})")).collect();
        store.words(&format!(
            "SELECT {} AS value FROM {table} ORDER BY 1",
            quoted.join(" || ' ' || ")
        ))
    };
    let mut rows = columns("jobs");
    rows.extend(columns("attempts"));
    rows
}

/// Every way in which an attempt can end, with later times counted from `now`.
fn ends(now: Timestamp) -> Vec<AttemptEnd> {
    use crate::domain::job::WhenUncertain::{Hold, Repeat};
    let at = Retry::At(now.plus(std::time::Duration::from_secs(3)));
    vec![
        AttemptEnd::Completed,
        AttemptEnd::Failed(at),
        AttemptEnd::Failed(Retry::Never),
        AttemptEnd::Snoozed(now.plus(std::time::Duration::from_secs(2))),
        AttemptEnd::Snoozed(now),
        AttemptEnd::Cancelled,
        AttemptEnd::Uncertain(Hold, at),
        AttemptEnd::Uncertain(Repeat, at),
        AttemptEnd::TimedOut(at),
        AttemptEnd::Panicked(at),
        AttemptEnd::WorkerPanicked(at),
        AttemptEnd::Drained,
        AttemptEnd::Lost,
    ]
}

fn is_final(job: &JobRecord, state: JobState) -> bool {
    job.state == state && job.finished_at.is_some()
}
