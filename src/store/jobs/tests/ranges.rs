//! Claims over several kinds and versions at once, beside jobs that nobody here can perform and rows that nobody can read.

use diesel::connection::SimpleConnection;
use proptest::prelude::*;

use super::*;
use crate::domain::id::AccountId;
use crate::domain::job::{Queue, rank};
use crate::store::testing::{NOW, on_each_database};
use crate::store::{ClaimRequest, KnownKind, NewJob, queues};

const KNOWN: [KnownKind; 2] = [
    KnownKind {
        name: "test.a",
        version: 2,
    },
    KnownKind {
        name: "test.b",
        version: 1,
    },
];

fn known(limit: usize) -> ClaimRequest {
    ClaimRequest {
        kinds: KNOWN.to_vec(),
        ..request(limit, NOW)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_known_is_claimed_in_the_order_of_rank_over_all_kinds_and_versions(
        rows in prop::collection::vec((0_usize..3, 1_u32..4, -10..=10_i32, 0_u64..200), 1..40),
        limit in 1_usize..12,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = TestStore::new();
            let names = ["test.a", "test.b", "test.unknown"];
            let new: Vec<NewJob> = rows.iter().map(|(kind, version, priority, age)| {
                let run_at = NOW.minus(std::time::Duration::from_secs(*age));
                NewJob { kind: names[*kind], args_version: *version, priority: *priority, run_at, created_at: run_at, ..job() }
            }).collect();
            let mut expected: Vec<&NewJob> = new.iter()
                .filter(|job| KNOWN.iter().any(|kind| kind.name == job.kind && job.args_version <= kind.version))
                .collect();
            expected.sort_by_key(|job| (rank(job.run_at, job.priority), job.id.to_string()));
            let expected: Vec<_> = expected.into_iter().map(|job| job.id).collect();
            store.enqueue(new.clone()).await.unwrap();
            let mut claimed = Vec::new();
            loop {
                let jobs = store.claim(known(limit)).await.unwrap().jobs;
                prop_assert!(jobs.len() <= limit);
                claimed.extend(jobs.iter().map(|job| job.id));
                if jobs.len() < limit {
                    break;
                }
            }
            prop_assert_eq!(claimed, expected);
            Ok(())
        })?;
    }
}

async fn a_paused_queue_is_not_claimed_from_and_a_resumed_one_wakes_its_worker(store: TestStore) {
    store.enqueue(vec![job()]).await.unwrap();
    let by = AccountId::generate();
    let paused = |queue| {
        let store = (*store).clone();
        async move {
            store
                .write(move |tx| Ok::<_, Abort<()>>(queues::pause(tx.connection(), queue, by, NOW)?))
                .await
                .unwrap()
        }
    };
    assert!(paused(Queue::Probes).await, "it ran before");
    assert!(!paused(Queue::Probes).await, "it was paused already");
    let claimed = store.claim(request(10, NOW)).await.unwrap();
    assert!(claimed.is_paused && claimed.jobs.is_empty());
    let other = ClaimRequest {
        queue: Queue::Mail,
        ..request(10, NOW)
    };
    assert!(
        !store.claim(other).await.unwrap().is_paused,
        "one queue's pause is its own"
    );
    drop(store.told().await);
    let resume = || store.write(|tx| Ok::<_, Abort<()>>(queues::resume(tx, Queue::Probes)?));
    assert!(resume().await.unwrap());
    assert_eq!(store.told().await, [vec![Queue::Probes]]);
    assert!(
        !resume().await.unwrap() && store.told().await.is_empty(),
        "there was nothing to resume"
    );
    assert_eq!(store.claim(request(10, NOW)).await.unwrap().jobs.len(), 1);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_set_aside_and_those_behind_it_are_claimed() {
    for (state, broken) in [
        ("available", "max_attempts = 5000000000"),
        ("available", "id = 'nonsense'"),
        ("available", "args = ''"),
        ("available", "workspace_id = 'nobody'"),
        ("available", "timeout_ms = 9000000000000000000, attempt = 5000000000"),
        ("scheduled", "max_attempts = 5000000000"),
    ] {
        let store = TestStore::new();
        store.enqueue(vec![job()]).await.unwrap();
        let change = format!("UPDATE jobs SET state = '{state}', {broken}");
        store.look(|other| other.batch_execute(&change).unwrap());
        let sound = job();
        let id = sound.id;
        store.enqueue(vec![sound]).await.unwrap();
        let claimed = store.claim(request(10, NOW)).await.unwrap().jobs;
        assert_eq!(claimed.iter().map(|job| job.id).collect::<Vec<_>>(), [id], "{broken}");
        assert_eq!(store.states(), ["discarded 1", "running 1"], "{broken}");
        assert_eq!(
            store.words("SELECT cause AS value FROM jobs WHERE state = 'discarded'"),
            ["corrupt"]
        );
    }
}

async fn a_rescue_sets_aside_what_it_cannot_read_and_takes_the_others_back(store: TestStore) {
    store.enqueue(vec![job(), job(), job()]).await.unwrap();
    let broken = store.claim(request(10, NOW)).await.unwrap().jobs[1].id;
    let change = format!("UPDATE jobs SET max_attempts = 5000000000 WHERE id = '{broken}'");
    store.look(|other| other.batch_execute(&change).unwrap());
    let next = crate::domain::id::NodeId::from_bits(2);
    let rescued = store
        .write(move |tx| Ok::<_, Abort<()>>(jobs::rescue(tx, next, NOW)?))
        .await
        .unwrap();
    assert_eq!(rescued.len(), 3);
    assert_eq!(store.states(), ["available 2", "discarded 1"]);
}

on_each_database!(
    a_paused_queue_is_not_claimed_from_and_a_resumed_one_wakes_its_worker,
    a_rescue_sets_aside_what_it_cannot_read_and_takes_the_others_back,
);
