//! Batches in a real database: when they end, what their finishing job becomes, how they are cancelled and counted.

mod random;

use std::collections::BTreeMap;

use super::*;
use crate::domain::job::{After, AttemptEnd, Cause, JobState, OnFailure, Queue, Retry};
use crate::store::events::Effects;
use crate::store::jobs::{self, Awaited};
use crate::store::testing::{NOW, TestStore, end, job, on_each_database, plans, request};
use crate::store::{Abort, ClaimedJob, JobRecord, JobScope, NewJob, Store};

const LATER: Timestamp = Timestamp::from_micros(NOW.as_micros() + 5_000_000);

/// A batch of so many jobs, and what finishes it.
fn batch(count: usize, finishing: Option<OnFailure>) -> (NewBatch, Vec<NewJob>) {
    let new = NewBatch {
        id: BatchId::generate(),
        workspace: WorkspaceId::SERVICE,
        name: Some("a batch".to_owned()),
        is_open: false,
        created_at: NOW,
        finishing: finishing.map(|on_failure| (job(), on_failure)),
    };
    let jobs = (0..count).map(|_| job().into_batch(new.id)).collect();
    (new, jobs)
}

async fn made(store: &Store, new: &NewBatch, jobs: &[NewJob]) -> BatchRecord {
    let (new, jobs) = (new.clone(), jobs.to_vec());
    store.write(move |tx| create(tx, &new, &jobs)).await.unwrap()
}

async fn claimed(store: &Store, count: usize) -> Vec<ClaimedJob> {
    let claimed = store.claim(request(count, NOW)).await.unwrap().jobs;
    assert_eq!(claimed.len(), count);
    claimed
}

async fn finish(store: &Store, held: &ClaimedJob, how: AttemptEnd) {
    store.finish(end(held.id, held.fence, how, LATER)).await.unwrap();
}

async fn shown(store: &Store, id: BatchId) -> BatchRecord {
    let read = store.read(move |connection| one(connection, id, JobScope::All));
    read.await.unwrap().unwrap()
}

async fn finishing(store: &Store, new: &NewBatch) -> JobRecord {
    let id = new.finishing.as_ref().unwrap().0.id;
    let read = store.read(move |connection| jobs::one(connection, id, JobScope::All));
    read.await.unwrap().unwrap()
}

fn refused<T: std::fmt::Debug>(answer: Result<T, Abort<BatchRefused>>) -> BatchRefused {
    match answer.unwrap_err() {
        Abort::Refused(refused) => refused,
        Abort::Store(error) => panic!("{error}"),
    }
}

async fn cancelled(store: &Store, id: BatchId) -> Vec<CancelledMembers> {
    let ask = store.write(move |tx| ask_cancel(tx, id, JobScope::All, LATER));
    ask.await.unwrap();
    let mut all = Vec::new();
    for waits in [false, true] {
        let write = store.write(move |tx| Ok::<_, Abort<()>>(cancel_members(tx, id, LATER, waits)?));
        all.push(write.await.unwrap());
    }
    all
}

async fn a_batch_ends_with_its_last_job_and_its_finishing_job_runs_then(store: TestStore) {
    let (new, jobs) = batch(3, Some(OnFailure::Run));
    let record = made(&store, &new, &jobs).await;
    assert_eq!(
        (record.job_count, record.sealed_at, record.finished_at),
        (3, Some(NOW), None)
    );
    let waits = finishing(&store, &new).await;
    assert_eq!(
        (waits.state, waits.run_at, waits.batch),
        (JobState::Scheduled, NOW, None)
    );
    assert_eq!(waits.awaited, Some(Awaited::Batch(new.id)));
    let held = claimed(&store, 3).await;
    finish(&store, &held[0], AttemptEnd::Completed).await;
    finish(&store, &held[1], AttemptEnd::Failed(Retry::Never)).await;
    let id = new.id;
    let counted = store.read(move |connection| counts(connection, id)).await.unwrap();
    let expected = [
        (JobState::Running, 1),
        (JobState::Completed, 1),
        (JobState::Discarded, 1),
    ];
    assert_eq!(counted, BTreeMap::from(expected));
    assert_eq!(shown(&store, id).await.finished_at, None);
    drop(store.told().await);
    finish(&store, &held[2], AttemptEnd::Completed).await;
    assert_eq!(store.told().await, [vec![Queue::Probes]], "the workers are told");
    assert_eq!(shown(&store, id).await.finished_at, Some(LATER));
    assert_eq!(finishing(&store, &new).await.state, JobState::Available);
    // Run again, a job changes the counts and nothing else.
    let last = held[1].id;
    let again = store.write(move |tx| jobs::retry(tx, last, JobScope::All, LATER));
    again.await.unwrap();
    let mut left = store.claim(request(10, LATER)).await.unwrap().jobs;
    assert_eq!(left.len(), 2, "the finishing job, and the one that runs again");
    left.sort_by_key(|job| job.id != last);
    for job in &left {
        finish(&store, job, AttemptEnd::Completed).await;
    }
    assert_eq!(store.states(), ["completed 4"]);
    assert_eq!(store.number("SELECT count(*) AS value FROM waiters"), Some(0));
}

async fn a_job_that_did_not_complete_cancels_a_finishing_job_that_is_of_no_use_then(store: TestStore) {
    let (new, jobs) = batch(2, Some(OnFailure::Cancel));
    made(&store, &new, &jobs).await;
    let held = claimed(&store, 2).await;
    finish(&store, &held[0], AttemptEnd::Failed(Retry::Never)).await;
    finish(&store, &held[1], AttemptEnd::Completed).await;
    let job = finishing(&store, &new).await;
    assert_eq!(
        (job.state, job.cause, job.run_at),
        (JobState::Cancelled, Some(Cause::DependencyFailed.to_string()), NOW)
    );
    assert_eq!(shown(&store, new.id).await.finished_at, Some(LATER));
}

async fn a_failure_is_not_cleared_away_before_the_batch_has_ended(store: TestStore) {
    let (new, jobs) = batch(3, Some(OnFailure::Cancel));
    made(&store, &new, &jobs).await;
    let held = claimed(&store, 3).await;
    finish(&store, &held[0], AttemptEnd::Failed(Retry::Never)).await;
    finish(&store, &held[1], AttemptEnd::Completed).await;
    let clear = async || {
        let ids: Vec<JobId> = held.iter().map(|held| held.id).collect();
        let until = jobs::FinishedUntil {
            completed: LATER,
            discarded: LATER,
            cancelled: LATER,
            uncertain: LATER,
        };
        let write = store.write(move |tx| Ok::<_, Abort<()>>(jobs::forget(tx.connection(), &ids, &until, LATER)?));
        write.await.unwrap()
    };
    assert_eq!(clear().await, 1, "the one that completed");
    finish(&store, &held[2], AttemptEnd::Completed).await;
    assert_eq!(finishing(&store, &new).await.state, JobState::Cancelled);
    assert_eq!(clear().await, 2);
}

/// More of them than a statement is about.
async fn many_jobs_of_a_batch_wait_each_for_its_own(store: TestStore) {
    const COUNT: usize = 600;
    let awaited: Vec<NewJob> = (0..COUNT).map(|_| job()).collect();
    let mut ids: Vec<JobId> = awaited.iter().map(|job| job.id).collect();
    store.enqueue(awaited).await.unwrap();
    // The first two have ended, one of them badly.
    let begun = claimed(&store, 2).await;
    finish(&store, &begun[0], AttemptEnd::Completed).await;
    finish(&store, &begun[1], AttemptEnd::Failed(Retry::Never)).await;
    ids.sort_by_key(|id| begun.iter().position(|begun| begun.id == *id).unwrap_or(2));
    let (new, mut jobs) = batch(COUNT + 1, None);
    for (index, (job, id)) in jobs.iter_mut().zip(&ids).enumerate() {
        let also = ids[COUNT - 1 - index % 7];
        job.after = Some(After {
            jobs: if index < 2 { vec![*id] } else { vec![*id, also, *id] },
            on_failure: OnFailure::Cancel,
        });
    }
    let missing = JobId::generate();
    let (refused_new, mut refused_jobs) = (batch(0, None).0, jobs.clone());
    refused_jobs[570].after = Some(After {
        jobs: vec![ids[5], missing],
        on_failure: OnFailure::Run,
    });
    let write = store.write(move |tx| create(tx, &refused_new, &refused_jobs)).await;
    let place = MemberRefused { member: 570, after: 1 };
    assert_eq!(refused(write), BatchRefused::Member(place));
    made(&store, &new, &jobs).await;
    let id = new.id;
    let counted = store.read(move |connection| counts(connection, id)).await.unwrap();
    let expected = [
        (JobState::Scheduled, 598),
        (JobState::Available, 2),
        (JobState::Cancelled, 1),
    ];
    assert_eq!(counted, BTreeMap::from(expected));
    let held = claimed(&store, 500).await;
    let rest = claimed(&store, 100).await;
    for held in held.iter().chain(&rest) {
        finish(&store, held, AttemptEnd::Completed).await;
    }
    let counted = store.read(move |connection| counts(connection, id)).await.unwrap();
    assert_eq!(counted.get(&JobState::Scheduled), None, "{counted:?}");
    assert_eq!(counted[&JobState::Cancelled], 1);
}

async fn an_open_batch_takes_jobs_until_it_is_sealed_and_ends_no_sooner(store: TestStore) {
    let (new, jobs) = batch(1, Some(OnFailure::Run));
    let new = NewBatch { is_open: true, ..new };
    made(&store, &new, &jobs).await;
    let held = claimed(&store, 1).await;
    finish(&store, &held[0], AttemptEnd::Completed).await;
    let id = new.id;
    assert_eq!(shown(&store, id).await.finished_at, None, "more may come");
    let more = vec![job().into_batch(id), job().into_batch(id)];
    let (scope, again) = (JobScope::All, more.clone());
    let added = store.write(move |tx| add(tx, id, scope, &more)).await.unwrap();
    assert_eq!(added.job_count, 3);
    let held = claimed(&store, 2).await;
    finish(&store, &held[0], AttemptEnd::Completed).await;
    finish(&store, &held[1], AttemptEnd::Completed).await;
    assert_eq!(finishing(&store, &new).await.state, JobState::Scheduled);
    let sealed = store.write(move |tx| seal(tx, id, scope, LATER)).await.unwrap();
    assert_eq!((sealed.sealed_at, sealed.finished_at), (Some(LATER), Some(LATER)));
    assert_eq!(finishing(&store, &new).await.state, JobState::Available);
    let late = store.write(move |tx| add(tx, id, scope, &again)).await;
    assert_eq!(refused(late), BatchRefused::Sealed);
    let same = store.write(move |tx| seal(tx, id, scope, NOW)).await.unwrap();
    assert_eq!(same.sealed_at, Some(LATER), "the first time stays");
}

async fn a_cancelled_batch_has_its_waiting_jobs_cancelled_and_its_running_ones_asked_and_is_not_finished(
    store: TestStore,
) {
    let (new, jobs) = batch(3, Some(OnFailure::Run));
    made(&store, &new, &jobs).await;
    let held = claimed(&store, 1).await;
    let done = cancelled(&store, new.id).await;
    assert_eq!(done[0].waiting, BTreeMap::from([(Queue::Probes, 2)]));
    assert_eq!((done[0].running.as_slice(), done[0].rows), (&[held[0].id][..], 3));
    assert_eq!(done[1], CancelledMembers::default(), "nothing is asked twice");
    assert_eq!(store.states(), ["cancelled 2", "running 1", "scheduled 1"]);
    assert_eq!(shown(&store, new.id).await.finished_at, None);
    finish(&store, &held[0], AttemptEnd::Cancelled).await;
    let job = finishing(&store, &new).await;
    assert_eq!(
        (job.state, job.cause.as_deref()),
        (JobState::Cancelled, Some("dependency_failed"))
    );
    let id = new.id;
    assert_eq!(shown(&store, id).await.finished_at, Some(LATER));
    let again = store
        .write(move |tx| ask_cancel(tx, id, JobScope::All, NOW))
        .await
        .unwrap();
    assert_eq!(again.cancel_requested_at, Some(LATER), "asking again changes nothing");
    let (other, jobs) = batch(1, None);
    made(&store, &other, &jobs).await;
    let held = claimed(&store, 1).await;
    finish(&store, &held[0], AttemptEnd::Completed).await;
    let id = other.id;
    let late = store.write(move |tx| ask_cancel(tx, id, JobScope::All, LATER)).await;
    assert_eq!(refused(late), BatchRefused::Finished);
}

async fn what_another_node_left_undone_is_found_and_done(store: TestStore) {
    let (ended, jobs) = batch(1, Some(OnFailure::Run));
    made(&store, &ended, &jobs).await;
    let (cut, jobs) = batch(2, None);
    made(&store, &cut, &jobs).await;
    let look = async || store.read(|connection| overlooked(connection, None)).await.unwrap();
    assert_eq!(look().await, Overlooked::default());
    // A node of an earlier version ends the only job; a process dies once a cancel is noted.
    let statement = format!(
        "UPDATE jobs SET state = 'cancelled', finished_at = 1 WHERE batch_id = '{}'",
        ended.id
    );
    store.run(&statement);
    let id = cut.id;
    store
        .write(move |tx| ask_cancel(tx, id, JobScope::All, LATER))
        .await
        .unwrap();
    let found = look().await;
    assert_eq!(
        (found.ended.as_slice(), found.to_cancel.as_slice()),
        (&[ended.id][..], &[cut.id][..])
    );
    let id = ended.id;
    store
        .write(move |tx| Ok::<_, Abort<()>>(look_again(tx, id, LATER)?))
        .await
        .unwrap();
    assert_eq!(finishing(&store, &ended).await.state, JobState::Available);
    cancelled(&store, cut.id).await;
    assert_eq!(shown(&store, cut.id).await.finished_at, Some(LATER));
    assert_eq!(look().await, Overlooked::default());
}

async fn another_workspaces_batch_is_not_there(store: TestStore) {
    let (new, jobs) = batch(1, None);
    made(&store, &new, &jobs).await;
    let (id, scope) = (new.id, JobScope::Workspace(store.workspace().await));
    assert_eq!(store.read(move |c| one(c, id, scope)).await.unwrap(), None);
    assert_eq!(store.read(move |c| list(c, scope, None, 10)).await.unwrap(), []);
    assert_eq!(
        store
            .read(move |c| list(c, JobScope::All, None, 10))
            .await
            .unwrap()
            .len(),
        1
    );
    let sealed = store.write(move |tx| seal(tx, id, scope, NOW)).await;
    assert_eq!(refused(sealed), BatchRefused::NoSuchBatch);
    let asked = store.write(move |tx| ask_cancel(tx, id, scope, NOW)).await;
    assert_eq!(refused(asked), BatchRefused::NoSuchBatch);
    let added = store.write(move |tx| add(tx, id, scope, &[job().into_batch(id)])).await;
    assert_eq!(refused(added), BatchRefused::NoSuchBatch);
}

async fn an_old_batch_goes_once_its_jobs_are_gone(store: TestStore) {
    let (new, jobs) = batch(1, None);
    made(&store, &new, &jobs).await;
    let held = claimed(&store, 1).await;
    finish(&store, &held[0], AttemptEnd::Completed).await;
    let gone = async |until| {
        let write = store.write(move |tx| Ok::<_, Abort<()>>(forget(tx.connection(), until, 10)?));
        write.await.unwrap()
    };
    assert_eq!(gone(LATER).await, 0, "its job is there");
    store.run("DELETE FROM jobs");
    assert_eq!(gone(NOW).await, 0, "too early");
    assert_eq!(gone(LATER).await, 1);
}

/// On a server transactions overlap. Both hold their own jobs before either looks what is left of the batch.
#[tokio::test]
async fn of_two_transactions_that_end_the_last_two_jobs_of_a_batch_at_once_the_second_finds_its_end() {
    let Some(store) = TestStore::on_server() else { return };
    let (new, jobs) = batch(2, Some(OnFailure::Run));
    made(&store, &new, &jobs).await;
    let held = claimed(&store, 2).await;
    let ends = |held: &ClaimedJob| end(held.id, held.fence, AttemptEnd::Completed, LATER);
    let (first, second) = (ends(&held[0]), ends(&held[1]));
    let hold = format!("SELECT 1 FROM jobs WHERE id = '{}' FOR UPDATE", held[1].id);
    store.overlap(
        |connection, effects: &mut Effects| drop(jobs::finish(connection, &[&first], effects).unwrap()),
        |connection| diesel::connection::SimpleConnection::batch_execute(connection, &hold).unwrap(),
        |connection, effects| drop(jobs::finish(connection, &[&second], effects).unwrap()),
    );
    assert_eq!(shown(&store, new.id).await.finished_at, Some(LATER));
    assert_eq!(finishing(&store, &new).await.state, JobState::Available);
}

#[tokio::test]
async fn what_is_left_of_a_batch_and_its_counts_are_found_by_its_index() {
    let store = TestStore::new();
    let (new, jobs) = batch(2, None);
    made(&store, &new, &jobs).await;
    let id = new.id.to_string();
    let plans = plans(&store, |connection| {
        look(connection, &id, NOW, &mut Effects::default()).unwrap();
        counts(connection, new.id).unwrap();
    });
    assert_eq!(plans.len(), 2, "{plans:#?}");
    for (statement, plan) in &plans {
        let by_index = plan.contains("jobs_by_batch (batch_id=?") && !plan.contains("TEMP B-TREE");
        assert!(by_index, "{statement}: {plan}");
    }
}

on_each_database!(
    a_batch_ends_with_its_last_job_and_its_finishing_job_runs_then,
    a_job_that_did_not_complete_cancels_a_finishing_job_that_is_of_no_use_then,
    a_failure_is_not_cleared_away_before_the_batch_has_ended,
    many_jobs_of_a_batch_wait_each_for_its_own,
    an_open_batch_takes_jobs_until_it_is_sealed_and_ends_no_sooner,
    a_cancelled_batch_has_its_waiting_jobs_cancelled_and_its_running_ones_asked_and_is_not_finished,
    what_another_node_left_undone_is_found_and_done,
    another_workspaces_batch_is_not_there,
    an_old_batch_goes_once_its_jobs_are_gone,
);
