//! Orders for many jobs over a real database: each job once, whatever ends the attempts; never faster than the rate.

use std::sync::Mutex;

use tokio::time::timeout;

use super::*;
use crate::clock::Clock;
use crate::domain::id::NodeId;
use crate::domain::job::{AttemptEnd, AttemptOutcome};
use crate::jobs::{
    Attempt, AttemptParts, Attempts, DepthLimits, ErasedKind, Ledger, MemoryLedger, Order, Report, StopCause, new_job,
};
use crate::store::testing::{NODE, NOW, TestStore, end, job, on_each_database, request};
use crate::store::{ClaimRequest, ClaimedJob, JobScope, KnownKind, NewJob};

/// Far more than anything here takes.
const SOON: Duration = Duration::from_secs(60);

/// An operator's worker without an actor.
struct Bench {
    store: TestStore,
    clock: Clock,
    attempts: Attempts,
    hurry: Hurry,
}

fn args(action: BulkAction, selection: Selection) -> JobsBulkArgs {
    JobsBulkArgs {
        action,
        selection,
        rate_per_s: None,
        changed: None,
        total: None,
    }
}

fn probes() -> Selection {
    Selection {
        queue: Some(Queue::Probes),
        ..Selection::default()
    }
}

impl Bench {
    fn new(store: TestStore) -> Self {
        Self {
            store,
            // A second later, so that what the tests made before was there before an order.
            clock: Clock::manual(NOW.plus(Duration::from_secs(1))),
            attempts: Attempts::new(),
            hurry: Hurry::default(),
        }
    }

    /// So many jobs that were given up after three attempts.
    async fn given_up(&self, count: usize) -> Vec<NewJob> {
        let all: Vec<NewJob> = (0..count).map(|_| job()).collect();
        for portion in all.chunks(1_000) {
            self.store.enqueue(portion.to_vec()).await.unwrap();
        }
        let update = format!(
            "UPDATE jobs SET state = 'discarded', cause = 'attempts_spent', attempt = 3, fence = 3, started_at = {now}, \
             finished_at = {now}, node = '{NODE}' WHERE kind = 'test.work'",
            now = NOW.as_micros()
        );
        self.store.execute(&update);
        all
    }

    async fn order(&self, args: JobsBulkArgs) -> JobId {
        let workspace = crate::domain::id::WorkspaceId::SERVICE;
        let job = new_job::<JobsBulk>(&args, workspace, self.clock.now(), Order::default()).unwrap();
        let id = job.id;
        self.store.enqueue(vec![job]).await.unwrap();
        id
    }

    async fn claim(&self, node: NodeId) -> ClaimedJob {
        let request = ClaimRequest {
            queue: Queue::Operations,
            kinds: vec![KnownKind {
                name: JobsBulk::NAME,
                version: JobsBulk::VERSION,
            }],
            limit: 1,
            node,
            now: self.clock.now(),
            turn: Default::default(),
        };
        self.store.claim(request).await.unwrap().jobs.remove(0)
    }

    fn attempt(&self, job: ClaimedJob, ledger: Arc<dyn Ledger>) -> Attempt {
        let depths = Depths::new(&DepthLimits::default());
        let kind: Arc<dyn ErasedKind> = Arc::new(JobsBulk::new((*self.store).clone(), depths, self.hurry.clone()));
        Attempt::new(AttemptParts {
            handle: self.attempts.begin(job.id, job.fence),
            job,
            kind,
            ledger,
            clock: self.clock.clone(),
            keep: Box::new(()),
        })
    }

    /// An attempt that writes its end.
    async fn run(&self) -> Report {
        let job = self.claim(NODE).await;
        let attempt = self.attempt(job, Arc::new((*self.store).clone()));
        let received = attempt.receive();
        timeout(SOON, attempt.run(received)).await.unwrap().unwrap()
    }

    /// An attempt on its way; its end is written if `ledger` is the database.
    async fn begin(&self, node: NodeId, ledger: Arc<dyn Ledger>) -> tokio::task::JoinHandle<Option<Report>> {
        let job = self.claim(node).await;
        let attempt = self.attempt(job, ledger);
        let received = attempt.receive();
        tokio::spawn(attempt.run(received))
    }

    fn count(&self, of: &str) -> i64 {
        let query = format!("SELECT count(*) AS value FROM jobs WHERE kind = 'test.work' AND {of}");
        self.store.number(&query).unwrap()
    }

    /// Waits until so many jobs are so.
    async fn reaches(&self, of: &str, count: i64) {
        let reached = async {
            while self.count(of) < count {
                self.store.ping(SOON).await.unwrap();
            }
        };
        timeout(SOON, reached)
            .await
            .unwrap_or_else(|_| panic!("{of}: {}", self.count(of)));
    }
}

fn result(report: &Report) -> serde_json::Value {
    serde_json::from_str(report.result.as_deref().unwrap()).unwrap()
}

async fn ten_thousand_jobs_run_again_once_each_though_the_attempts_are_killed_half_way(store: TestStore) {
    let bench = Bench::new(store);
    bench.given_up(10_000).await;
    bench.order(args(BulkAction::Retry, probes())).await;
    for kill in 0..5 {
        let before = bench.count("state = 'available'");
        // What it would write of its end is lost with it.
        let running = bench
            .begin(NodeId::from_bits(100 + kill), Arc::new(MemoryLedger::new()))
            .await;
        bench.reaches("state = 'available'", before + 1).await;
        running.abort();
        assert!(running.await.is_err(), "it was done before it was killed");
        let now = bench.clock.now();
        let rescue = bench
            .store
            .write(move |tx| Ok::<_, Abort<()>>(jobs::rescue(tx, NODE, now)?));
        assert_eq!(rescue.await.unwrap().len(), 1);
    }
    let left = bench.count("state = 'discarded'");
    assert!(left > 0, "the kills came too late");
    let report = bench.run().await;
    assert_eq!(report.state, Some(JobState::Completed), "{report:?}");
    // A second time would have given it another attempt.
    assert_eq!(
        bench.count("state = 'available' AND max_attempts = 4 AND fence = 3"),
        10_000
    );
    let result = result(&report);
    assert_eq!(
        (&result["matched"], &result["changed"], &result["refused"]),
        (&10_000.into(), &10_000.into(), &serde_json::json!({}))
    );
}

async fn what_came_to_be_meant_after_the_order_is_left_alone(store: TestStore) {
    let bench = Bench::new(store);
    let old = bench.given_up(3).await;
    let id = bench.order(args(BulkAction::Retry, probes())).await;
    bench.clock.advance(Duration::from_secs(5));
    let late = NewJob {
        created_at: bench.clock.now(),
        run_at: bench.clock.now(),
        ..job()
    };
    bench.store.enqueue(vec![late.clone()]).await.unwrap();
    let held = bench
        .store
        .claim(request(1, bench.clock.now()))
        .await
        .unwrap()
        .jobs
        .remove(0);
    let failed = AttemptEnd::Failed(crate::domain::job::Retry::Never);
    bench
        .store
        .finish(end(held.id, held.fence, failed, bench.clock.now()))
        .await
        .unwrap();
    let report = bench.run().await;
    assert_eq!(result(&report)["changed"], old.len());
    assert_eq!(bench.count("state = 'discarded'"), 1);
    // A person's retry of the order finds nothing more.
    let now = bench.clock.now();
    let again = bench.store.write(move |tx| jobs::retry(tx, id, JobScope::All, now));
    again.await.unwrap();
    let report = bench.run().await;
    assert_eq!(
        (report.state, &result(&report)["changed"]),
        (Some(JobState::Completed), &3.into())
    );
    assert_eq!(bench.count("max_attempts = 4"), 3);
}

async fn a_cancel_ends_what_waits_and_asks_what_runs_to_end_and_leaves_itself_alone(store: TestStore) {
    let bench = Bench::new(store);
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    bench.hurry.by(move |job| {
        telling.lock().unwrap().push(job);
        true
    });
    bench.store.enqueue((0..5).map(|_| job()).collect()).await.unwrap();
    let running = bench.store.claim(request(2, NOW)).await.unwrap().jobs;
    let selection = Selection {
        workspace: Some(crate::domain::id::WorkspaceId::SERVICE),
        ..Selection::default()
    };
    bench.order(args(BulkAction::Cancel, selection)).await;
    let report = bench.run().await;
    assert_eq!(report.state, Some(JobState::Completed), "{report:?}");
    assert_eq!(result(&report)["changed"], 5);
    assert_eq!(bench.count("state = 'cancelled' AND cause = 'requested'"), 3);
    assert_eq!(bench.count("state = 'running' AND cancel_requested_at IS NOT NULL"), 2);
    let mut ids: Vec<JobId> = running.iter().map(|job| job.id).collect();
    ids.sort_unstable();
    assert_eq!(*told.lock().unwrap(), ids);
}

async fn jobs_that_are_named_and_cannot_be_changed_are_counted_by_why(store: TestStore) {
    let bench = Bench::new(store);
    let ended = bench.given_up(2).await;
    let waiting = job();
    bench.store.enqueue(vec![waiting.clone()]).await.unwrap();
    let selection = Selection {
        ids: ended
            .iter()
            .map(|job| job.id)
            .chain([waiting.id, JobId::generate()])
            .collect(),
        ..Selection::default()
    };
    bench.order(args(BulkAction::Retry, selection)).await;
    let report = bench.run().await;
    let result = result(&report);
    assert_eq!((&result["matched"], &result["changed"]), (&3.into(), &2.into()));
    assert_eq!(result["refused"], serde_json::json!({ "not_now": 1 }));
}

async fn an_order_that_is_cancelled_stops_where_it_is_and_says_how_far_it_came(store: TestStore) {
    let bench = Bench::new(store);
    bench.given_up(50).await;
    let paced = JobsBulkArgs {
        rate_per_s: Some(10),
        ..args(BulkAction::Retry, probes())
    };
    let id = bench.order(paced).await;
    let running = bench.begin(NODE, Arc::new((*bench.store).clone())).await;
    bench.reaches("state = 'available'", 1).await;
    let now = bench.clock.now();
    let cancel = bench.store.write(move |tx| jobs::cancel(tx, id, JobScope::All, now));
    cancel.await.unwrap();
    bench.attempts.stop(id, StopCause::CancelRequested);
    let report = timeout(SOON, running).await.unwrap().unwrap().unwrap();
    assert_eq!(report.state, Some(JobState::Cancelled));
    let done = bench.count("state = 'available'");
    assert!((1..=2).contains(&done), "{done}");
    let read = bench
        .store
        .read(move |connection| jobs::one(connection, id, JobScope::All));
    let kept: serde_json::Value = serde_json::from_str(&read.await.unwrap().unwrap().result.unwrap()).unwrap();
    assert_eq!(kept["changed"], done);
}

async fn a_rate_is_held_by_the_clock_also_by_the_attempt_after_a_kill(store: TestStore) {
    const STEP: Duration = Duration::from_millis(100);
    let bench = Bench::new(store);
    bench.given_up(100).await;
    let paced = JobsBulkArgs {
        rate_per_s: Some(10),
        ..args(BulkAction::Retry, probes())
    };
    bench.order(paced).await;
    let mut done = 0;
    for kill in 0..2 {
        let running = bench
            .begin(NodeId::from_bits(200 + kill), Arc::new(MemoryLedger::new()))
            .await;
        for _ in 0..10 {
            bench.clock.advance(STEP);
            // One job a tenth of a second, and one to make up for a late look.
            bench.reaches("state = 'available'", done + 1).await;
            let now = bench.count("state = 'available'");
            assert!(now <= done + 2, "{now} after {done}");
            done = now;
        }
        running.abort();
        drop(running.await);
        let now = bench.clock.now();
        let rescue = bench
            .store
            .write(move |tx| Ok::<_, Abort<()>>(jobs::rescue(tx, NODE, now)?));
        rescue.await.unwrap();
        done = bench.count("state = 'available'");
    }
    // Two seconds went by.
    assert!((20..=22).contains(&done), "{done}");
}

async fn a_slow_order_makes_way_for_one_that_waits_and_goes_on_behind_it(store: TestStore) {
    let bench = Bench::new(store);
    bench.given_up(40).await;
    let slow = JobsBulkArgs {
        rate_per_s: Some(1),
        ..args(BulkAction::Retry, probes())
    };
    let slow = bench.order(slow).await;
    let running = bench.begin(NODE, Arc::new((*bench.store).clone())).await;
    bench.reaches("state = 'available'", 1).await;
    // Nobody waits: it goes on.
    bench.clock.advance(SHARE);
    bench.reaches("state = 'available'", 2).await;
    let nothing = Selection {
        kind: Some("test.none".to_owned()),
        ..Selection::default()
    };
    let quick = bench.order(args(BulkAction::Cancel, nothing)).await;
    bench.clock.advance(SHARE);
    let report = timeout(SOON, running).await.unwrap().unwrap().unwrap();
    assert_eq!(report.outcome, AttemptOutcome::Snoozed, "{report:?}");
    let next = bench.claim(NODE).await;
    assert_eq!(next.id, quick);
    let attempt = bench.attempt(next, Arc::new((*bench.store).clone()));
    let received = attempt.receive();
    timeout(SOON, attempt.run(received)).await.unwrap().unwrap();
    bench.clock.advance(STANDS_BACK);
    let changed = bench.count("state = 'available'");
    assert!((2..=6).contains(&changed), "{changed}");
    let again = bench.claim(NODE).await;
    assert_eq!(again.id, slow);
    let earlier: serde_json::Value = serde_json::from_str(again.result.as_deref().unwrap()).unwrap();
    assert_eq!(earlier["changed"], changed);
}

on_each_database!(
    a_slow_order_makes_way_for_one_that_waits_and_goes_on_behind_it,
    ten_thousand_jobs_run_again_once_each_though_the_attempts_are_killed_half_way,
    what_came_to_be_meant_after_the_order_is_left_alone,
    a_cancel_ends_what_waits_and_asks_what_runs_to_end_and_leaves_itself_alone,
    jobs_that_are_named_and_cannot_be_changed_are_counted_by_why,
    an_order_that_is_cancelled_stops_where_it_is_and_says_how_far_it_came,
    a_rate_is_held_by_the_clock_also_by_the_attempt_after_a_kill,
);
