//! Unique keys in the database: who has one, for how long, and who wins.

use std::time::Duration;

use super::*;
use crate::domain::job::{UniqueHold, UniqueKey};
use crate::store::NewJob;
use crate::store::jobs::Enqueued;
use crate::store::testing::{NOW, on_each_database};

fn keyed(hold: UniqueHold) -> NewJob {
    NewJob {
        unique: Some(UniqueKey {
            key: "nightly".to_owned(),
            hold,
        }),
        ..job()
    }
}

async fn enqueue(store: &TestStore, new: &NewJob, now: Timestamp) -> Enqueued {
    let new = NewJob {
        created_at: now,
        ..new.clone()
    };
    let write = store.write(move |tx| Ok::<_, Abort<()>>(tx.enqueue_unique(&new)?));
    write.await.unwrap()
}

#[tokio::test]
async fn a_key_holds_until_its_job_is_claimed_or_has_ended_or_its_time_is_over() {
    let minute = Duration::from_secs(60);
    for hold in [UniqueHold::Waiting, UniqueHold::Unfinished, UniqueHold::For(minute)] {
        let store = TestStore::new();
        let first = keyed(hold);
        assert_eq!(enqueue(&store, &first, NOW).await, Enqueued::New);
        let existing = Enqueued::Existing(first.id);
        assert_eq!(
            enqueue(&store, &keyed(hold), NOW).await,
            existing,
            "{hold:?} while it waits"
        );
        let held = claim_one(&store, NOW).await;
        let while_it_runs = enqueue(&store, &keyed(hold), NOW).await;
        assert_eq!(while_it_runs == Enqueued::New, hold == UniqueHold::Waiting, "{hold:?}");
        if hold == UniqueHold::Waiting {
            continue;
        }
        finish(&store, &held, AttemptEnd::Completed, NOW).await;
        let after_it = enqueue(&store, &keyed(hold), NOW).await;
        assert_eq!(after_it == Enqueued::New, hold == UniqueHold::Unfinished, "{hold:?}");
        if hold != UniqueHold::Unfinished {
            let over = NOW.plus(minute);
            assert_eq!(enqueue(&store, &keyed(hold), over).await, Enqueued::New);
        }
        assert_eq!(store.number("SELECT count(*) AS value FROM unique_keys"), Some(1));
    }
}

async fn of_many_orders_at_once_one_wins_and_all_others_are_told_of_it(store: TestStore) {
    let orders: Vec<NewJob> = (0..50).map(|_| keyed(UniqueHold::Unfinished)).collect();
    let answers = futures_util::future::join_all(orders.iter().map(|new| enqueue(&store, new, NOW))).await;
    let won: Vec<_> = orders
        .iter()
        .zip(&answers)
        .filter(|(_, answer)| **answer == Enqueued::New)
        .collect();
    assert_eq!(won.len(), 1);
    let existing = Enqueued::Existing(won[0].0.id);
    assert_eq!(answers.iter().filter(|answer| **answer == existing).count(), 49);
    assert_eq!(store.states(), ["available 1"]);
}

async fn another_workspace_has_keys_of_its_own(store: TestStore) {
    let workspace = store.workspace().await;
    let own = keyed(UniqueHold::Unfinished);
    let theirs = NewJob {
        workspace,
        ..keyed(UniqueHold::Unfinished)
    };
    assert_eq!(enqueue(&store, &own, NOW).await, Enqueued::New);
    assert_eq!(enqueue(&store, &theirs, NOW).await, Enqueued::New);
    let found = store.read(move |connection| jobs::holder_of(connection, workspace, "nightly", NOW));
    assert_eq!(found.await.unwrap(), Some(theirs.id));
}

async fn a_finished_job_whose_key_another_has_is_not_run_again_before_that_has_ended(store: TestStore) {
    let (first, second) = (keyed(UniqueHold::Unfinished), keyed(UniqueHold::Unfinished));
    assert_eq!(enqueue(&store, &first, NOW).await, Enqueued::New);
    finish(&store, &claim_one(&store, NOW).await, AttemptEnd::Completed, NOW).await;
    assert_eq!(enqueue(&store, &second, NOW).await, Enqueued::New);
    let before = all(&store);
    let refused = retry(&store, first.id, NOW).await;
    let wanted = jobs::OrderRefused::KeyTaken(second.id);
    assert!(
        matches!(refused, Err(Abort::Refused(refusal)) if refusal == wanted),
        "{refused:?}"
    );
    assert_eq!(all(&store), before, "nothing of it is left");
    finish(&store, &claim_one(&store, NOW).await, AttemptEnd::Completed, NOW).await;
    retry(&store, first.id, NOW).await.unwrap();
    let third = enqueue(&store, &keyed(UniqueHold::Waiting), NOW).await;
    assert_eq!(third, Enqueued::Existing(first.id), "it has its key again");
}

async fn jobs_without_a_key_touch_no_keys(store: TestStore) {
    assert_eq!(enqueue(&store, &job(), NOW).await, Enqueued::New);
    assert_eq!(store.number("SELECT count(*) AS value FROM unique_keys"), Some(0));
    assert_eq!(store.number("SELECT count(unique_key) AS value FROM jobs"), Some(0));
}

on_each_database!(
    of_many_orders_at_once_one_wins_and_all_others_are_told_of_it,
    another_workspace_has_keys_of_its_own,
    a_finished_job_whose_key_another_has_is_not_run_again_before_that_has_ended,
    jobs_without_a_key_touch_no_keys,
);
