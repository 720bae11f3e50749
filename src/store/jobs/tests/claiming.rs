//! Who gets which job, and when.

use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::id::NodeId;
use crate::domain::job::{Queue, rank};
use crate::store::testing::{NODE, NOW, on_each_database};
use crate::store::{ClaimRequest, NewJob};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

async fn jobs_are_claimed_by_rank_and_then_by_id(store: TestStore) {
    let mut new: Vec<NewJob> = Vec::new();
    for priority in [0, 5, -5, 0, 5] {
        for age in [0, 30, 90, 30] {
            let run_at = NOW.minus(secs(age));
            new.push(NewJob {
                priority,
                run_at,
                created_at: run_at,
                ..job()
            });
        }
    }
    let mut expected: Vec<(i64, JobId)> = new.iter().map(|job| (rank(job.run_at, job.priority), job.id)).collect();
    expected.sort_unstable();
    new.reverse();
    store.enqueue(new).await.unwrap();
    let mut claimed = Vec::new();
    for limit in [1, 7, 100] {
        claimed.extend(
            store
                .claim(request(limit, NOW))
                .await
                .unwrap()
                .jobs
                .into_iter()
                .map(|job| job.id),
        );
    }
    assert_eq!(claimed, expected.into_iter().map(|(_, id)| id).collect::<Vec<_>>());
}

async fn a_claim_hands_over_what_was_enqueued_under_a_new_fence(store: TestStore) {
    let new = NewJob {
        args: r#"{"a":"ü"}"#.to_owned(),
        args_version: 2,
        max_attempts: 9,
        timeout: secs(11),
        run_at: NOW.minus(secs(1)),
        created_at: NOW.minus(secs(1)),
        request_id: Some("req_1".to_owned()),
        ..job()
    };
    store.enqueue(vec![new.clone()]).await.unwrap();
    let held = claim_one(&store, NOW).await;
    assert_eq!(
        (held.id, held.workspace, held.kind.as_str(), held.queue),
        (new.id, new.workspace, new.kind, new.queue)
    );
    assert_eq!(
        (&*held.args, held.args_version, held.timeout),
        (new.args.as_str(), 2, secs(11))
    );
    assert_eq!((held.attempt, held.max_attempts, held.fence), (1, 9, 1));
    assert_eq!(
        (held.created_at, held.run_at, held.started_at),
        (new.created_at, new.run_at, NOW)
    );
    assert_eq!(held.request_id.as_deref(), Some("req_1"));
    let shown = one(&store, new.id).await;
    assert_eq!((shown.state, shown.node), (JobState::Running, Some(NODE.to_string())));
    finish(&store, &held, AttemptEnd::Drained, NOW).await;
    let again = claim_one(&store, NOW).await;
    assert_eq!(
        (again.attempt, again.fence),
        (1, 2),
        "given back, under a number of its own"
    );
}

async fn jobs_of_unknown_kinds_and_other_queues_stay_and_the_unknown_are_shown(store: TestStore) {
    let strange = NewJob {
        kind: "test.strange",
        ..job()
    };
    let mail = NewJob {
        queue: Queue::Mail,
        ..job()
    };
    store.enqueue(vec![strange, mail, job()]).await.unwrap();
    assert_eq!(store.claim(request(10, NOW)).await.unwrap().jobs.len(), 1);
    assert_eq!(store.states(), ["available 2", "running 1"]);
    let nothing = ClaimRequest {
        kinds: Vec::new(),
        ..request(10, NOW)
    };
    assert!(store.claim(nothing).await.unwrap().jobs.is_empty());
    let waiting = store
        .read(|connection| jobs::waiting_kinds(connection, 10))
        .await
        .unwrap();
    let waiting: Vec<String> = waiting
        .iter()
        .map(|one| format!("{} {} {}", one.queue, one.kind, one.version))
        .collect();
    assert_eq!(waiting, ["mail test.work 1", "probes test.strange 1"]);
    let first = store
        .read(|connection| jobs::waiting_kinds(connection, 1))
        .await
        .unwrap();
    assert_eq!(first.len(), 1);
    let count = store.read(|c| jobs::available(c, Queue::Probes, 10)).await.unwrap();
    assert_eq!((count.count, count.is_capped), (1, false));
}

async fn a_job_is_available_at_its_time_and_not_before(store: TestStore) {
    let at = NOW.plus(secs(5));
    store.enqueue(vec![NewJob { run_at: at, ..job() }]).await.unwrap();
    assert_eq!(store.states(), ["scheduled 1"]);
    let before = Timestamp::from_micros(at.as_micros() - 1);
    let early = store.claim(request(10, before)).await.unwrap();
    assert!(early.jobs.is_empty() && store.states() == ["scheduled 1"]);
    assert_eq!(early.next_due, Some(at));
    let held = claim_one(&store, at).await;
    finish(&store, &held, AttemptEnd::Failed(Retry::At(at.plus(secs(60)))), at).await;
    let early = store.claim(request(10, at.plus(secs(59)))).await.unwrap();
    assert!(early.jobs.is_empty() && early.next_due == Some(at.plus(secs(60))));
    assert_eq!(claim_one(&store, at.plus(secs(60))).await.attempt, 2);
    assert_eq!(store.claim(request(10, at)).await.unwrap().next_due, None);
}

async fn a_claim_makes_due_jobs_of_other_queues_available_and_tells_of_them(store: TestStore) {
    let later = |queue| NewJob {
        queue,
        run_at: NOW.plus(secs(1)),
        ..job()
    };
    store
        .enqueue(vec![later(Queue::Mail), later(Queue::Probes)])
        .await
        .unwrap();
    drop(store.told().await);
    let due = NOW.plus(secs(1));
    assert_eq!(store.claim(request(10, due)).await.unwrap().jobs.len(), 1);
    assert_eq!(store.told().await, [[Queue::Mail]]);
    assert_eq!(store.states(), ["available 1", "running 1"]);
}

async fn a_flood_of_due_jobs_is_let_in_by_portions_and_the_next_claim_follows_at_once(store: TestStore) {
    let due = NOW.plus(secs(1));
    store
        .enqueue((0..1_200).map(|_| NewJob { run_at: due, ..job() }).collect())
        .await
        .unwrap();
    let first = store.claim(request(0, due)).await.unwrap();
    assert_eq!(store.states(), ["available 500", "scheduled 700"]);
    assert_eq!(first.next_due, Some(due));
    store.claim(request(0, due)).await.unwrap();
    let last = store.claim(request(0, due)).await.unwrap();
    assert_eq!(
        (store.states(), last.next_due),
        (vec!["available 1200".to_owned()], None)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn claims_of_two_at_once_never_overlap_and_miss_nothing(
        count in 1_usize..120, limits in proptest::collection::vec(1_usize..12, 1..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = TestStore::new();
            store.enqueue((0..count).map(|_| job()).collect()).await.unwrap();
            let claimer = |node: u128| {
                let (store, limits) = ((*store).clone(), limits.clone());
                async move {
                    let mut got = Vec::new();
                    for limit in limits.into_iter().cycle() {
                        let request = ClaimRequest { node: NodeId::from_bits(node), ..request(limit, NOW) };
                        let jobs = store.claim(request).await.unwrap().jobs;
                        assert!(jobs.len() <= limit);
                        if jobs.is_empty() { break }
                        got.extend(jobs.into_iter().map(|job| job.id));
                    }
                    got
                }
            };
            let (one, other) = tokio::join!(claimer(1), claimer(2));
            assert!(one.is_sorted() && other.is_sorted());
            let all: HashSet<JobId> = one.iter().chain(&other).copied().collect();
            assert_eq!((all.len(), one.len() + other.len()), (count, count));
        });
    }
}

on_each_database!(
    jobs_are_claimed_by_rank_and_then_by_id,
    a_claim_hands_over_what_was_enqueued_under_a_new_fence,
    jobs_of_unknown_kinds_and_other_queues_stay_and_the_unknown_are_shown,
    a_job_is_available_at_its_time_and_not_before,
    a_claim_makes_due_jobs_of_other_queues_available_and_tells_of_them,
    a_flood_of_due_jobs_is_let_in_by_portions_and_the_next_claim_follows_at_once,
);
