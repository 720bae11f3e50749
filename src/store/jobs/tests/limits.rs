//! Limits hold exactly, by the real claim code: one claimer after another, several nodes at once, and with attempts that end
//! late or twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::turns::claim_on;
use super::*;
use crate::domain::id::{NodeId, WorkspaceId};
use crate::domain::job::{Limit, LimitKey, Queue, Rate, Turn};
use crate::store::limits::{self, Limited};
use crate::store::testing::{NOW, on_each_database};
use crate::store::{ClaimRequest, NewJob, Store};

const OWN: WorkspaceId = WorkspaceId::SERVICE;

fn keyed(workspace: WorkspaceId, key: &str) -> NewJob {
    NewJob {
        workspace,
        limit_key: key.parse::<LimitKey>().ok(),
        ..job()
    }
}

fn at_once(concurrency: u32) -> Limit {
    Limit {
        concurrency: Some(concurrency),
        rate: None,
    }
}

fn each(jobs: u32, secs: u64, burst: u32) -> Limit {
    let period = Duration::from_secs(secs);
    Limit {
        concurrency: None,
        rate: Some(Rate { jobs, period, burst }),
    }
}

async fn set(store: &Store, of: Limited, limit: Limit) {
    let set = store.write(move |tx| Ok::<_, Abort<()>>(limits::set(tx, Queue::Probes, &of, &limit, NOW)?));
    set.await.unwrap();
}

fn key(key: &str) -> Limited {
    Limited::Key(OWN, key.parse().unwrap())
}

async fn claim_at(store: &TestStore, now: Timestamp) -> crate::store::Claimed {
    store.claim(request(50, now)).await.unwrap()
}

async fn a_key_runs_no_more_than_its_limit_and_holds_up_nobody_else(store: TestStore) {
    let mut new: Vec<NewJob> = (0..5).map(|_| keyed(OWN, "a")).collect();
    new.extend([keyed(OWN, "b"), keyed(OWN, "b"), job()]);
    store.enqueue(new).await.unwrap();
    set(&store, key("a"), at_once(2)).await;
    let first = claim_at(&store, NOW).await;
    assert_eq!(first.jobs.len(), 5, "two of a, and all of the others");
    assert!(first.is_held_back && !first.has_more && first.again_at.is_none());
    assert!(claim_at(&store, NOW).await.jobs.is_empty());
    let held = first.jobs.iter().find(|job| job.limit_key == "a").unwrap();
    finish(&store, held, AttemptEnd::Completed, NOW).await;
    assert_eq!(
        finish(&store, held, AttemptEnd::Completed, NOW).await,
        Finished::LeaseLost
    );
    let next = claim_at(&store, NOW).await.jobs;
    assert_eq!(next.len(), 1, "an end that came twice made room once");
    // What others do with the job meanwhile does not count: its attempt does.
    assert!(claim_at(&store, NOW).await.jobs.is_empty());
}

async fn a_change_of_a_limit_holds_for_what_waits(store: TestStore) {
    store.enqueue((0..10).map(|_| keyed(OWN, "a")).collect()).await.unwrap();
    set(&store, key("a"), at_once(0)).await;
    assert!(claim_at(&store, NOW).await.jobs.is_empty());
    drop(store.told().await);
    set(&store, key("a"), at_once(3)).await;
    assert_eq!(store.told().await, [[Queue::Probes]], "its worker is woken");
    assert_eq!(claim_at(&store, NOW).await.jobs.len(), 3);
    set(&store, key("a"), at_once(1)).await;
    assert!(
        claim_at(&store, NOW).await.jobs.is_empty(),
        "more run than may: none starts"
    );
    let remove = || store.write(|tx| Ok::<_, Abort<()>>(limits::remove(tx, Queue::Probes, &key("a"))?));
    assert!(remove().await.unwrap() && !remove().await.unwrap());
    assert_eq!(claim_at(&store, NOW).await.jobs.len(), 7);
}

async fn each_key_without_a_limit_of_its_own_has_that_of_each(store: TestStore) {
    let other = store.workspace().await;
    let mut new = Vec::new();
    for name in ["a", "b", "c"] {
        new.extend((0..4).flat_map(|_| [keyed(OWN, name), keyed(other, name)]));
    }
    new.push(job());
    store.enqueue(new).await.unwrap();
    set(&store, Limited::EachKey(OWN), at_once(1)).await;
    set(&store, key("b"), at_once(3)).await;
    let jobs = claim_at(&store, NOW).await.jobs;
    let count = |workspace, key: &str| {
        jobs.iter()
            .filter(|job| job.workspace == workspace && job.limit_key == key)
            .count()
    };
    assert_eq!(
        [count(OWN, "a"), count(OWN, "b"), count(OWN, "c"), count(OWN, "")],
        [1, 3, 1, 1]
    );
    assert_eq!(
        jobs.iter().filter(|job| job.workspace == other).count(),
        12,
        "it is one workspace's"
    );
}

async fn a_rate_lets_its_burst_start_and_says_when_the_next_may(store: TestStore) {
    store.enqueue((0..30).map(|_| keyed(OWN, "a")).collect()).await.unwrap();
    set(&store, key("a"), each(2, 1, 3)).await;
    let first = claim_at(&store, NOW).await;
    assert_eq!(first.jobs.len(), 3);
    let next = NOW.plus(Duration::from_millis(500));
    let none = claim_at(&store, NOW).await;
    assert!(
        none.jobs.is_empty() && none.is_held_back && none.again_at == Some(next),
        "{none:?}"
    );
    assert_eq!(claim_at(&store, next).await.jobs.len(), 1);
    assert_eq!(claim_at(&store, next).await.jobs.len(), 0, "one was all");
    let mut started = 4;
    for tenth in 6..100 {
        let now = NOW.plus(Duration::from_millis(tenth * 100));
        started += claim_at(&store, now).await.jobs.len();
        assert!(
            started <= 3 + usize::try_from(tenth).unwrap() / 5,
            "{started} after {tenth} tenths"
        );
    }
    assert_eq!(started, 3 + 19, "and no fewer");
    // A change begins with a full bucket.
    set(&store, key("a"), each(1, 1_000, 2)).await;
    assert_eq!(claim_at(&store, NOW).await.jobs.len(), 2);
    let emptied = || store.number("SELECT count(*) AS value FROM limit_buckets");
    let until =
        |at| move |tx: &mut crate::store::Tx<'_>| Ok::<_, Abort<()>>(limits::forget_full(tx.connection(), at, 10)?);
    assert_eq!(store.write(until(NOW)).await.unwrap(), 0);
    assert_eq!(
        store.write(until(NOW.plus(Duration::from_secs(2_001)))).await.unwrap(),
        1
    );
    assert_eq!(emptied(), Some(0));
}

async fn the_limit_of_a_queue_holds_for_all_that_is_in_it(store: TestStore) {
    let other = store.workspace().await;
    let mut new: Vec<NewJob> = (0..10).map(|_| keyed(OWN, "a")).collect();
    new.extend((0..10).map(|_| NewJob {
        workspace: other,
        ..job()
    }));
    store.enqueue(new).await.unwrap();
    let both = Limit {
        concurrency: Some(4),
        ..each(1, 1, 6)
    };
    set(&store, Limited::Queue, both).await;
    let mut turn = Turn::default();
    let first = claim_on(&store, &mut turn, 50).await;
    assert_eq!(first.jobs.len(), 4);
    assert!(first.jobs.iter().all(|job| job.workspace == OWN), "it is one turn");
    let none = claim_on(&store, &mut turn, 50).await;
    assert!(none.jobs.is_empty() && none.is_held_back && none.again_at.is_none());
    for held in &first.jobs {
        finish(&store, held, AttemptEnd::Completed, NOW).await;
    }
    let second = claim_on(&store, &mut turn, 50).await;
    assert_eq!(second.jobs.len(), 2, "its rate has two left");
    assert!(
        second.jobs.iter().all(|job| job.workspace == other),
        "and it is the other's turn"
    );
    assert_eq!(
        claim_on(&store, &mut turn, 50).await.again_at,
        Some(NOW.plus(Duration::from_secs(1)))
    );
}

async fn behind_a_crowd_of_full_keys_and_workspaces_the_free_are_found(store: TestStore) {
    let mut new = Vec::new();
    for number in 0..300 {
        new.extend([
            keyed(OWN, &format!("full {number}")),
            keyed(OWN, &format!("full {number}")),
        ]);
    }
    store.enqueue(new).await.unwrap();
    set(&store, Limited::EachKey(OWN), at_once(1)).await;
    let mut turn = Turn::default();
    let mut running = 0;
    while running < 300 {
        running += claim_on(&store, &mut turn, 200).await.jobs.len();
    }
    assert_eq!(claim_on(&store, &mut turn, 200).await.jobs.len(), 0);
    // In the order of keys it is the last.
    let free = keyed(OWN, "zoo");
    store.enqueue(vec![free.clone()]).await.unwrap();
    let mut looks = 0;
    loop {
        let claimed = claim_on(&store, &mut turn, 200).await;
        looks += 1;
        if let [only] = claimed.jobs.as_slice() {
            assert_eq!(only.id, free.id);
            break;
        }
        assert!(
            claimed.again_at.is_some() && looks < 5,
            "it says that it has not seen all"
        );
    }
}

/// What runs, as those who run it know: counted after a claim and before an end, so that it is never more than the database
/// has.
type Running = Arc<Mutex<HashMap<(WorkspaceId, String), u32>>>;

/// A node that claims, holds for a while and ends what it has, in its own way; answers how many it did.
async fn work(store: Store, node: u128, running: Running, most: u32) -> usize {
    let node = NodeId::from_bits(node);
    let (mut turn, mut held, mut done) = (Turn::default(), Vec::new(), 0);
    let mut idle = 0;
    while idle < 30 {
        let asked = ClaimRequest {
            turn,
            node,
            ..request(7, NOW)
        };
        let claimed = store.claim(asked).await.unwrap();
        turn = claimed.turn;
        for job in &claimed.jobs {
            let lane = (job.workspace, job.limit_key.clone());
            let mut running = running.lock().unwrap();
            let count = running.entry(lane.clone()).or_default();
            *count += 1;
            assert!(*count <= most, "{count} of {lane:?} run");
        }
        idle = if claimed.jobs.is_empty() && held.is_empty() {
            idle + 1
        } else {
            0
        };
        held.extend(claimed.jobs);
        // Some are held over several claims.
        let ending = if held.len() > 10 || claimed.again_at.is_none() {
            held.len()
        } else {
            held.len() / 2
        };
        for job in held.drain(..ending) {
            let lane = (job.workspace, job.limit_key.clone());
            *running.lock().unwrap().get_mut(&lane).unwrap() -= 1;
            let how = if job.fence == 1 && done % 5 == 0 {
                AttemptEnd::Drained
            } else {
                AttemptEnd::Completed
            };
            let ended = store.finish(end(job.id, job.fence, how, NOW)).await.unwrap();
            assert_ne!(ended, Finished::LeaseLost);
            done += usize::from(how == AttemptEnd::Completed);
        }
        tokio::task::yield_now().await;
    }
    done
}

async fn several_nodes_never_run_more_than_a_limit_together(store: TestStore) {
    const WORKSPACES: usize = 20;
    const KEYS: usize = 3;
    const EACH: usize = 8;
    let mut new = Vec::new();
    for _ in 0..WORKSPACES {
        let workspace = store.workspace().await;
        set(&store, Limited::EachKey(workspace), at_once(1)).await;
        for number in 0..KEYS * EACH {
            new.push(keyed(workspace, &format!("key {}", number % KEYS)));
        }
    }
    store.enqueue(new).await.unwrap();
    let others: Vec<TestStore> = match store.file() {
        // A file has one node, whose claims are no less at once for it.
        Some(_) => Vec::new(),
        None => (0..2).map(|_| store.of_another_node()).collect(),
    };
    let running = Running::default();
    let nodes = [&*store]
        .into_iter()
        .chain(others.iter().map(|other| &**other))
        .cycle()
        .take(3);
    let works = nodes.zip(1..).map(|(node, number)| {
        let work = work(node.clone(), number, Arc::clone(&running), 1);
        tokio::spawn(work)
    });
    let works: Vec<_> = works.collect();
    let mut done = 0;
    for work in works {
        done += work.await.unwrap();
    }
    assert_eq!(done, WORKSPACES * KEYS * EACH);
    assert_eq!(store.states(), [format!("completed {done}")]);
}

on_each_database!(
    a_key_runs_no_more_than_its_limit_and_holds_up_nobody_else,
    a_change_of_a_limit_holds_for_what_waits,
    each_key_without_a_limit_of_its_own_has_that_of_each,
    a_rate_lets_its_burst_start_and_says_when_the_next_may,
    the_limit_of_a_queue_holds_for_all_that_is_in_it,
    behind_a_crowd_of_full_keys_and_workspaces_the_free_are_found,
    several_nodes_never_run_more_than_a_limit_together,
);
