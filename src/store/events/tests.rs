//! Events as the writer writes them and readers find them.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::FutureExt as _;
use proptest::prelude::*;

use super::*;
use crate::domain::id::{JobId, WorkspaceId};
use crate::domain::job::{AttemptEnd, JobState, Progress, Retry};
use crate::store::testing::{NOW, TestStore, end as finish, job, on_each_database, request};
use crate::store::{Abort, AttemptProgress, JobScope, NewJob, Store, jobs};

fn of(workspace: WorkspaceId) -> NewJob {
    NewJob { workspace, ..job() }
}

/// All changes behind `cursor`, page by page.
async fn all(store: &Store, followed: Followed, mut cursor: Cursor) -> Vec<(Cursor, Change)> {
    let mut changes = Vec::new();
    loop {
        let page = store.read(move |c| after(c, followed, cursor)).await.unwrap();
        assert!(page.next >= cursor);
        cursor = page.next;
        changes.extend(page.changes);
        if page.is_last {
            return changes;
        }
    }
}

async fn told(store: &Store, followed: Followed) -> Vec<String> {
    let shown = |(_, change): (Cursor, Change)| {
        let progress = if change.is_progress() { " progress" } else { "" };
        let cause = change.cause.map(|cause| format!(" {cause}")).unwrap_or_default();
        format!("{} {}/{}{cause}{progress}", change.state, change.attempt, change.fence)
    };
    all(store, followed, Cursor::START)
        .await
        .into_iter()
        .map(shown)
        .collect()
}

#[tokio::test]
async fn each_transition_of_a_job_is_told_with_its_attempt_fence_and_cause() {
    let store = TestStore::new();
    let new = of(WorkspaceId::generate());
    let (id, followed) = (new.id, Followed::Job(new.id, new.workspace));
    let later = NOW.plus(Duration::from_secs(9));
    store
        .enqueue(vec![NewJob { run_at: later, ..new }, job()])
        .await
        .unwrap();
    store.claim(request(10, NOW)).await.unwrap();
    let held = store.claim(request(10, later)).await.unwrap().jobs.remove(0);
    let progress = AttemptProgress {
        job: id,
        fence: held.fence,
        progress: Progress::new(1, Some(2), Some("a \"b\"")),
        at: later,
    };
    store.progress(progress).await.unwrap();
    store
        .finish(finish(id, held.fence, AttemptEnd::Failed(Retry::At(later)), later))
        .await
        .unwrap();
    store
        .finish(finish(id, held.fence, AttemptEnd::Completed, later))
        .await
        .unwrap();
    let held = store.claim(request(10, later)).await.unwrap().jobs.remove(0);
    let cancel = || store.write(move |tx| jobs::cancel(tx, id, JobScope::All, later));
    cancel().await.unwrap();
    cancel().await.unwrap();
    store
        .finish(finish(id, held.fence, AttemptEnd::Cancelled, later))
        .await
        .unwrap();
    store
        .write(move |tx| jobs::retry(tx, id, JobScope::All, later))
        .await
        .unwrap();
    cancel().await.unwrap();
    assert_eq!(
        told(&store, followed).await,
        [
            "scheduled 0/0",
            "available 0/0",
            "running 1/1",
            "running 1/1 progress",
            "retryable 1/1",
            "available 1/1",
            "running 2/2",
            "running 2/2 requested",
            "cancelled 2/2 requested",
            "available 2/2",
            "cancelled 2/2 requested",
        ]
    );
    let changes = all(&store, followed, Cursor::START).await;
    let (_, change) = &changes[3];
    assert_eq!(change.progress, Some(Progress::new(1, Some(2), Some("a \"b\""))));
    assert_eq!(
        (change.kind.as_str(), change.queue.as_str(), change.at),
        ("test.work", "probes", later)
    );
}

#[tokio::test]
async fn one_commit_writes_one_row_for_each_workspace_however_many_jobs_it_holds_and_what_is_rolled_back_is_not_told() {
    let store = TestStore::new();
    let (one, other) = (WorkspaceId::generate(), WorkspaceId::generate());
    let held = store.hold_writer().await;
    let enqueue = |jobs: Vec<NewJob>| {
        let store = (*store).clone();
        async move { store.enqueue(jobs).await.unwrap() }.boxed()
    };
    let closure = |refuse: bool| {
        let store = (*store).clone();
        async move {
            let write = store.write(move |tx| {
                tx.enqueue(&of(one))?;
                if refuse { Err(Abort::Refused(())) } else { Ok(()) }
            });
            drop(write.await);
        }
        .boxed()
    };
    held.release_with(vec![
        enqueue((0..100).map(|_| of(one)).collect()),
        closure(true),
        enqueue((0..50).map(|_| of(other)).collect()),
        closure(false),
    ])
    .await;
    assert_eq!(store.number("SELECT count(*) AS value FROM events"), Some(2));
    assert_eq!(told(&store, Followed::Workspace(one)).await.len(), 101);
    assert_eq!(told(&store, Followed::Workspace(other)).await.len(), 50);
    assert_eq!(told(&store, Followed::All).await.len(), 151);
}

#[tokio::test]
async fn a_row_is_bounded_and_nothing_is_lost_where_one_ends() {
    let store = TestStore::new();
    let workspace = WorkspaceId::generate();
    let jobs: Vec<NewJob> = (0..2_000).map(|_| of(workspace)).collect();
    let ids: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
    let entered = jobs.clone();
    store
        .write(move |tx| {
            for job in &entered {
                tx.enqueue(job)?;
            }
            Ok::<_, Abort<()>>(())
        })
        .await
        .unwrap();
    assert!(
        store
            .number("SELECT max(length(changes)) AS value FROM events")
            .unwrap()
            < 66_000
    );
    assert!(store.number("SELECT count(*) AS value FROM events").unwrap() > 2);
    let read = all(&store, Followed::All, Cursor::START).await;
    assert_eq!(read.iter().map(|(_, change)| change.job).collect::<Vec<_>>(), ids);
}

#[tokio::test]
async fn another_workspaces_changes_are_never_read_also_by_a_forged_place() {
    let store = TestStore::new();
    let (mine, theirs) = (of(WorkspaceId::generate()), of(WorkspaceId::generate()));
    store.enqueue(vec![mine.clone(), theirs.clone()]).await.unwrap();
    for cursor in ["0-0", "0-1-0", "0-2-0", "0-0-0"] {
        let cursor = cursor.parse().unwrap();
        let seen = all(&store, Followed::Workspace(mine.workspace), cursor).await;
        assert!(seen.iter().all(|(_, change)| change.job == mine.id), "{seen:?}");
        let both = Followed::Job(theirs.id, mine.workspace);
        assert_eq!(all(&store, both, cursor).await, []);
    }
}

#[tokio::test]
async fn what_is_old_is_cleared_away_in_batches_and_places_in_it_are_gone() {
    let store = TestStore::new();
    let begun = store.read(end).await.unwrap();
    assert!(
        store.read(move |c| is_kept(c, begun)).await.unwrap(),
        "nothing happened yet"
    );
    let mut places = Vec::new();
    for second in 0..5 {
        let at = NOW.plus(Duration::from_secs(second));
        store
            .enqueue(vec![NewJob {
                created_at: at,
                run_at: at,
                ..job()
            }])
            .await
            .unwrap();
        places.push(store.read(end).await.unwrap());
    }
    assert!(
        store.read(move |c| is_kept(c, begun)).await.unwrap(),
        "all of it is there"
    );
    let before = NOW.plus(Duration::from_secs(3));
    let mut cleared = Vec::new();
    for _ in 0..3 {
        let forget = store.write(move |tx| Ok::<_, Abort<()>>(forget(tx.connection(), before, 2)?));
        cleared.push(forget.await.unwrap());
    }
    assert_eq!(cleared, [2, 1, 0]);
    let mut kept = Vec::new();
    for place in std::iter::once(begun)
        .chain(places)
        .chain(["0-6".parse().unwrap(), "7-5".parse().unwrap()])
    {
        kept.push(store.read(move |c| is_kept(c, place)).await.unwrap());
    }
    assert_eq!(kept, [false, false, false, false, true, true, false, false]);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Enqueue(usize),
    Claim(usize),
    Finish,
    Reconnect(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1..40_usize).prop_map(Step::Enqueue),
        (1..30_usize).prop_map(Step::Claim),
        Just(Step::Finish),
        (0..200_usize).prop_map(Step::Reconnect),
    ];
    proptest::collection::vec(step, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A reader that goes on from whatever change it saw last, at any moment, has in the end seen each once and in order.
    #[test]
    fn a_reader_that_comes_back_at_any_place_misses_nothing_and_sees_nothing_twice(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = TestStore::new();
            let (mut running, mut seen) = (Vec::new(), Vec::new());
            let mut expected: BTreeMap<JobId, Vec<JobState>> = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Enqueue(count) => {
                        let jobs: Vec<NewJob> = (0..count).map(|_| job()).collect();
                        jobs.iter().for_each(|job| expected.entry(job.id).or_default().push(JobState::Available));
                        store.enqueue(jobs).await.unwrap();
                    }
                    Step::Claim(limit) => {
                        let claimed = store.claim(request(limit, NOW)).await.unwrap().jobs;
                        claimed.iter().for_each(|job| expected.entry(job.id).or_default().push(JobState::Running));
                        running.extend(claimed);
                    }
                    Step::Finish => for held in running.drain(..) {
                        expected.entry(held.id).or_default().push(JobState::Completed);
                        store.finish(finish(held.id, held.fence, AttemptEnd::Completed, NOW)).await.unwrap();
                    },
                    Step::Reconnect(lost) => {
                        // What was sent and never arrived is sent again.
                        seen.truncate(seen.len().saturating_sub(lost));
                        let from = seen.last().map_or(Cursor::START, |(cursor, _): &(Cursor, Change)| *cursor);
                        seen.extend(all(&store, Followed::All, from).await);
                    }
                }
            }
            let from = seen.last().map_or(Cursor::START, |(cursor, _)| *cursor);
            seen.extend(all(&store, Followed::All, from).await);
            assert!(seen.is_sorted_by(|(one, _), (next, _)| one < next));
            let mut told: BTreeMap<JobId, Vec<JobState>> = BTreeMap::new();
            for (_, change) in seen {
                told.entry(change.job).or_default().push(change.state);
            }
            assert_eq!(told, expected);
        });
    }
}

async fn a_reader_that_follows_while_jobs_change_sees_every_change_once_in_order(store: TestStore) {
    let workspace = WorkspaceId::generate();
    let mut subscription = store.hub().subscribe(Interest::Workspace(workspace));
    let writing = {
        let store = (*store).clone();
        tokio::spawn(async move {
            for _ in 0..60 {
                let writes = (0..8).map(|_| store.enqueue(vec![of(workspace)]));
                for written in futures_util::future::join_all(writes).await {
                    written.unwrap();
                }
                for held in store.claim(request(4, NOW)).await.unwrap().jobs {
                    store
                        .finish(finish(held.id, held.fence, AttemptEnd::Completed, NOW))
                        .await
                        .unwrap();
                }
            }
        })
    };
    let (followed, mut cursor, mut seen) = (Followed::Workspace(workspace), Cursor::START, Vec::new());
    // Eight new ones a round, four of them claimed and finished.
    while seen.len() < 60 * 16 {
        let page = store.read(move |c| after(c, followed, cursor)).await.unwrap();
        cursor = page.next;
        seen.extend(page.changes);
        if page.is_last && seen.len() < 60 * 16 {
            let waited = tokio::time::timeout(Duration::from_secs(10), subscription.changed(&store)).await;
            waited.expect("a change was not told of");
        }
    }
    writing.await.unwrap();
    assert!(seen.is_sorted_by(|(one, _), (next, _)| one < next));
    assert_eq!(all(&store, followed, Cursor::START).await, seen);
}

#[tokio::test]
async fn whoever_waits_is_woken_by_what_they_wait_for_and_nothing_else() {
    let store = TestStore::new();
    let (mine, other) = (of(WorkspaceId::generate()), of(WorkspaceId::generate()));
    let hub = store.hub();
    let mut waits = [
        Interest::End(mine.id),
        Interest::Job(mine.id),
        Interest::Workspace(mine.workspace),
        Interest::All,
    ]
    .map(|interest| hub.subscribe(interest));
    assert_eq!(hub.waiting(), 4);
    let mut woken = async || {
        // An answer comes before the telling; the next write comes after it.
        store.ping(Duration::from_secs(10)).await.unwrap();
        waits
            .each_mut()
            .map(|wait| wait.changed(&store).now_or_never().is_some())
    };
    assert_eq!(woken().await, [false; 4]);
    store.enqueue(vec![other.clone()]).await.unwrap();
    assert_eq!(woken().await, [false, false, false, true]);
    store.enqueue(vec![mine.clone()]).await.unwrap();
    assert_eq!(woken().await, [false, true, true, true]);
    let (mine_id, other_id) = (mine.id, other.id);
    store
        .write(move |tx| jobs::cancel(tx, mine_id, JobScope::All, NOW))
        .await
        .unwrap();
    assert_eq!(woken().await, [true; 4]);
    store
        .write(move |tx| jobs::cancel(tx, other_id, JobScope::All, NOW))
        .await
        .unwrap();
    assert_eq!(woken().await, [false, false, false, true]);
    drop(waits);
    assert_eq!(hub.waiting(), 0);
}

/// A hub as it is where other processes write, too.
#[tokio::test]
async fn changes_of_other_processes_wake_those_who_wait_for_them_once_somebody_says_so_or_after_a_second() {
    let store = TestStore::new();
    let hub = Hub::new(true);
    let mine = of(WorkspaceId::generate());
    let id = mine.id;
    store.enqueue(vec![mine]).await.unwrap();
    let mut wait = hub.subscribe(Interest::End(id));
    let soon = Duration::from_secs(10);
    // The first look finds the end from which it goes on, and has everybody look once.
    tokio::time::timeout(soon, wait.changed(&store)).await.unwrap();
    // This hub is not the store's own, which is as good as another process.
    store
        .write(move |tx| jobs::cancel(tx, id, JobScope::All, NOW))
        .await
        .unwrap();
    hub.woken();
    tokio::time::timeout(soon, wait.changed(&store)).await.unwrap();
    store
        .write(move |tx| jobs::retry(tx, id, JobScope::All, NOW))
        .await
        .unwrap();
    store
        .write(move |tx| jobs::cancel(tx, id, JobScope::All, NOW))
        .await
        .unwrap();
    tokio::time::timeout(soon, wait.changed(&store)).await.unwrap();
    store.enqueue(vec![job()]).await.unwrap();
    hub.woken();
    let in_vain = tokio::time::timeout(Duration::from_millis(50), wait.changed(&store));
    assert!(in_vain.await.is_err(), "another job's change is not what it waits for");
}

#[test]
fn the_text_of_a_place_is_what_a_stream_gives_as_its_id() {
    let place: Cursor = "0-7-3".parse().unwrap();
    assert!(place < "0-7".parse().unwrap() && place > "0-6".parse().unwrap() && place < "1-1-1".parse().unwrap());
    assert_eq!(Cursor::START.to_string(), "0-0-0");
}

on_each_database!(a_reader_that_follows_while_jobs_change_sees_every_change_once_in_order,);
