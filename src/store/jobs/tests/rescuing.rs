//! What becomes of the work of a process that died.

use super::*;
use crate::domain::id::NodeId;
use crate::domain::job::{AttemptOutcome, Cause, DEATHS_MAX};
use crate::store::testing::{NODE, NOW, on_each_database};
use crate::store::{ClaimRequest, Held};

const NEXT: NodeId = NodeId::from_bits(2);

async fn rescue(store: &TestStore, me: NodeId) -> Vec<Finished> {
    store
        .write(move |tx| Ok::<_, Abort<()>>(jobs::rescue(tx, me, NOW)?))
        .await
        .unwrap()
}

async fn a_rescue_gives_attempts_back_and_leaves_its_own_nodes_jobs_alone(store: TestStore) {
    let lost = running(&store, NOW).await;
    store.enqueue(vec![job()]).await.unwrap();
    let own = store
        .claim(ClaimRequest {
            node: NEXT,
            ..request(1, NOW)
        })
        .await
        .unwrap()
        .jobs
        .remove(0);
    drop(store.told().await);
    assert_eq!(rescue(&store, NEXT).await, [Finished::Written(JobState::Available)]);
    let job = one(&store, lost.id).await;
    assert_eq!((job.state, job.attempt, job.max_attempts), (JobState::Available, 0, 3));
    let attempts = attempts(&store, lost.id).await;
    assert_eq!((attempts.len(), attempts[0].outcome), (1, Some(AttemptOutcome::Lost)));
    assert_eq!(attempts[0].node, NODE.to_string(), "the node that died is named");
    assert_eq!(store.told().await.len(), 1, "the workers are told");
    assert_eq!(one(&store, own.id).await.state, JobState::Running);
    assert!(rescue(&store, NEXT).await.is_empty());
    assert_eq!(claim_one(&store, NOW).await.fence, 2);
}

async fn deaths_are_counted_in_a_row_and_the_twentieth_quarantines(store: TestStore) {
    let held = running(&store, NOW).await;
    rescue(&store, NEXT).await;
    // An attempt that ends otherwise starts the count anew.
    let mut held = ClaimedJob {
        fence: claim_one(&store, NOW).await.fence,
        ..held
    };
    finish(&store, &held, AttemptEnd::Drained, NOW).await;
    for death in 1..=DEATHS_MAX {
        held = claim_one(&store, NOW).await;
        assert_eq!(held.attempt, 1, "deaths spend no attempt");
        let state = if death == DEATHS_MAX {
            JobState::Discarded
        } else {
            JobState::Available
        };
        assert_eq!(rescue(&store, NEXT).await, [Finished::Written(state)], "death {death}");
    }
    let job = one(&store, held.id).await;
    assert!(is_final(&job, JobState::Discarded));
    assert_eq!(job.cause, Some(Cause::Quarantined.to_string()));
}

async fn what_died_past_its_point_of_no_return_is_uncertain_and_not_run_again(store: TestStore) {
    let held = running(&store, NOW).await;
    let noted = store.write(move |tx| Ok::<_, Abort<()>>(jobs::no_return(tx.connection(), held.id, held.fence, NOW)?));
    assert_eq!(
        noted.await.unwrap(),
        Held::Yes {
            cancel_requested: false
        }
    );
    assert_eq!(rescue(&store, NEXT).await, [Finished::Written(JobState::Uncertain)]);
    let job = one(&store, held.id).await;
    assert!(is_final(&job, JobState::Uncertain));
    assert_eq!(
        attempts(&store, held.id).await[0].outcome,
        Some(AttemptOutcome::Uncertain)
    );
    // A person may run it again; that attempt is not past anything.
    retry(&store, held.id, NOW).await.unwrap();
    claim_one(&store, NOW).await;
    assert_eq!(rescue(&store, NEXT).await, [Finished::Written(JobState::Available)]);
}

async fn a_cancel_that_was_asked_for_before_the_death_is_carried_out(store: TestStore) {
    let held = running(&store, NOW).await;
    cancel(&store, held.id, NOW).await.unwrap();
    assert_eq!(rescue(&store, NEXT).await, [Finished::Written(JobState::Cancelled)]);
}

async fn a_rescue_of_many_goes_by_portions_until_none_are_left(store: TestStore) {
    let count = super::super::STATEMENT_ROWS_MAX + 1;
    store.enqueue((0..count).map(|_| job()).collect()).await.unwrap();
    store.claim(request(count, NOW)).await.unwrap();
    store.claim(request(count, NOW)).await.unwrap();
    assert_eq!(rescue(&store, NEXT).await.len(), count - 1);
    assert_eq!(rescue(&store, NEXT).await.len(), 1);
    assert_eq!(store.states(), [format!("available {count}")]);
}

on_each_database!(
    a_rescue_gives_attempts_back_and_leaves_its_own_nodes_jobs_alone,
    deaths_are_counted_in_a_row_and_the_twentieth_quarantines,
    what_died_past_its_point_of_no_return_is_uncertain_and_not_run_again,
    a_cancel_that_was_asked_for_before_the_death_is_carried_out,
    a_rescue_of_many_goes_by_portions_until_none_are_left,
);
