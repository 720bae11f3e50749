//! Deadlines in the database: what waits is ended wherever it waits, and what runs is named.

use std::time::Duration;

use super::super::deadline::waiting_overdue;
use super::*;
use crate::domain::job::Queue;
use crate::store::NewJob;
use crate::store::testing::{NODE, NOW, on_each_database, plans};

const SECOND: Duration = Duration::from_secs(1);

fn due_in_a_second() -> NewJob {
    NewJob {
        deadline: Some(NOW.plus(SECOND)),
        ..job()
    }
}

async fn end_overdue(store: &TestStore, now: Timestamp) -> usize {
    let ended = store.write(move |tx| Ok::<_, Abort<()>>(jobs::end_overdue(tx, now)?));
    ended.await.unwrap()
}

async fn what_waits_beyond_its_deadline_is_cancelled_in_whatever_queue_and_kind(store: TestStore) {
    let unknown = NewJob {
        kind: "no.such",
        queue: Queue::Mail,
        ..due_in_a_second()
    };
    let scheduled = NewJob {
        run_at: NOW.plus(SECOND / 2),
        ..due_in_a_second()
    };
    let later = NewJob {
        deadline: Some(NOW.plus(3 * SECOND)),
        ..job()
    };
    let ids = [unknown.id, scheduled.id];
    let plain = job();
    let kept = [later.id, plain.id];
    store.enqueue(vec![unknown, scheduled, later, plain]).await.unwrap();
    assert_eq!(end_overdue(&store, NOW).await, 0, "too early");
    let at = NOW.plus(SECOND);
    assert_eq!(end_overdue(&store, at).await, 2);
    for id in ids {
        let job = one(&store, id).await;
        assert!(is_final(&job, JobState::Cancelled), "{job:?}");
        assert_eq!((job.cause.as_deref(), job.finished_at), (Some("deadline"), Some(at)));
        assert_eq!(job.cancel_requested_at, None, "nobody asked for it");
    }
    for id in kept {
        assert_eq!(one(&store, id).await.state, JobState::Available);
    }
}

async fn a_claim_ends_what_is_too_late_and_says_how_many(store: TestStore) {
    let (late, fine) = (due_in_a_second(), job());
    let ids = (late.id, fine.id);
    store.enqueue(vec![late, fine]).await.unwrap();
    let claimed = store.claim(request(10, NOW.plus(SECOND))).await.unwrap();
    assert_eq!(claimed.jobs.iter().map(|job| job.id).collect::<Vec<_>>(), [ids.1]);
    assert_eq!(claimed.overdue, 1);
    assert_eq!(one(&store, ids.0).await.cause.as_deref(), Some("deadline"));
    assert!(attempts(&store, ids.0).await.is_empty());
}

async fn what_runs_beyond_its_deadline_is_named_and_its_end_decides(store: TestStore) {
    store.enqueue(vec![due_in_a_second(), due_in_a_second()]).await.unwrap();
    let mut held = store.claim(request(10, NOW)).await.unwrap().jobs;
    held.sort_by_key(|job| job.id);
    assert_eq!(held[0].deadline, Some(NOW.plus(SECOND)));
    let named = |now| store.read(move |connection| jobs::running_overdue(connection, NODE, now));
    assert!(named(NOW).await.unwrap().is_empty());
    let late = NOW.plus(2 * SECOND);
    assert_eq!(named(late).await.unwrap().len(), 2);
    assert_eq!(end_overdue(&store, late).await, 0, "what runs ends by itself");
    finish(&store, &held[0], AttemptEnd::Completed, late).await;
    finish(&store, &held[1], AttemptEnd::Drained, late).await;
    assert_eq!(one(&store, held[0].id).await.state, JobState::Completed);
    let ended = one(&store, held[1].id).await;
    assert_eq!(
        (ended.state, ended.cause.as_deref()),
        (JobState::Cancelled, Some("deadline"))
    );
}

async fn a_persons_retry_lifts_a_deadline_that_has_passed(store: TestStore) {
    let late = due_in_a_second();
    let id = late.id;
    store.enqueue(vec![late]).await.unwrap();
    let at = NOW.plus(SECOND);
    end_overdue(&store, at).await;
    assert_eq!(retry(&store, id, at).await.unwrap().deadline_at, None);
    assert_eq!(end_overdue(&store, at).await, 0);
    assert_eq!(claim_one(&store, at).await.id, id);
}

#[tokio::test]
async fn what_is_overdue_is_found_by_the_index_of_deadlines() {
    let store = TestStore::new();
    store.enqueue(vec![due_in_a_second()]).await.unwrap();
    let plans = plans(&store, |connection| {
        assert!(jobs::any_overdue(connection, NOW.plus(SECOND)).unwrap());
        assert_eq!(waiting_overdue(connection, NOW.plus(SECOND)).unwrap().len(), 1);
    });
    let selects: Vec<_> = plans
        .iter()
        .filter(|(statement, _)| statement.starts_with("SELECT"))
        .collect();
    assert_eq!(selects.len(), 2, "{plans:?}");
    for (statement, plan) in selects {
        assert!(
            plan.contains("jobs_with_deadline (deadline_at>? AND deadline_at<?)"),
            "{statement}: {plan}"
        );
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }
}

on_each_database!(
    what_waits_beyond_its_deadline_is_cancelled_in_whatever_queue_and_kind,
    a_claim_ends_what_is_too_late_and_says_how_many,
    what_runs_beyond_its_deadline_is_named_and_its_end_decides,
    a_persons_retry_lifts_a_deadline_that_has_passed,
);
