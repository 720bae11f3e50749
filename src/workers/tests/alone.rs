//! A worker alone in a universe: it is sent a message, and its report is read.

use super::*;
use crate::jobs::{Attempt, AttemptParts, MemoryLedger};
use crate::store::ClaimedJob;
use crate::store::testing::NOW;
use crate::supervision::{AskError, EventKind, Fault, StopKind, Universe};

/// A worker, and what it needs to be sent attempts.
struct Alone {
    universe: Universe,
    worker: Address<Worker>,
    ledger: MemoryLedger,
    attempts: Attempts,
    registry: Registry,
}

impl Alone {
    fn new(recorded: Recorded) -> Self {
        let universe = Universe::new();
        let worker = universe.tree().start(ChildSpec::new("prober"), Worker::default);
        Self {
            universe,
            worker,
            ledger: MemoryLedger::new(),
            attempts: Attempts::new(),
            registry: Registry::new().with(recorded).with(Probe),
        }
    }

    fn perform(&self, new: NewJob) -> Perform {
        let job = ClaimedJob {
            id: new.id,
            workspace: new.workspace,
            kind: new.kind.to_owned(),
            queue: new.queue,
            args: new.args.into(),
            args_version: new.args_version,
            attempt: 1,
            max_attempts: new.max_attempts,
            timeout: new.timeout,
            fence: 1,
            created_at: NOW,
            run_at: NOW,
            deadline: None,
            started_at: NOW,
            request_id: None,
            result: None,
            limit_key: String::new(),
        };
        Perform(Attempt::new(AttemptParts {
            handle: self.attempts.begin(job.id, job.fence),
            kind: self.registry.get(&job.kind).unwrap(),
            job,
            ledger: Arc::new(self.ledger.clone()),
            clock: self.universe.clock().clone(),
            keep: Box::new(()),
        }))
    }
}

#[actix::test]
async fn a_worker_that_is_sent_an_attempt_answers_with_its_report() {
    let alone = Alone::new(Recorded {
        world: World::default(),
        go: None,
    });
    let report = alone
        .worker
        .ask(alone.perform(probe(None, NOW)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (report.state, report.result.as_deref()),
        (Some(JobState::Completed), Some(r#"{"steps":0}"#))
    );
    let report = alone
        .worker
        .ask(alone.perform(probe(Some(ProbePanic::Attempt), NOW)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(report.state, Some(JobState::Retryable));
    assert_eq!(
        alone.universe.tree().snapshot().children[0].restarts,
        0,
        "the attempt's panic is not the worker's"
    );
    alone.universe.finish().await;
}

#[actix::test]
async fn a_panic_in_the_workers_handler_ends_neither_what_runs_nor_what_waits() {
    let (world, go) = (World::default(), Arc::new(Semaphore::new(0)));
    let alone = Alone::new(Recorded {
        world: world.clone(),
        go: Some(Arc::clone(&go)),
    });
    let ask = |new| {
        let (worker, perform) = (alone.worker.clone(), alone.perform(new));
        actix::spawn(async move { worker.ask(perform).await })
    };
    let running = ask(recorded(NOW));
    world.began(1).await;
    let (panics, queued) = (ask(probe(Some(ProbePanic::Actor), NOW)), ask(recorded(NOW)));
    assert_eq!(panics.await.unwrap().unwrap_err(), AskError::Panicked);
    world.began(2).await;
    assert_eq!(alone.universe.tree().snapshot().children[0].restarts, 1);
    assert_eq!(world.running.load(Ordering::SeqCst), 2, "what ran still runs");
    go.add_permits(2);
    for asked in [running, queued] {
        assert_eq!(asked.await.unwrap().unwrap().unwrap().state, Some(JobState::Completed));
    }
    alone.attempts.idle().await;
    let ends = alone.ledger.finishes();
    assert!(matches!(ends[0].end, AttemptEnd::WorkerPanicked(_)), "{ends:?}");
    assert_eq!(ends.len(), 3);
    alone.universe.finish().await;
}

#[actix::test]
async fn a_worker_that_hangs_is_replaced_and_what_it_was_sent_since_is_done() {
    let alone = Alone::new(Recorded {
        world: World::default(),
        go: None,
    });
    let mut events = alone.universe.events();
    events.event("prober", EventKind::Started).await;
    alone.universe.inject("prober", Fault::HangAt(1));
    let ask = |new| {
        let (worker, perform) = (alone.worker.clone(), alone.perform(new));
        actix::spawn(async move { worker.ask(perform).await })
    };
    let (hangs, queued) = (ask(probe(None, NOW)), ask(recorded(NOW)));
    events.event("prober", EventKind::Replaced).await;
    assert_eq!(hangs.await.unwrap().unwrap_err(), AskError::Panicked);
    assert_eq!(queued.await.unwrap().unwrap().unwrap().state, Some(JobState::Completed));
    alone.attempts.idle().await;
    assert_eq!(alone.ledger.finishes().len(), 2, "the end of each is written");
    alone.universe.finish().await;
}

#[actix::test]
async fn what_waits_in_the_mailbox_of_a_worker_that_is_stopped_is_given_back() {
    let alone = Alone::new(Recorded {
        world: World::default(),
        go: None,
    });
    alone.worker.ask(alone.perform(probe(None, NOW))).await.unwrap();
    // Sent and stopped before the worker's next turn.
    for _ in 0..3 {
        alone.worker.try_tell(alone.perform(recorded(NOW))).unwrap();
    }
    let stopped = alone.universe.tree().stop().await;
    assert_eq!(stopped[0].how, StopKind::Clean);
    let refused = alone.worker.ask(alone.perform(recorded(NOW))).await;
    assert_eq!(refused.unwrap_err(), AskError::Closed);
    timeout(SOON, alone.attempts.idle()).await.unwrap();
    let ends = alone.ledger.finishes();
    assert_eq!(ends.len(), 5);
    assert!(
        ends[1..]
            .iter()
            .all(|end| matches!(end.end, AttemptEnd::Drained | AttemptEnd::Completed)),
        "{ends:?}"
    );
    assert_eq!(ends[4].end, AttemptEnd::Drained);
    alone.universe.finish().await;
}

#[actix::test]
async fn a_worker_tells_of_each_of_its_lives_so_that_its_queue_is_looked_at_again() {
    let universe = Universe::new();
    let mut events = universe.events();
    let lives = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&lives);
    let comes_up: Arc<dyn Fn() + Send + Sync> = Arc::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let spec = ChildSpec::new("prober");
    let _worker = universe
        .tree()
        .start(spec, move || Worker::waking(Arc::clone(&comes_up)));
    events.event("prober", EventKind::Started).await;
    universe.tree().restart("prober").unwrap();
    events.event("prober", EventKind::Restarted).await;
    universe.settle().await;
    assert_eq!(lives.load(Ordering::SeqCst), 2);
    universe.finish().await;
}
