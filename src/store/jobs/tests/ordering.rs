//! What people order: cancels and retries.

use super::*;
use crate::domain::id::WorkspaceId;
use crate::domain::job::{AttemptOutcome, Cause, Refused};
use crate::store::testing::{NOW, on_each_database};
use crate::store::{Held, NewJob};

const LATER: Timestamp = Timestamp::from_micros(NOW.as_micros() + 5_000_000);

fn refused<T: std::fmt::Debug>(answer: Result<T, Abort<jobs::OrderRefused>>) -> jobs::OrderRefused {
    match answer.unwrap_err() {
        Abort::Refused(refused) => refused,
        Abort::Store(error) => panic!("{error}"),
    }
}

async fn a_waiting_job_is_cancelled_at_once(store: TestStore) {
    let later = NewJob { run_at: LATER, ..job() };
    let (waiting, later) = (job(), later);
    store.enqueue(vec![waiting.clone(), later.clone()]).await.unwrap();
    for id in [waiting.id, later.id] {
        let job = cancel(&store, id, NOW).await.unwrap();
        assert!(is_final(&job, JobState::Cancelled));
        assert_eq!(
            (job.finished_at, job.cause),
            (Some(NOW), Some(Cause::Requested.to_string()))
        );
    }
    assert!(store.claim(request(10, LATER)).await.unwrap().jobs.is_empty());
    let again = cancel(&store, waiting.id, LATER).await.unwrap();
    assert_eq!(
        (again.finished_at, again.cancel_requested_at),
        (Some(NOW), Some(NOW)),
        "the first request's time stays"
    );
}

#[tokio::test]
async fn the_cancel_of_a_running_job_is_noted_and_wins_over_every_further_attempt() {
    for how in ends(LATER) {
        let store = TestStore::new();
        let held = running(&store, NOW).await;
        let asked = cancel(&store, held.id, NOW).await.unwrap();
        assert_eq!((asked.state, asked.cancel_requested_at), (JobState::Running, Some(NOW)));
        cancel(&store, held.id, LATER).await.unwrap();
        assert_eq!(one(&store, held.id).await.cancel_requested_at, Some(NOW));
        let node = crate::store::testing::NODE;
        assert_eq!(
            store.read(move |c| jobs::cancel_requested(c, node)).await.unwrap(),
            [held.id]
        );
        finish(&store, &held, how, LATER).await;
        let job = one(&store, held.id).await;
        assert!(job.state.is_final(), "{how:?} led to {}", job.state);
        assert!(
            store
                .read(move |c| jobs::cancel_requested(c, node))
                .await
                .unwrap()
                .is_empty()
        );
    }
}

async fn a_finished_job_is_not_cancelled_and_one_that_cancelled_itself_stays_as_it_ended(store: TestStore) {
    let held = running(&store, NOW).await;
    finish(&store, &held, AttemptEnd::Completed, NOW).await;
    let before = all(&store);
    assert_eq!(
        refused(cancel(&store, held.id, LATER).await),
        jobs::OrderRefused::State(Refused::Finished(JobState::Completed))
    );
    assert_eq!(all(&store), before);
    let held = running(&store, NOW).await;
    finish(&store, &held, AttemptEnd::Cancelled, NOW).await;
    let before = all(&store);
    assert_eq!(cancel(&store, held.id, LATER).await.unwrap().finished_at, Some(NOW));
    assert_eq!(all(&store), before);
}

async fn a_retry_adds_one_attempt_to_a_finished_job_and_keeps_its_history(store: TestStore) {
    store
        .enqueue(vec![NewJob {
            max_attempts: 1,
            ..job()
        }])
        .await
        .unwrap();
    let held = claim_one(&store, NOW).await;
    finish(&store, &held, AttemptEnd::Failed(Retry::At(NOW)), NOW).await;
    drop(store.told().await);
    let again = retry(&store, held.id, LATER).await.unwrap();
    assert_eq!(
        (again.state, again.attempt, again.max_attempts),
        (JobState::Available, 1, 2)
    );
    assert_eq!((again.run_at, again.finished_at, again.cause), (LATER, None, None));
    assert_eq!(store.told().await.len(), 1, "the workers are told");
    let second = claim_one(&store, LATER).await;
    assert_eq!((second.attempt, second.fence), (2, 2));
    finish(&store, &second, AttemptEnd::Completed, LATER).await;
    let outcomes: Vec<_> = attempts(&store, held.id)
        .await
        .iter()
        .map(|attempt| (attempt.number, attempt.outcome))
        .collect();
    assert_eq!(
        outcomes,
        [(1, Some(AttemptOutcome::Failed)), (2, Some(AttemptOutcome::Completed))]
    );
}

async fn a_retry_makes_a_retryable_job_due_at_once_and_lets_waiting_and_running_ones_be(store: TestStore) {
    let held = running(&store, NOW).await;
    assert_eq!(
        refused(retry(&store, held.id, NOW).await),
        jobs::OrderRefused::State(Refused::NotNow(JobState::Running))
    );
    finish(&store, &held, AttemptEnd::Failed(Retry::At(LATER)), NOW).await;
    let job = retry(&store, held.id, NOW).await.unwrap();
    assert_eq!((job.state, job.max_attempts, job.run_at), (JobState::Available, 3, NOW));
    assert_eq!(
        refused(retry(&store, held.id, NOW).await),
        jobs::OrderRefused::State(Refused::NotNow(JobState::Available))
    );
}

async fn a_cancelled_job_that_is_retried_runs_as_if_it_had_not_been_cancelled(store: TestStore) {
    let held = running(&store, NOW).await;
    cancel(&store, held.id, NOW).await.unwrap();
    finish(&store, &held, AttemptEnd::Cancelled, NOW).await;
    retry(&store, held.id, LATER).await.unwrap();
    let second = claim_one(&store, LATER).await;
    assert_eq!(one(&store, held.id).await.cancel_requested_at, None);
    assert_eq!(
        finish(&store, &second, AttemptEnd::Failed(Retry::At(LATER)), LATER).await,
        Finished::Written(JobState::Retryable)
    );
}

async fn the_point_of_no_return_is_not_noted_once_a_cancel_was_asked_for(store: TestStore) {
    let held = running(&store, NOW).await;
    cancel(&store, held.id, NOW).await.unwrap();
    let noted =
        store.write(move |tx| Ok::<_, Abort<()>>(jobs::no_return(tx.connection(), held.id, held.fence, LATER)?));
    assert_eq!(noted.await.unwrap(), Held::Yes { cancel_requested: true });
    assert_eq!(store.number("SELECT no_return_at AS value FROM jobs"), None);
    // The effect did not begin, so that the panic that came instead leaves nothing uncertain.
    finish(&store, &held, AttemptEnd::Panicked(Retry::At(LATER)), LATER).await;
    assert_eq!(one(&store, held.id).await.state, JobState::Cancelled);
}

async fn another_workspaces_job_is_not_there_for_one_list_cancel_or_retry(store: TestStore) {
    let (mine, other) = (store.workspace().await, store.workspace().await);
    let theirs = NewJob {
        workspace: other,
        ..job()
    };
    let own = NewJob {
        workspace: mine,
        ..job()
    };
    store.enqueue(vec![theirs.clone(), own.clone()]).await.unwrap();
    let scope = JobScope::Workspace(mine);
    let before = all(&store);
    let found = store.read(move |c| jobs::one(c, theirs.id, scope)).await.unwrap();
    assert!(found.is_none());
    let cancelled = store.write(move |tx| jobs::cancel(tx, theirs.id, scope, NOW)).await;
    assert_eq!(refused(cancelled), jobs::OrderRefused::NoSuchJob);
    let retried = store.write(move |tx| jobs::retry(tx, theirs.id, scope, NOW)).await;
    assert_eq!(refused(retried), jobs::OrderRefused::NoSuchJob);
    assert_eq!(all(&store), before);
    let listed = |scope| {
        let store = (*store).clone();
        async move {
            let filter = crate::store::JobFilter {
                scope,
                state: None,
                kind: None,
                queue: None,
                batch: None,
                before: None,
                limit: 10,
            };
            let rows = store.read(move |c| jobs::list(c, &filter)).await.unwrap();
            rows.jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(listed(scope).await, [own.id]);
    assert_eq!(listed(JobScope::All).await, [own.id, theirs.id]);
    assert!(listed(JobScope::Workspace(WorkspaceId::generate())).await.is_empty());
    assert!(
        store
            .read(move |c| jobs::one(c, own.id, scope))
            .await
            .unwrap()
            .is_some()
    );
    store
        .write(move |tx| jobs::cancel(tx, own.id, scope, NOW))
        .await
        .unwrap();
}

on_each_database!(
    a_waiting_job_is_cancelled_at_once,
    a_finished_job_is_not_cancelled_and_one_that_cancelled_itself_stays_as_it_ended,
    a_retry_adds_one_attempt_to_a_finished_job_and_keeps_its_history,
    a_retry_makes_a_retryable_job_due_at_once_and_lets_waiting_and_running_ones_be,
    a_cancelled_job_that_is_retried_runs_as_if_it_had_not_been_cancelled,
    the_point_of_no_return_is_not_noted_once_a_cancel_was_asked_for,
    another_workspaces_job_is_not_there_for_one_list_cancel_or_retry,
);
