//! Random batches and jobs that wait for others, ended at once by two nodes with several writers each, and cancelled meanwhile.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::domain::job::{After, WhenUncertain};
use crate::store::jobs::Enqueued;

/// Far more than anything here takes.
const SOON: std::time::Duration = std::time::Duration::from_secs(60);
/// Worlds that are tried on each database.
const WORLDS: u32 = 12;

/// What is made, one after the other, so that it may wait for whatever was made before it.
#[derive(Clone, Debug)]
enum Made {
    /// A job that waits for up to three earlier ones, each by a number that is taken modulo their count.
    Job(Vec<usize>, OnFailure),
    /// A batch of so many jobs, of which some wait for an earlier one each, and its finishing job.
    Batch(Vec<Option<usize>>, Option<OnFailure>),
}

/// A world: what is made, how attempts end in turn, and what is cancelled.
#[derive(Clone, Debug)]
struct World {
    made: Vec<Made>,
    ends: Vec<usize>,
    cancelled_jobs: Vec<usize>,
    cancelled_batch: Option<usize>,
}

fn policy() -> impl Strategy<Value = OnFailure> {
    prop_oneof![Just(OnFailure::Cancel), Just(OnFailure::Run)]
}

fn world() -> impl Strategy<Value = World> {
    let made = prop_oneof![
        2 => (prop::collection::vec(any::<usize>(), 0..4), policy()).prop_map(|(after, policy)| Made::Job(after, policy)),
        1 => (
            prop::collection::vec(prop::option::weighted(0.3, any::<usize>()), 1..9),
            prop::option::weighted(0.8, policy()),
        ).prop_map(|(jobs, finishing)| Made::Batch(jobs, finishing)),
    ];
    (
        prop::collection::vec(made, 6..20),
        prop::collection::vec(0..8_usize, 200),
        prop::collection::vec(any::<usize>(), 0..4),
        prop::option::of(any::<usize>()),
    )
        .prop_map(|(made, ends, cancelled_jobs, cancelled_batch)| World {
            made,
            ends,
            cancelled_jobs,
            cancelled_batch,
        })
}

/// How an attempt ends: mostly well.
fn how(number: usize) -> AttemptEnd {
    match number {
        0 => AttemptEnd::Failed(Retry::Never),
        1 => AttemptEnd::Uncertain(WhenUncertain::Hold, Retry::Never),
        2 => AttemptEnd::Snoozed(NOW),
        _ => AttemptEnd::Completed,
    }
}

/// What was made, for judging what became of it.
#[derive(Default)]
struct Known {
    /// Every job, in the order in which they were made.
    jobs: Vec<JobId>,
    waits: Vec<(JobId, After)>,
    batches: Vec<(NewBatch, Vec<JobId>)>,
}

impl Known {
    fn one_of(&self, number: usize) -> Option<JobId> {
        self.jobs.get(number.checked_rem(self.jobs.len())?).copied()
    }
}

async fn make(store: &Store, world: &World, known: &mut Known) {
    for made in &world.made {
        match made {
            Made::Job(numbers, on_failure) => {
                let jobs: Vec<JobId> = numbers.iter().filter_map(|number| known.one_of(*number)).collect();
                let after = (!jobs.is_empty()).then_some(After {
                    jobs,
                    on_failure: *on_failure,
                });
                let new = NewJob { after, ..job() };
                known.waits.extend(new.after.clone().map(|after| (new.id, after)));
                known.jobs.push(new.id);
                let write = store.write(move |tx| tx.enqueue_after(&new));
                assert_eq!(write.await.unwrap(), Enqueued::New);
            }
            Made::Batch(members, policy) => {
                let (new, mut jobs) = batch(members.len(), *policy);
                for (member, number) in jobs.iter_mut().zip(members) {
                    let other = number.and_then(|number| known.one_of(number));
                    member.after = other.map(|other| After {
                        jobs: vec![other],
                        on_failure: OnFailure::Cancel,
                    });
                    known.waits.extend(member.after.clone().map(|after| (member.id, after)));
                }
                super::made(store, &new, &jobs).await;
                let ids: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
                known.jobs.extend(&ids);
                known.jobs.extend(new.finishing.as_ref().map(|(job, _)| job.id));
                known.batches.push((new, ids));
            }
        }
    }
}

async fn state_of(store: &Store, id: JobId) -> JobRecord {
    let read = store.read(move |connection| jobs::one(connection, id, JobScope::All));
    read.await.unwrap().unwrap()
}

/// Claims and ends what it gets until told to stop; whatever it gets must have nothing left to wait for.
async fn work(store: Store, ends: Vec<usize>, waits: Arc<HashMap<JobId, Vec<JobId>>>, stop: Arc<AtomicBool>) {
    let mut ends = ends.into_iter().cycle();
    while !stop.load(Ordering::SeqCst) {
        let got = again(|| store.claim(request(3, NOW))).await.jobs;
        for held in &got {
            for other in waits.get(&held.id).into_iter().flatten() {
                let other = state_of(&store, *other).await;
                assert!(
                    other.state.is_final(),
                    "{} began before {} had ended",
                    held.id,
                    other.id
                );
            }
        }
        let store = &store;
        let ends = got.iter().map(|held| {
            let ended = end(held.id, held.fence, how(ends.next().unwrap_or(7)), LATER);
            again(move || store.finish(ended.clone()))
        });
        futures_util::future::join_all(ends.collect::<Vec<_>>()).await;
        tokio::task::yield_now().await;
    }
}

/// What the database answers once it can: it ends one of two transactions that wait for each other.
async fn again<T, F: Future<Output = Result<T, StoreError>>>(ask: impl Fn() -> F) -> T {
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    }
}

/// The same for an order, which may be refused.
async fn order<T, E, F: Future<Output = Result<T, Abort<E>>>>(ask: impl Fn() -> F) -> Option<T> {
    loop {
        match ask().await {
            Ok(answer) => return Some(answer),
            Err(Abort::Refused(_)) => return None,
            Err(Abort::Store(error)) => assert!(error.is_transient(), "{error}"),
        }
    }
}

/// A person's orders.
async fn give_orders(store: Store, jobs_to_cancel: Vec<JobId>, batch: Option<BatchId>) {
    for id in jobs_to_cancel {
        drop(order(|| store.write(move |tx| jobs::cancel(tx, id, JobScope::All, LATER))).await);
    }
    let Some(id) = batch else { return };
    let ask = || store.write(move |tx| ask_cancel(tx, id, JobScope::All, LATER));
    if order(ask).await.is_none() {
        return;
    }
    for waits in [false, true] {
        let write = || store.write(move |tx| Ok::<_, Abort<()>>(cancel_members(tx, id, LATER, waits)?));
        drop(order(write).await);
    }
}

/// What a waiting job must have become, by what it waited for.
fn judge(job: &JobRecord, failed: bool, on_failure: OnFailure) {
    let ran = job.fence > 0;
    match job.cause.as_deref() {
        // A person's cancel comes whenever it likes.
        Some("requested") => {}
        Some("dependency_failed") => assert!(failed && on_failure == OnFailure::Cancel && !ran, "{job:?}"),
        _ => assert!(ran && (!failed || on_failure == OnFailure::Run), "{job:?}"),
    }
}

async fn check(store: &Store, known: &Known) {
    let mut ended = HashMap::new();
    for id in &known.jobs {
        ended.insert(*id, state_of(store, *id).await);
    }
    let completed = |id: &JobId| ended[id].state == JobState::Completed;
    for (id, after) in &known.waits {
        judge(&ended[id], !after.jobs.iter().all(completed), after.on_failure);
    }
    for (new, members) in &known.batches {
        let record = shown(store, new.id).await;
        assert_eq!(record.finished_at, Some(LATER), "{record:?}");
        let Some((finishing, on_failure)) = &new.finishing else {
            continue;
        };
        let job = &ended[&finishing.id];
        if record.cancel_requested_at.is_some() {
            assert!(job.state == JobState::Cancelled && job.fence == 0, "{job:?}");
        } else {
            judge(job, !members.iter().all(completed), *on_failure);
        }
    }
}

async fn live(store: &TestStore, world: World) {
    let another = store.another();
    let mut known = Known::default();
    make(store, &world, &mut known).await;
    let mut waits: HashMap<JobId, Vec<JobId>> = HashMap::new();
    for (id, after) in &known.waits {
        waits.entry(*id).or_default().extend(&after.jobs);
    }
    for (new, members) in &known.batches {
        if let Some((finishing, _)) = &new.finishing {
            waits.entry(finishing.id).or_default().extend(members);
        }
    }
    let (waits, stop) = (Arc::new(waits), Arc::new(AtomicBool::new(false)));
    let nodes = [(**store).clone(), (**store).clone(), another.clone(), another.clone()];
    let mut tasks: Vec<_> = nodes
        .into_iter()
        .enumerate()
        .map(|(number, node)| {
            let ends = world.ends.iter().skip(number * 50).copied().collect();
            tokio::spawn(work(node, ends, Arc::clone(&waits), Arc::clone(&stop)))
        })
        .collect();
    let numbers = world.cancelled_jobs.iter();
    let cancelled = numbers.filter_map(|number| known.one_of(*number)).collect();
    let batch = world
        .cancelled_batch
        .and_then(|number| known.batches.get(number.checked_rem(known.batches.len())?))
        .map(|(new, _)| new.id);
    tasks.push(tokio::spawn(give_orders(another, cancelled, batch)));
    let unfinished = "SELECT count(*) AS value FROM jobs WHERE finished_at IS NULL";
    let until = std::time::Instant::now() + SOON;
    while store.number(unfinished) != Some(0) {
        assert!(
            std::time::Instant::now() < until,
            "not all came to their end: {:?}",
            store.states()
        );
        tokio::task::yield_now().await;
    }
    stop.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    check(store, &known).await;
    for table in ["waiters", "dependencies"] {
        assert_eq!(
            store.number(&format!("SELECT count(*) AS value FROM {table}")),
            Some(0),
            "{table}"
        );
    }
}

fn worlds() -> Vec<World> {
    let mut runner = TestRunner::new(Config::default());
    (0..WORLDS)
        .map(|_| world().new_tree(&mut runner).unwrap().current())
        .collect()
}

async fn every_waiting_and_every_finishing_job_is_let_go_once_and_rightly_whoever_ends_what_at_once(store: TestStore) {
    for world in worlds() {
        let told = format!("{world:?}");
        println!("{told}");
        live(&store, world).await;
    }
}

on_each_database!(every_waiting_and_every_finishing_job_is_let_go_once_and_rightly_whoever_ends_what_at_once);
