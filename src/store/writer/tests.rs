//! The writer seen by those who wait for it: what shares a commit, who is answered what, and what survives.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::domain::id::WorkspaceId;
use crate::domain::job::Queue;
use crate::store::testing::{KIND, NOW, TestStore, enter_workspace, job, request};
use crate::store::{Abort, NewJob, Store, StoreError, Tx};
use crate::supervision::{NodeKind, NodeSnapshot, NodeState};

/// Far more than a write takes, far less than a person waits.
const SOON: Duration = Duration::from_secs(10);

/// A write of any sort, and whether it was done.
type Write = BoxFuture<'static, Result<(), Abort<&'static str>>>;

fn enqueue(store: &TestStore, jobs: Vec<NewJob>) -> Write {
    let store: Store = (**store).clone();
    async move { store.enqueue(jobs).await.map_err(Abort::Store) }.boxed()
}

/// Enters a workspace, then does `then`; runs are counted.
fn enter(
    store: &TestStore,
    id: WorkspaceId,
    runs: &Arc<AtomicUsize>,
    mut then: impl FnMut(&mut Tx<'_>) -> Result<(), Abort<&'static str>> + Send + 'static,
) -> Write {
    let (store, runs): (Store, _) = ((**store).clone(), Arc::clone(runs));
    async move {
        let write = store.write(move |tx| {
            runs.fetch_add(1, Ordering::SeqCst);
            enter_workspace(tx.connection(), id).map_err(|_refused| Abort::Refused("twice"))?;
            then(tx)
        });
        write.await
    }
    .boxed()
}

fn entered(store: &TestStore, id: WorkspaceId) -> bool {
    store.number(&format!("SELECT count(*) AS value FROM workspaces WHERE id = '{id}'")) == Some(1)
}

fn is_there(store: &TestStore, job: &NewJob) -> bool {
    store.number(&format!("SELECT count(*) AS value FROM jobs WHERE id = '{}'", job.id)) == Some(1)
}

#[tokio::test]
async fn an_answer_comes_only_after_the_commit() {
    let store = TestStore::new();
    for _ in 0..50 {
        let (one, id) = (job(), WorkspaceId::generate());
        store.enqueue(vec![one.clone()]).await.unwrap();
        assert!(is_there(&store, &one));
        enter(&store, id, &Arc::default(), |_| Ok(())).await.unwrap();
        assert!(entered(&store, id));
    }
}

#[tokio::test]
async fn writes_that_wait_together_share_one_commit() {
    let store = TestStore::new();
    let held = store.hold_writer().await;
    let before = store.commits();
    let mut writes: Vec<Write> = (0..100).map(|_| enqueue(&store, vec![job()])).collect();
    writes.extend((0..20).map(|_| enter(&store, WorkspaceId::generate(), &Arc::default(), |_| Ok(()))));
    for answer in held.release_with(writes).await {
        answer.unwrap();
    }
    assert_eq!(store.commits() - before, 1);
    store.enqueue(vec![job()]).await.unwrap();
    store.enqueue(vec![job()]).await.unwrap();
    assert_eq!(store.commits() - before, 3, "the count does not see single commits");
    assert_eq!(store.states(), ["available 102"]);
}

#[tokio::test]
async fn a_shared_commit_is_bounded_by_rows() {
    let store = TestStore::new();
    let held = store.hold_writer().await;
    let before = store.commits();
    let writes = (0..3)
        .map(|_| enqueue(&store, (0..300).map(|_| job()).collect()))
        .collect();
    for answer in held.release_with(writes).await {
        answer.unwrap();
    }
    assert_eq!(store.commits() - before, 2, "300 + 300 rows reach the bound of 512");
    assert_eq!(store.states(), ["available 900"]);
}

#[tokio::test]
async fn a_claim_sees_what_is_enqueued_in_its_own_commit() {
    let store = TestStore::new();
    let held = store.hold_writer().await;
    let claim = {
        let store: Store = (*store).clone();
        async move {
            let claimed = store.claim(request(10, NOW)).await.unwrap();
            assert_eq!(claimed.jobs.len(), 1);
            Ok(())
        }
    };
    let before = store.commits();
    for answer in held
        .release_with(vec![claim.boxed(), enqueue(&store, vec![job()])])
        .await
    {
        answer.unwrap();
    }
    assert_eq!(store.commits() - before, 1);
}

#[tokio::test]
async fn a_closure_that_refuses_panics_or_fails_takes_back_its_own_changes_and_no_others() {
    let store = TestStore::new();
    let ids: Vec<WorkspaceId> = (0..5).map(|_| WorkspaceId::generate()).collect();
    let (runs, neighbour) = (Arc::new(AtomicUsize::new(0)), job());
    let held = store.hold_writer().await;
    let before = store.commits();
    let answers = held
        .release_with(vec![
            enter(&store, ids[0], &runs, |_| Ok(())),
            enter(&store, ids[1], &runs, |tx| {
                tx.enqueue(&job())?;
                Err(Abort::Refused("no"))
            }),
            enter(&store, ids[2], &runs, |_| panic!("the closure broke")),
            enter(&store, ids[3], &runs, |tx| {
                tx.connection().batch_execute("INSERT INTO nowhere VALUES (1)")?;
                Ok(())
            }),
            enter(&store, ids[4], &runs, |_| Ok(())),
            enqueue(&store, vec![neighbour.clone()]),
        ])
        .await;
    assert!(matches!(&answers[1], Err(Abort::Refused("no"))), "{:?}", answers[1]);
    assert!(
        matches!(&answers[2], Err(Abort::Store(StoreError::Panicked { text })) if text == "the closure broke"),
        "{:?}",
        answers[2]
    );
    assert!(
        matches!(&answers[3], Err(Abort::Store(StoreError::Statement(_)))),
        "{:?}",
        answers[3]
    );
    for (place, id) in ids.iter().enumerate() {
        let stays = place == 0 || place == 4;
        assert_eq!(
            (answers[place].is_ok(), entered(&store, *id)),
            (stays, stays),
            "{place}"
        );
    }
    assert!(answers[5].is_ok() && is_there(&store, &neighbour));
    assert_eq!((store.commits() - before, runs.load(Ordering::SeqCst)), (1, 5));
    assert_eq!(
        store.states(),
        ["available 1"],
        "the refused closure's job went with it"
    );
    assert_eq!(store.told().await, [[Queue::Probes]]);
}

#[tokio::test]
async fn a_batch_that_is_lost_is_run_again_one_by_one_and_only_the_guilty_fail() {
    let store = TestStore::new();
    let (taken, good, beside) = (job(), job(), job());
    store.enqueue(vec![taken.clone()]).await.unwrap();
    drop(store.told().await);
    let out_of_range = NewJob { priority: 11, ..job() };
    let (runs, id) = (Arc::new(AtomicUsize::new(0)), WorkspaceId::generate());
    let held = store.hold_writer().await;
    let answers = held
        .release_with(vec![
            enqueue(&store, vec![good.clone()]),
            enqueue(&store, vec![beside.clone(), taken]),
            enqueue(&store, vec![out_of_range.clone()]),
            enter(&store, id, &runs, |tx| {
                tx.enqueue(&NewJob {
                    queue: Queue::Mail,
                    ..job()
                })?;
                Ok(())
            }),
        ])
        .await;
    let done: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(done, [true, false, false, true]);
    assert!(is_there(&store, &good) && !is_there(&store, &beside) && !is_there(&store, &out_of_range));
    assert!(entered(&store, id));
    assert_eq!(
        runs.load(Ordering::SeqCst),
        2,
        "the closure ran in the lost batch and again alone"
    );
    assert_eq!(store.states(), ["available 3"], "and counts once");
    assert_eq!(
        store.told().await,
        [[Queue::Probes], [Queue::Mail]],
        "nothing was told of what was rolled back"
    );
}

#[tokio::test]
async fn available_jobs_are_told_after_the_commit_each_queue_once() {
    let (seen, sees) = mpsc::channel();
    let store = TestStore::telling(move |_| seen.send(()).unwrap());
    let held = store.hold_writer().await;
    let mail = || NewJob {
        queue: Queue::Mail,
        ..job()
    };
    let writes = vec![
        enqueue(&store, vec![mail(), job()]),
        enqueue(&store, vec![mail()]),
        enter(&store, WorkspaceId::generate(), &Arc::default(), |tx| {
            tx.became_available(Queue::Mail);
            Ok(())
        }),
    ];
    held.release_with(writes).await;
    sees.recv_timeout(SOON).unwrap();
    assert_eq!(store.states(), ["available 3"], "told before the commit");
    assert_eq!(store.told().await, [[Queue::Mail, Queue::Probes]]);
    store.write(|_| Err::<(), _>(Abort::Refused(()))).await.unwrap_err();
    store
        .enqueue(vec![NewJob {
            run_at: NOW.plus(SOON),
            ..job()
        }])
        .await
        .unwrap();
    assert_eq!(store.told().await, [[Queue::Probes]]);
}

#[tokio::test]
async fn a_panic_of_whoever_is_told_does_not_end_the_writer() {
    let store = TestStore::telling(|_| panic!("deaf"));
    store.enqueue(vec![job()]).await.unwrap();
    store.enqueue(vec![job()]).await.unwrap();
    assert_eq!(store.states(), ["available 2"]);
}

#[tokio::test]
async fn closing_finishes_what_was_handed_over_and_refuses_what_comes_later() {
    let store = TestStore::new();
    let held = store.hold_writer().await;
    let mut accepted = futures_util::future::join_all([enqueue(&store, vec![job()]), enqueue(&store, vec![job()])]);
    assert!(futures_util::future::poll_immediate(&mut accepted).await.is_none());
    let tree = store.tree().clone();
    let stop = tokio::spawn(async move { tree.stop_child("writer").await });
    let closing = async {
        while store.tree().inspect("writer").unwrap().state != NodeState::Stopping {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, closing)
        .await
        .expect("it was not told to end");
    let late = job();
    let refused = store.enqueue(vec![late.clone()]).await;
    assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
    let answers = held.release_with(vec![accepted]).await.remove(0);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(stop.await.unwrap().unwrap().undelivered, 0);
    assert!(!is_there(&store, &late));
    assert_eq!(store.states(), ["available 2"]);
    assert!(matches!(store.enqueue(vec![job()]).await, Err(StoreError::Closed)));
    assert!(matches!(store.claim(request(1, NOW)).await, Err(StoreError::Closed)));
    assert!(matches!(store.ping(SOON).await, Err(StoreError::Closed)));
}

/// Looks until the writer's node is as `wanted`.
async fn writer_when(store: &TestStore, wanted: impl Fn(&NodeSnapshot) -> bool) -> NodeSnapshot {
    let reached = async {
        loop {
            let node = store.tree().inspect("writer").unwrap();
            if wanted(&node) {
                return node;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, reached)
        .await
        .expect("the writer is not as it should be")
}

#[tokio::test]
async fn a_writer_that_fails_is_started_anew_with_a_connection_of_its_own_and_what_waited_is_done() {
    let store = TestStore::new();
    tell_connection(&store, "CREATE TEMP TABLE mark (x)").await;
    let held = store.hold_writer().await;
    writer_when(&store, |writer| writer.state == NodeState::Running).await;
    store.tree().inject_panic("writer").unwrap();
    let writes = (0..1_000).map(|_| enqueue(&store, vec![job()])).collect();
    for answer in held.release_with(writes).await {
        answer.unwrap();
    }
    let node = writer_when(&store, |writer| writer.restarts == 1).await;
    assert_eq!(store.states(), ["available 1000"]);
    let marked = store.write(|tx| Ok::<_, Abort<()>>(tx.connection().batch_execute("SELECT * FROM mark")?));
    assert!(matches!(marked.await, Err(Abort::Store(StoreError::Statement(_)))));
    assert!(node.last_failure.is_some() && node.kind == NodeKind::Thread, "{node:?}");
    assert!(node.mailbox.unwrap().handled > 1_000);
}

/// What panics when it is thrown away.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[tokio::test]
async fn an_answer_that_cannot_even_be_thrown_away_harms_neither_the_writer_nor_its_neighbours() {
    let store = TestStore::new();
    let held = store.hold_writer().await;
    let mut gone = Box::pin(store.write(|_| Ok::<_, Abort<()>>(Bomb)));
    assert!(futures_util::future::poll_immediate(&mut gone).await.is_none());
    drop(gone);
    let writes = (0..3).map(|_| enqueue(&store, vec![job()])).collect();
    for answer in held.release_with(writes).await {
        answer.unwrap();
    }
    assert_eq!(store.tree().inspect("writer").unwrap().restarts, 0);
}

#[tokio::test]
async fn a_writer_that_is_told_to_start_anew_under_load_does_and_loses_nothing() {
    let store = TestStore::new();
    let held = store.hold_writer().await;
    writer_when(&store, |writer| writer.state == NodeState::Running).await;
    store.tree().restart("writer").unwrap();
    let writes = (0..5_000).map(|_| enqueue(&store, vec![job()])).collect();
    for answer in held.release_with(writes).await {
        answer.unwrap();
    }
    writer_when(&store, |writer| writer.restarts == 1).await;
    assert_eq!(store.states(), ["available 5000"]);
}

#[tokio::test]
async fn a_write_whose_caller_went_away_is_done_all_the_same() {
    let store = TestStore::new();
    let held = store.hold_writer().await;
    let mut gone = enqueue(&store, vec![job()]);
    assert!(futures_util::future::poll_immediate(&mut gone).await.is_none());
    drop(gone);
    held.release_with(vec![enqueue(&store, vec![job()])]).await;
    assert_eq!(store.states(), ["available 2"]);
}

#[tokio::test]
async fn a_write_waits_for_another_process_and_then_succeeds() {
    let store = TestStore::new();
    let mut other = store.other();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let mut write = enqueue(&store, vec![job()]);
    let early = tokio::time::timeout(Duration::from_millis(200), &mut write).await;
    assert!(early.is_err(), "the write did not wait");
    other.batch_execute("COMMIT").unwrap();
    write.await.unwrap();
    assert_eq!(store.states(), ["available 1"]);
}

/// Has the writer's present connection do something, which lasts as long as that connection does.
async fn tell_connection(store: &TestStore, statement: &'static str) {
    let told = store.write(move |tx| Ok::<_, Abort<()>>(tx.connection().batch_execute(statement)?));
    told.await.unwrap();
}

#[tokio::test]
async fn a_lock_held_for_too_long_refuses_all_that_wait_at_once_and_passes() {
    let (go, goes) = mpsc::channel::<()>();
    let (goes, blocks) = (Mutex::new(goes), Arc::new(AtomicBool::new(false)));
    // Whoever is told holds the writer up between two transactions, so that another process can begin one.
    let store = TestStore::telling({
        let blocks = Arc::clone(&blocks);
        move |_| {
            if blocks.swap(false, Ordering::SeqCst) {
                goes.lock().unwrap().recv().unwrap();
            }
        }
    });
    tell_connection(&store, "PRAGMA busy_timeout = 100").await;
    blocks.store(true, Ordering::SeqCst);
    store.enqueue(vec![job()]).await.unwrap();
    let mut other = store.other();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let mut writes: Vec<Write> = (0..200).map(|_| enqueue(&store, vec![job()])).collect();
    writes.push(enter(&store, WorkspaceId::generate(), &Arc::default(), |_| Ok(())));
    let mut writes = futures_util::future::join_all(writes);
    assert!(futures_util::future::poll_immediate(&mut writes).await.is_none());
    go.send(()).unwrap();
    let answers = tokio::time::timeout(SOON, writes)
        .await
        .expect("each of them waited for the lock");
    for answer in answers {
        assert!(
            matches!(&answer, Err(Abort::Store(StoreError::Unavailable { .. }))),
            "{answer:?}"
        );
    }
    other.batch_execute("ROLLBACK").unwrap();
    store.enqueue(vec![job()]).await.unwrap();
    assert_eq!(store.states(), ["available 2"]);
}

fn large() -> NewJob {
    NewJob {
        args: format!("\"{}\"", "x".repeat(4_000_000)),
        ..job()
    }
}

/// The limit belongs to the writer's present connection; a database that reached it says what one on a full disk says.
const FULL_SOON: &str = "PRAGMA max_page_count = 200";

#[tokio::test]
async fn a_full_disk_is_a_passing_fault() {
    let store = TestStore::new();
    tell_connection(&store, FULL_SOON).await;
    let full = store.enqueue(vec![large()]).await.unwrap_err();
    assert!(full.is_transient(), "{full:?}");
    store.enqueue(vec![large()]).await.unwrap();
    assert_eq!(store.states(), ["available 1"]);
}

#[tokio::test]
async fn a_full_disk_within_a_closure_is_a_passing_fault_and_its_changes_are_gone() {
    let store = TestStore::new();
    tell_connection(&store, FULL_SOON).await;
    let (id, runs) = (WorkspaceId::generate(), Arc::default());
    let full = enter(&store, id, &runs, |tx| Ok(tx.enqueue(&large())?))
        .await
        .unwrap_err();
    assert!(matches!(&full, Abort::Store(error) if error.is_transient()), "{full:?}");
    assert!(!entered(&store, id));
    enter(&store, id, &runs, |tx| Ok(tx.enqueue(&large())?)).await.unwrap();
    assert!(entered(&store, id));
    assert_eq!(store.states(), ["available 1"]);
}

#[tokio::test]
async fn the_neighbours_of_a_write_that_filled_the_disk_are_done() {
    let store = TestStore::new();
    tell_connection(&store, FULL_SOON).await;
    let (small, id) = (job(), WorkspaceId::generate());
    let held = store.hold_writer().await;
    let writes = vec![
        enqueue(&store, vec![small.clone()]),
        enter(&store, id, &Arc::default(), |tx| Ok(tx.enqueue(&large())?)),
    ];
    let answers = held.release_with(writes).await;
    assert!(answers[0].is_ok() && is_there(&store, &small), "{answers:?}");
    assert_eq!(answers[1].is_ok(), entered(&store, id));
}

#[tokio::test]
async fn kinds_of_writes_may_be_mixed_in_one_commit_and_each_gets_its_own_answer() {
    let store = TestStore::new();
    let jobs: Vec<NewJob> = (0..20).map(|_| job()).collect();
    store.enqueue(jobs).await.unwrap();
    let claims: Vec<_> = {
        let held = store.hold_writer().await;
        let claim = |limit| {
            let store = (*store).clone();
            async move { store.claim(request(limit, NOW)).await.unwrap().jobs }
        };
        held.release_with(vec![claim(3), claim(5), claim(1)]).await
    };
    let lengths: Vec<usize> = claims.iter().map(Vec::len).collect();
    assert_eq!(lengths, [3, 5, 1]);
    let mut ids: Vec<_> = claims.iter().flatten().map(|job| job.id).collect();
    assert!(claims.iter().flatten().all(|job| job.kind == KIND));
    assert!(
        ids.is_sorted(),
        "claims of one commit are served in the order in which they came"
    );
    ids.dedup();
    assert_eq!(ids.len(), 9);
}
