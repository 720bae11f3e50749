//! Ends of attempts: fenced, written together, each as the transition function says.

use super::*;
use crate::domain::job::{AttemptOutcome, Cause, Progress};
use crate::store::testing::{NODE, NOW, on_each_database};
use crate::store::{AttemptFinish, AttemptProgress, Held, NewJob};

const LATER: Timestamp = Timestamp::from_micros(NOW.as_micros() + 5_000_000);

async fn an_end_is_written_whole(store: TestStore) {
    let held = running(&store, NOW).await;
    let written = AttemptFinish {
        error: Some("almost".to_owned()),
        result: Some(r#"{"n":1}"#.to_owned()),
        progress: Some(Progress::new(3, Some(4), Some("three"))),
        ..end(held.id, held.fence, AttemptEnd::Completed, LATER)
    };
    assert_eq!(
        store.finish(written.clone()).await.unwrap(),
        Finished::Written(JobState::Completed)
    );
    let job = one(&store, held.id).await;
    assert!(is_final(&job, JobState::Completed));
    assert_eq!(
        (job.finished_at, job.started_at, job.attempt),
        (Some(LATER), Some(NOW), 1)
    );
    assert_eq!((job.result, job.progress), (written.result, written.progress));
    let attempts = attempts(&store, held.id).await;
    assert_eq!(attempts.len(), 1);
    let attempt = &attempts[0];
    assert_eq!(
        (attempt.number, attempt.started_at, attempt.finished_at),
        (held.fence, NOW, Some(LATER))
    );
    assert_eq!(attempt.outcome, Some(AttemptOutcome::Completed));
    assert_eq!(
        (attempt.error.as_deref(), &attempt.node),
        (Some("almost"), &NODE.to_string())
    );
}

async fn an_end_whose_words_hold_what_a_database_does_not_take_is_written_without_it(store: TestStore) {
    let held = running(&store, NOW).await;
    let progress = Progress::new(1, None, Some("half\0way"));
    let written = AttemptProgress {
        job: held.id,
        fence: held.fence,
        progress: progress.clone(),
        at: NOW,
    };
    let (yes, cancel_requested) = (store.progress(written).await.unwrap(), false);
    assert_eq!(yes, Held::Yes { cancel_requested });
    let written = AttemptFinish {
        error: Some("bad\0answer".to_owned()),
        progress: Some(progress),
        ..end(held.id, held.fence, AttemptEnd::Failed(Retry::Never), LATER)
    };
    let finished = store.finish(written).await.unwrap();
    assert_eq!(finished, Finished::Written(JobState::Discarded));
    let (job, attempts) = (one(&store, held.id).await, attempts(&store, held.id).await);
    assert_eq!(job.progress.unwrap().note.as_deref(), Some("half\u{fffd}way"));
    assert_eq!(attempts[0].error.as_deref(), Some("bad\u{fffd}answer"));
}

async fn a_job_that_completed_by_its_own_row_and_runs_again_keeps_each_attempt_once(store: TestStore) {
    let first = running(&store, NOW).await;
    finish(&store, &first, AttemptEnd::Completed, LATER).await;
    assert_eq!(attempts(&store, first.id).await.len(), 1);
    retry(&store, first.id, LATER).await.unwrap();
    let second = claim_one(&store, LATER).await;
    finish(&store, &second, AttemptEnd::Lost, LATER).await;
    let third = claim_one(&store, LATER).await;
    finish(&store, &third, AttemptEnd::Completed, LATER).await;
    assert!(retry(&store, first.id, LATER).await.is_ok());
    cancel(&store, first.id, LATER).await.unwrap();
    let all = attempts(&store, first.id).await;
    let told: Vec<_> = all.iter().map(|attempt| (attempt.number, attempt.outcome)).collect();
    let completed = Some(AttemptOutcome::Completed);
    assert_eq!(told, [(1, completed), (2, Some(AttemptOutcome::Lost)), (3, completed)]);
}

async fn an_end_without_progress_keeps_what_was_written_before(store: TestStore) {
    let held = running(&store, NOW).await;
    let progress = Progress::new(1, None, None);
    let written = AttemptProgress {
        job: held.id,
        fence: held.fence,
        progress: progress.clone(),
        at: NOW,
    };
    assert_eq!(
        store.progress(written).await.unwrap(),
        Held::Yes {
            cancel_requested: false
        }
    );
    finish(&store, &held, AttemptEnd::Completed, LATER).await;
    assert_eq!(one(&store, held.id).await.progress, Some(progress));
}

async fn an_end_that_shows_another_fence_or_comes_twice_writes_nothing(store: TestStore) {
    let held = running(&store, NOW).await;
    let before = all(&store);
    for fence in [held.fence - 1, held.fence + 1] {
        for how in ends(NOW) {
            assert_eq!(
                store.finish(end(held.id, fence, how, LATER)).await.unwrap(),
                Finished::LeaseLost
            );
        }
    }
    let stranger = store
        .finish(end(JobId::generate(), 1, AttemptEnd::Completed, LATER))
        .await
        .unwrap();
    assert_eq!(stranger, Finished::LeaseLost);
    assert_eq!(all(&store), before);
    finish(&store, &held, AttemptEnd::Completed, LATER).await;
    let before = all(&store);
    for how in ends(NOW) {
        assert_eq!(finish(&store, &held, how, LATER).await, Finished::LeaseLost);
    }
    assert_eq!(all(&store), before);
}

async fn two_ends_of_one_attempt_in_one_commit_write_the_first(store: TestStore) {
    let held = running(&store, NOW).await;
    let writer = store.hold_writer().await;
    let write = |how| {
        let store = (*store).clone();
        async move { store.finish(end(held.id, 1, how, LATER)).await.unwrap() }
    };
    let answers = writer
        .release_with(vec![
            write(AttemptEnd::Completed),
            write(AttemptEnd::Failed(Retry::Never)),
        ])
        .await;
    assert_eq!(answers, [Finished::Written(JobState::Completed), Finished::LeaseLost]);
    assert_eq!(attempts(&store, held.id).await.len(), 1);
}

async fn an_end_that_was_overtaken_by_a_newer_attempt_or_a_rescue_writes_nothing(store: TestStore) {
    let held = running(&store, NOW).await;
    let other = crate::domain::id::NodeId::from_bits(2);
    store
        .write(move |tx| Ok::<_, Abort<()>>(jobs::rescue(tx, other, LATER)?))
        .await
        .unwrap();
    let before = all(&store);
    assert_eq!(
        finish(&store, &held, AttemptEnd::Completed, LATER).await,
        Finished::LeaseLost
    );
    assert_eq!(all(&store), before);
    let newer = claim_one(&store, LATER).await;
    let before = all(&store);
    assert_eq!(
        finish(&store, &held, AttemptEnd::Completed, LATER).await,
        Finished::LeaseLost
    );
    let late = AttemptProgress {
        job: held.id,
        fence: held.fence,
        progress: Progress::new(9, None, None),
        at: NOW,
    };
    assert_eq!(store.progress(late).await.unwrap(), Held::No);
    let noted =
        store.write(move |tx| Ok::<_, Abort<()>>(jobs::no_return(tx.connection(), held.id, held.fence, LATER)?));
    assert_eq!(noted.await.unwrap(), Held::No);
    assert_eq!(all(&store), before);
    assert_eq!(
        finish(&store, &newer, AttemptEnd::Completed, LATER).await,
        Finished::Written(JobState::Completed)
    );
}

async fn more_ends_than_one_statement_holds_are_written_each_in_its_place(store: TestStore) {
    let count = super::super::STATEMENT_ROWS_MAX + 9;
    store.enqueue((0..count).map(|_| job()).collect()).await.unwrap();
    let mut held = store.claim(request(count, NOW)).await.unwrap().jobs;
    assert_eq!(
        held.len(),
        super::super::STATEMENT_ROWS_MAX,
        "one claim is one statement"
    );
    held.extend(store.claim(request(count, NOW)).await.unwrap().jobs);
    let writer = store.hold_writer().await;
    let writes = held.iter().enumerate().map(|(place, job)| {
        let how = if place % 3 == 0 {
            AttemptEnd::Completed
        } else {
            AttemptEnd::Drained
        };
        let (store, finish) = ((*store).clone(), end(job.id, job.fence, how, LATER));
        async move { store.finish(finish).await.unwrap() }
    });
    for (place, answer) in writer.release_with(writes.collect()).await.into_iter().enumerate() {
        let state = if place % 3 == 0 {
            JobState::Completed
        } else {
            JobState::Available
        };
        assert_eq!(answer, Finished::Written(state), "{place}");
        assert_eq!(one(&store, held[place].id).await.state, state);
    }
}

async fn the_last_attempt_discards_and_a_job_that_is_available_again_is_told(store: TestStore) {
    store
        .enqueue(vec![NewJob {
            max_attempts: 1,
            ..job()
        }])
        .await
        .unwrap();
    let held = claim_one(&store, NOW).await;
    drop(store.told().await);
    finish(&store, &held, AttemptEnd::Drained, LATER).await;
    assert_eq!(store.told().await.len(), 1);
    let held = claim_one(&store, LATER).await;
    finish(&store, &held, AttemptEnd::Failed(Retry::At(LATER)), LATER).await;
    let job = one(&store, held.id).await;
    assert!(is_final(&job, JobState::Discarded));
    assert_eq!(job.cause, Some(Cause::AttemptsSpent.to_string()));
}

async fn progress_answers_whether_a_cancel_was_asked_for(store: TestStore) {
    let held = running(&store, NOW).await;
    cancel(&store, held.id, LATER).await.unwrap();
    let write = AttemptProgress {
        job: held.id,
        fence: held.fence,
        progress: Progress::new(1, None, None),
        at: NOW,
    };
    assert_eq!(
        store.progress(write).await.unwrap(),
        Held::Yes { cancel_requested: true }
    );
}

on_each_database!(
    an_end_is_written_whole,
    an_end_whose_words_hold_what_a_database_does_not_take_is_written_without_it,
    a_job_that_completed_by_its_own_row_and_runs_again_keeps_each_attempt_once,
    an_end_without_progress_keeps_what_was_written_before,
    an_end_that_shows_another_fence_or_comes_twice_writes_nothing,
    two_ends_of_one_attempt_in_one_commit_write_the_first,
    an_end_that_was_overtaken_by_a_newer_attempt_or_a_rescue_writes_nothing,
    more_ends_than_one_statement_holds_are_written_each_in_its_place,
    the_last_attempt_discards_and_a_job_that_is_available_again_is_told,
    progress_answers_whether_a_cancel_was_asked_for,
);
