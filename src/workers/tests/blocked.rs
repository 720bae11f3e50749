//! A worker whose thread is blocked by work that should have been given to a thread of its own: with real threads and real
//! time, since a thread that blocks is in no one's hands.

use std::sync::mpsc;

use super::*;
use crate::supervision::{NodeSnapshot, StopKind};

/// How long the worker may make no progress here: so long that a busy machine is not taken for a thread that blocks.
const LIVENESS: Duration = Duration::from_secs(1);

/// Blocks the thread that it runs on until it is let go; the next ones end at once.
struct Blocking {
    began: Arc<Notify>,
    go: Mutex<Option<mpsc::Receiver<()>>>,
}

impl Kind for Blocking {
    type Args = ();

    const NAME: &'static str = "test.blocking";
    const QUEUE: Queue = Queue::Probes;
    const MAX_ATTEMPTS: u32 = 3;
    const TIMEOUT: Duration = Duration::from_secs(60);
    const BACKOFF: Backoff = Backoff {
        base: Duration::from_millis(1),
        cap: Duration::from_millis(1),
    };

    async fn perform(&self, (): (), _ctx: JobContext) -> Outcome {
        let go = self.go.lock().unwrap().take();
        if let Some(go) = go {
            self.began.notify_one();
            // Also over when the test is.
            let _let_go = go.recv();
        }
        Outcome::completed()
    }
}

/// A service whose worker has a thread of its own, with one job on it that blocks and another that merely runs.
struct Blocked {
    service: Service,
    let_go: mpsc::Sender<()>,
    /// Lets those that merely run go.
    go: Arc<Semaphore>,
    world: World,
    blocking: NewJob,
    running: NewJob,
}

impl Blocked {
    async fn new() -> Self {
        let (world, go) = (World::default(), Arc::new(Semaphore::new(0)));
        let (let_go, held) = mpsc::channel();
        let began = Arc::new(Notify::new());
        let recorded = Recorded {
            world: world.clone(),
            go: Some(Arc::clone(&go)),
        };
        let blocks = Blocking {
            began: Arc::clone(&began),
            go: Mutex::new(Some(held)),
        };
        let spec = ChildSpec::new("prober")
            .mailbox(4)
            .own_arbiter()
            .shutdown(LIVENESS)
            .liveness(Some(LIVENESS));
        let service = Service::with_spec(4, spec, Registry::new().with(recorded).with(blocks).with(Probe));
        service.dispatch(true);
        let now = Clock::System.now();
        let running = self::recorded(now);
        service.store.enqueue(vec![running.clone()]).await.unwrap();
        world.began(1).await;
        let blocking = new_job::<Blocking>(&(), WorkspaceId::SERVICE, now, Order::default()).unwrap();
        service.store.enqueue(vec![blocking.clone()]).await.unwrap();
        timeout(SOON, began.notified()).await.expect("it does not block");
        Self {
            service,
            let_go,
            go,
            world,
            blocking,
            running,
        }
    }

    /// Waits until the worker's node is as `wanted`.
    async fn node_when(&self, what: &str, wanted: impl Fn(&NodeSnapshot) -> bool) {
        let tree = &self.service.tree;
        self.service
            .until(what, || async { wanted(&tree.inspect("prober").unwrap()) })
            .await;
    }
}

#[actix::test]
async fn a_worker_that_is_blocked_is_replaced_new_jobs_are_done_and_the_old_go_on_once_it_can() {
    let blocked = Blocked::new().await;
    blocked
        .node_when("a replacement", |node| node.restarts > 0 && node.abandoned > 0)
        .await;
    let now = Clock::System.now();
    let after: Vec<NewJob> = (0..20).map(|_| probe(None, now)).collect();
    let ids: Vec<JobId> = after.iter().map(|job| job.id).collect();
    blocked.service.store.enqueue(after).await.unwrap();
    blocked.service.settled(&["completed 20", "running 2"]).await;
    let lane = &blocked.service.lane;
    // An end is written a moment before its slot is free.
    let held = || async { lane.attempts().in_flight() == 2 };
    blocked.service.until("the two to keep their slots", held).await;

    blocked.let_go.send(()).unwrap();
    blocked.go.add_permits(1);
    blocked.service.settled(&["completed 22"]).await;
    for id in ids.into_iter().chain([blocked.blocking.id, blocked.running.id]) {
        let job = blocked.service.job(id).await;
        assert_eq!(
            (job.attempt, job.state),
            (1, JobState::Completed),
            "begun once: {job:?}"
        );
    }
    assert_eq!(blocked.world.started().len(), 1);
    blocked
        .node_when("the thread that was left behind to end", |node| node.abandoned == 0)
        .await;
}

#[actix::test]
async fn a_stop_waits_for_a_blocked_worker_no_longer_than_its_time_and_says_that_it_is_left() {
    let blocked = Blocked::new().await;
    let stopped = timeout(SOON, blocked.service.tree.stop()).await.expect("it waits");
    let prober = stopped.iter().find(|stopped| stopped.name == "prober").unwrap();
    assert_eq!(prober.how, StopKind::Abandoned, "{stopped:?}");
    let others = stopped.iter().filter(|stopped| stopped.name != "prober");
    assert!(others.clone().count() > 0 && others.clone().all(|stopped| stopped.how == StopKind::Clean));
    assert_eq!(
        blocked.service.states().await,
        ["running 2"],
        "for the next start to take back"
    );
}
