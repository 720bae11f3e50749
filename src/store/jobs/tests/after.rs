//! Jobs that wait for others.

use super::*;
use crate::domain::job::{After, Cause, OnFailure, Queue};
use crate::store::NewJob;
use crate::store::events::Effects;
use crate::store::jobs::{Awaited, Enqueued, NoSuchJob, Overlooked};
use crate::store::testing::{NOW, on_each_database};

const LATER: Timestamp = Timestamp::from_micros(NOW.as_micros() + 5_000_000);

/// A job that waits for these.
fn after(jobs: &[JobId], on_failure: OnFailure) -> NewJob {
    NewJob {
        after: Some(After {
            jobs: jobs.to_vec(),
            on_failure,
        }),
        ..job()
    }
}

async fn accept(store: &TestStore, job: &NewJob) -> Result<Enqueued, Abort<NoSuchJob>> {
    let job = job.clone();
    store.write(move |tx| tx.enqueue_after(&job)).await
}

async fn accepted(store: &TestStore, job: NewJob) -> JobId {
    assert_eq!(accept(store, &job).await.unwrap(), Enqueued::New);
    job.id
}

/// So many jobs at work.
async fn at_work(store: &TestStore, count: usize) -> Vec<ClaimedJob> {
    store.enqueue((0..count).map(|_| job()).collect()).await.unwrap();
    let claimed = store.claim(request(count, NOW)).await.unwrap().jobs;
    assert_eq!(claimed.len(), count);
    claimed
}

/// How many rows say that somebody waits.
fn waiting_rows(store: &TestStore) -> Vec<Option<i64>> {
    ["waiters", "dependencies"]
        .map(|table| store.number(&format!("SELECT count(*) AS value FROM {table}")))
        .to_vec()
}

async fn a_job_waits_until_all_others_have_completed_and_then_runs_from_the_time_that_was_asked_for(store: TestStore) {
    let held = at_work(&store, 2).await;
    let ids: Vec<JobId> = held.iter().map(|held| held.id).collect();
    let soon = accepted(&store, after(&ids, OnFailure::Cancel)).await;
    let later = NewJob {
        run_at: LATER,
        ..after(&[ids[0], ids[1], ids[0]], OnFailure::Run)
    };
    let later = accepted(&store, later).await;
    for (id, run_at) in [(soon, NOW), (later, LATER)] {
        let job = one(&store, id).await;
        assert_eq!(
            (job.state, job.run_at),
            (JobState::Scheduled, run_at),
            "the time that was asked for is shown"
        );
        assert_eq!(job.awaited, Some(Awaited::Jobs(2)));
    }
    let far = NOW.plus(std::time::Duration::from_secs(1_000_000_000));
    assert!(
        store.claim(request(10, far)).await.unwrap().jobs.is_empty(),
        "they never come due by themselves"
    );
    finish(&store, &held[0], AttemptEnd::Completed, NOW).await;
    assert_eq!(one(&store, soon).await.awaited, Some(Awaited::Jobs(1)));
    drop(store.told().await);
    finish(&store, &held[1], AttemptEnd::Completed, NOW).await;
    assert_eq!(store.told().await, [vec![Queue::Probes]], "the workers are told");
    let job = one(&store, soon).await;
    assert_eq!((job.state, job.run_at, job.awaited), (JobState::Available, NOW, None));
    assert_eq!(one(&store, later).await.state, JobState::Scheduled);
    assert_eq!(claim_one(&store, NOW).await.id, soon);
    assert_eq!(claim_one(&store, LATER).await.id, later);
    assert_eq!(waiting_rows(&store), [Some(0), Some(0)]);
}

async fn one_that_did_not_complete_cancels_those_after_it_and_those_after_them_or_lets_them_run(store: TestStore) {
    for how in [AttemptEnd::Failed(Retry::Never), AttemptEnd::Cancelled] {
        let held = at_work(&store, 2).await;
        let first = accepted(&store, after(&[held[0].id, held[1].id], OnFailure::Cancel)).await;
        let second = accepted(&store, after(&[first], OnFailure::Cancel)).await;
        let third = accepted(&store, after(&[second], OnFailure::Run)).await;
        finish(&store, &held[0], how, NOW).await;
        assert_eq!(
            one(&store, first).await.state,
            JobState::Scheduled,
            "the other has not ended"
        );
        finish(&store, &held[1], AttemptEnd::Completed, LATER).await;
        for id in [first, second] {
            let job = one(&store, id).await;
            assert!(is_final(&job, JobState::Cancelled), "{job:?}");
            assert_eq!(
                (job.cause, job.finished_at, job.cancel_requested_at, job.run_at),
                (Some(Cause::DependencyFailed.to_string()), Some(LATER), None, NOW)
            );
        }
        assert_eq!(one(&store, third).await.state, JobState::Available);
        let left = claim_one(&store, LATER).await;
        finish(&store, &left, AttemptEnd::Completed, LATER).await;
        assert_eq!(waiting_rows(&store), [Some(0), Some(0)]);
    }
}

async fn what_has_ended_already_counts_at_once(store: TestStore) {
    let held = at_work(&store, 2).await;
    finish(&store, &held[0], AttemptEnd::Completed, NOW).await;
    finish(&store, &held[1], AttemptEnd::Failed(Retry::Never), NOW).await;
    let runs = accepted(&store, after(&[held[0].id], OnFailure::Cancel)).await;
    assert_eq!(one(&store, runs).await.state, JobState::Available);
    let ends = accepted(&store, after(&[held[0].id, held[1].id], OnFailure::Cancel)).await;
    assert_eq!(one(&store, ends).await.cause, Some(Cause::DependencyFailed.to_string()));
    let behind = accepted(&store, after(&[ends], OnFailure::Run)).await;
    assert_eq!(one(&store, behind).await.state, JobState::Available);
    assert_eq!(waiting_rows(&store), [Some(0), Some(0)]);
}

async fn a_job_that_is_not_there_or_anothers_is_refused_alike_and_nothing_is_written(store: TestStore) {
    let (mine, other) = (store.workspace().await, store.workspace().await);
    let own = NewJob {
        workspace: mine,
        ..job()
    };
    let theirs = NewJob {
        workspace: other,
        ..job()
    };
    store.enqueue(vec![own.clone(), theirs.clone()]).await.unwrap();
    let before = all(&store);
    for missing in [theirs.id, JobId::generate()] {
        let new = NewJob {
            workspace: mine,
            ..after(&[own.id, missing], OnFailure::Cancel)
        };
        match accept(&store, &new).await.unwrap_err() {
            Abort::Refused(refused) => assert_eq!(refused, NoSuchJob { index: 1 }),
            Abort::Store(error) => panic!("{error}"),
        }
    }
    assert_eq!(all(&store), before);
    assert_eq!(waiting_rows(&store), [Some(0), Some(0)]);
}

async fn a_waiting_job_is_cancelled_by_a_person_or_its_deadline_and_a_retry_runs_it_at_once(store: TestStore) {
    let held = at_work(&store, 1).await;
    let asked = NewJob {
        run_at: LATER,
        ..after(&[held[0].id], OnFailure::Cancel)
    };
    let asked = accepted(&store, asked).await;
    let late = NewJob {
        deadline: Some(LATER),
        ..after(&[held[0].id], OnFailure::Cancel)
    };
    let late = accepted(&store, late).await;
    let last = accepted(&store, after(&[asked, late], OnFailure::Run)).await;
    assert!(retry(&store, asked, NOW).await.is_err(), "it waits anyway");
    let job = cancel(&store, asked, NOW).await.unwrap();
    assert!(is_final(&job, JobState::Cancelled));
    assert_eq!((job.run_at, job.awaited), (LATER, None), "as it was asked for");
    let ended = store.write(move |tx| Ok::<_, Abort<()>>(jobs::end_overdue(tx, LATER)?));
    assert_eq!(ended.await.unwrap(), 1);
    assert_eq!(one(&store, late).await.cause.as_deref(), Some("deadline"));
    assert_eq!(one(&store, last).await.state, JobState::Available, "both have ended");
    let again = retry(&store, asked, LATER).await.unwrap();
    assert_eq!((again.state, again.run_at), (JobState::Available, LATER));
    finish(&store, &held[0], AttemptEnd::Failed(Retry::Never), LATER).await;
    assert_eq!(
        one(&store, asked).await.state,
        JobState::Available,
        "it waits for nobody any more"
    );
    assert_eq!(waiting_rows(&store), [Some(0), Some(0)]);
}

async fn what_ended_is_remembered_though_its_row_goes_and_a_retry_of_it_changes_nothing(store: TestStore) {
    let held = at_work(&store, 2).await;
    let waits = accepted(&store, after(&[held[0].id, held[1].id], OnFailure::Cancel)).await;
    finish(&store, &held[0], AttemptEnd::Failed(Retry::Never), NOW).await;
    retry(&store, held[0].id, NOW).await.unwrap();
    let again = claim_one(&store, NOW).await;
    finish(&store, &again, AttemptEnd::Completed, NOW).await;
    store.run(&format!("DELETE FROM jobs WHERE id = '{}'", held[0].id));
    finish(&store, &held[1], AttemptEnd::Completed, NOW).await;
    assert_eq!(
        one(&store, waits).await.state,
        JobState::Cancelled,
        "the first end counts"
    );
}

async fn ends_that_a_node_of_an_earlier_version_wrote_are_found_and_told(store: TestStore) {
    let held = at_work(&store, 1).await;
    let waits = accepted(&store, after(&[held[0].id], OnFailure::Cancel)).await;
    let other = accepted(&store, after(&[held[0].id], OnFailure::Cancel)).await;
    assert!(look(&store).await.is_empty(), "nobody is overlooked");
    // As that node writes ends, which knows of nobody who waits.
    let forget = |id: JobId| format!("UPDATE jobs SET is_waited_for = 0 WHERE id = '{id}'");
    store.run(&forget(held[0].id));
    finish(&store, &held[0], AttemptEnd::Completed, NOW).await;
    let cancelled = "state = 'cancelled', cause = 'requested', finished_at = 1, cancel_requested_at = 1";
    store.run(&format!("UPDATE jobs SET {cancelled} WHERE id = '{other}'"));
    assert_eq!(one(&store, waits).await.state, JobState::Scheduled);
    let found = look(&store).await;
    assert_eq!(
        (found.awaited.as_slice(), found.waiters.as_slice()),
        (&[held[0].id][..], &[other][..])
    );
    store
        .write(move |tx| Ok::<_, Abort<()>>(jobs::settle_overlooked(tx, &found, LATER)?))
        .await
        .unwrap();
    assert_eq!(one(&store, waits).await.state, JobState::Available);
    assert_eq!(one(&store, other).await.run_at, NOW);
    assert!(look(&store).await.is_empty());
    assert_eq!(waiting_rows(&store), [Some(0), Some(0)]);
}

async fn look(store: &TestStore) -> Overlooked {
    store
        .read(|connection| jobs::overlooked(connection, (None, None)))
        .await
        .unwrap()
}

async fn more_than_a_transaction_tells_hear_of_an_end_by_the_next_look(store: TestStore) {
    let held = at_work(&store, 1).await;
    let many: Vec<NewJob> = (0..510).map(|_| after(&[held[0].id], OnFailure::Cancel)).collect();
    let write = store.write(move |tx| {
        for job in &many {
            assert_eq!(tx.enqueue_after(job)?, Enqueued::New);
        }
        Ok(())
    });
    write.await.unwrap();
    finish(&store, &held[0], AttemptEnd::Completed, NOW).await;
    assert_eq!(store.states(), ["available 500", "completed 1", "scheduled 10"]);
    let found = look(&store).await;
    assert_eq!(found.awaited, [held[0].id]);
    store
        .write(move |tx| Ok::<_, Abort<()>>(jobs::settle_overlooked(tx, &found, NOW)?))
        .await
        .unwrap();
    assert_eq!(store.states(), ["available 510", "completed 1"]);
}

/// On a server transactions overlap: the second of two that end the last two jobs must find the first one's end.
#[tokio::test]
async fn of_two_transactions_that_end_the_last_two_jobs_at_once_the_second_lets_the_waiting_job_go() {
    let Some(store) = TestStore::on_server() else { return };
    let held = at_work(&store, 2).await;
    let waits = accepted(&store, after(&[held[0].id, held[1].id], OnFailure::Cancel)).await;
    let ends = |held: &ClaimedJob| end(held.id, held.fence, AttemptEnd::Completed, NOW);
    let (first, second) = (ends(&held[0]), ends(&held[1]));
    store.overlap(
        |connection, effects: &mut Effects| drop(super::super::finish(connection, &[&first], effects).unwrap()),
        |_| {},
        |connection, effects| drop(super::super::finish(connection, &[&second], effects).unwrap()),
    );
    assert_eq!(one(&store, waits).await.state, JobState::Available);
    assert_eq!(waiting_rows(&store), [Some(0), Some(0)]);
}

on_each_database!(
    a_job_waits_until_all_others_have_completed_and_then_runs_from_the_time_that_was_asked_for,
    one_that_did_not_complete_cancels_those_after_it_and_those_after_them_or_lets_them_run,
    what_has_ended_already_counts_at_once,
    a_job_that_is_not_there_or_anothers_is_refused_alike_and_nothing_is_written,
    a_waiting_job_is_cancelled_by_a_person_or_its_deadline_and_a_retry_runs_it_at_once,
    what_ended_is_remembered_though_its_row_goes_and_a_retry_of_it_changes_nothing,
    ends_that_a_node_of_an_earlier_version_wrote_are_found_and_told,
    more_than_a_transaction_tells_hear_of_an_end_by_the_next_look,
);
