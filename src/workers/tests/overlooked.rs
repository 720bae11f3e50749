//! Ends that nobody was told of.

use super::*;
use crate::domain::job::{After, OnFailure};
use crate::store::testing::{NOW, end, job, request};
use crate::workers::overlooked::{Places, tell_overlooked};

#[tokio::test]
async fn a_look_finds_ends_of_which_those_were_not_told_who_wait() {
    let store = TestStore::new();
    store.enqueue(vec![job()]).await.unwrap();
    let held = store.claim(request(1, NOW)).await.unwrap().jobs.pop().unwrap();
    let waits = NewJob {
        after: Some(After {
            jobs: vec![held.id],
            on_failure: OnFailure::Cancel,
        }),
        ..job()
    };
    let id = waits.id;
    let accept = store.write(move |tx| tx.enqueue_after(&waits));
    assert!(accept.await.is_ok());
    // As a node of an earlier version leaves it.
    store.run("UPDATE jobs SET is_waited_for = 0");
    store
        .finish(end(held.id, held.fence, AttemptEnd::Completed, NOW))
        .await
        .unwrap();
    let state = || store.words(&format!("SELECT state AS value FROM jobs WHERE id = '{id}'"));
    assert_eq!(state(), ["scheduled"]);
    tell_overlooked(&store, &Clock::manual(NOW), &Places::default()).await;
    assert_eq!(state(), ["available"]);
}
