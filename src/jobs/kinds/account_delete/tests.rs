//! Deletions over a real database: whatever ends the attempts, all goes, and nothing is taken that is to stay.

use std::sync::{Arc, Mutex};

use tokio::time::timeout;

use super::*;
use crate::clock::Clock;
use crate::domain::email::EmailAddress;
use crate::domain::id::{JobId, NodeId};
use crate::domain::job::{AttemptEnd, AttemptOutcome};
use crate::jobs::{
    Attempt, AttemptParts, Attempts, DepthLimits, ErasedKind, Ledger, MemoryLedger, Order, Report, new_job,
};
use crate::store::accounts::{self, NewAccount};
use crate::store::testing::{NODE, NOW, TestStore, end, job, on_each_database, request};
use crate::store::{ClaimRequest, KnownKind, NewJob};

/// Far more than anything here takes.
const SOON: Duration = Duration::from_secs(60);

/// How long requests may take here.
const REQUESTS: Duration = Duration::from_secs(30);

/// An account, and a worker of deletions without an actor.
struct Bench {
    store: TestStore,
    clock: Clock,
    attempts: Attempts,
    hurry: Hurry,
    account: AccountId,
    workspace: WorkspaceId,
    _folder: tempfile::TempDir,
    reports: ReportFolder,
}

impl Bench {
    async fn new(store: TestStore) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (account, workspace) = (AccountId::generate(), WorkspaceId::generate());
        let new = NewAccount {
            id: account,
            workspace,
            email: EmailAddress::parse("ada@example.org").unwrap(),
            name: "Ada".into(),
            password_hash: "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA".into(),
            is_operator: false,
        };
        let write = store.write(move |tx| accounts::insert(tx.connection(), &new, NOW));
        write.await.unwrap();
        Self {
            store,
            clock: Clock::manual(NOW.plus(Duration::from_secs(1))),
            attempts: Attempts::new(),
            hurry: Hurry::default(),
            account,
            workspace,
            reports: ReportFolder::open(folder.path().join("reports")).unwrap(),
            _folder: folder,
        }
    }

    /// So many jobs of the account that wait.
    async fn enqueue(&self, count: usize) -> Vec<NewJob> {
        let one = || NewJob {
            workspace: self.workspace,
            ..job()
        };
        let all: Vec<NewJob> = (0..count).map(|_| one()).collect();
        self.store.enqueue(all.clone()).await.unwrap();
        all
    }

    /// Has the account go at this time, as its owner would.
    async fn ask(&self, deletion_at: Timestamp) {
        let account = self.account;
        let write = self
            .store
            .write(move |tx| Ok::<_, Abort<()>>(deletion::ask(tx.connection(), account, Some(deletion_at), NOW)?));
        write.await.unwrap();
        let args = AccountDeleteArgs { account, deletion_at };
        let job = new_job::<AccountDelete>(&args, WorkspaceId::SERVICE, NOW, Order::default()).unwrap();
        self.store.enqueue(vec![job]).await.unwrap();
    }

    async fn attempt(&self, node: NodeId, ledger: Arc<dyn Ledger>) -> Attempt {
        let request = ClaimRequest {
            queue: Queue::Operations,
            kinds: vec![KnownKind {
                name: AccountDelete::NAME,
                version: AccountDelete::VERSION,
            }],
            limit: 1,
            node,
            now: self.clock.now(),
            turn: Default::default(),
        };
        let job = self.store.claim(request).await.unwrap().jobs.remove(0);
        let depths = Depths::new(&DepthLimits::default());
        let (store, reports) = ((*self.store).clone(), self.reports.clone());
        let kind: Arc<dyn ErasedKind> =
            Arc::new(AccountDelete::new(store, reports, depths, self.hurry.clone(), REQUESTS));
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
        let attempt = self.attempt(NODE, Arc::new((*self.store).clone())).await;
        let received = attempt.receive();
        timeout(SOON, attempt.run(received)).await.unwrap().unwrap()
    }

    fn count(&self, of: &str) -> i64 {
        let query = format!("SELECT count(*) AS value FROM {of}");
        self.store.number(&query).unwrap()
    }

    fn jobs_left(&self) -> i64 {
        self.count(&format!("jobs WHERE workspace_id = '{}'", self.workspace))
    }
}

async fn a_deletion_that_is_killed_half_way_goes_on_where_it_was(store: TestStore) {
    let bench = Bench::new(store).await;
    for _ in 0..6 {
        bench.enqueue(1_000).await;
    }
    let ended = "UPDATE jobs SET state = 'completed', finished_at = created_at WHERE kind = 'test.work'";
    bench.store.execute(ended);
    bench.enqueue(3).await;
    bench.ask(NOW).await;
    assert_eq!(
        bench.run().await.outcome,
        AttemptOutcome::Snoozed,
        "requests may be at work"
    );
    assert_eq!(bench.count("jobs WHERE state = 'cancelled'"), 3);
    bench.clock.advance(REQUESTS + Duration::from_secs(6));
    let mut seen = Vec::new();
    for kill in 0..3 {
        // What it would write of its end is lost with it.
        let attempt = bench
            .attempt(NodeId::from_bits(100 + kill), Arc::new(MemoryLedger::new()))
            .await;
        let received = attempt.receive();
        let running = tokio::spawn(attempt.run(received));
        let before = bench.jobs_left();
        let moved = async {
            while bench.jobs_left() == before {
                bench.store.ping(SOON).await.unwrap();
            }
        };
        timeout(SOON, moved).await.unwrap();
        running.abort();
        assert!(running.await.is_err(), "it was done before it was killed");
        let now = bench.clock.now();
        let rescue = bench
            .store
            .write(move |tx| Ok::<_, Abort<()>>(jobs::rescue(tx, NODE, now)?));
        assert_eq!(rescue.await.unwrap().len(), 1);
        seen.push(bench.jobs_left());
        bench.clock.advance(Duration::from_secs(3600));
    }
    assert!(seen.iter().all(|left| *left > 0), "the kills came too late: {seen:?}");
    let report = bench.run().await;
    assert_eq!(report.outcome, AttemptOutcome::Completed, "{report:?}");
    let left = (
        bench.jobs_left(),
        bench.count("accounts"),
        bench.count(&format!("attempts WHERE workspace_id = '{}'", bench.workspace)),
    );
    assert_eq!(left, (0, 0, 0));
    assert_eq!(bench.count("security_events WHERE event = 'account.deleted'"), 1);
    // Once more, as after a death between the last transaction and the end of the attempt.
    bench.ask(NOW).await;
    let again = bench.run().await;
    assert!(again.result.unwrap().contains("skipped"));
    assert_eq!(bench.count("security_events WHERE event = 'account.deleted'"), 1);
}

async fn what_runs_is_asked_to_end_and_waited_for(store: TestStore) {
    let bench = Bench::new(store).await;
    let hurried = Arc::new(Mutex::new(Vec::<JobId>::new()));
    let told = Arc::clone(&hurried);
    bench.hurry.by(move |job| {
        told.lock().unwrap().push(job);
        true
    });
    let running = bench.enqueue(1).await.remove(0);
    let claimed = bench
        .store
        .claim(request(1, bench.clock.now()))
        .await
        .unwrap()
        .jobs
        .remove(0);
    assert_eq!(claimed.id, running.id);
    bench.ask(NOW).await;
    bench.run().await;
    assert_eq!(*hurried.lock().unwrap(), [running.id]);
    bench.clock.advance(REQUESTS + Duration::from_secs(6));
    let report = bench.run().await;
    assert_eq!((report.outcome, bench.jobs_left()), (AttemptOutcome::Snoozed, 1));
    let ended = end(claimed.id, claimed.fence, AttemptEnd::Cancelled, bench.clock.now());
    bench.store.finish(ended).await.unwrap();
    bench.clock.advance(Duration::from_secs(120));
    assert_eq!(bench.run().await.outcome, AttemptOutcome::Completed);
    assert_eq!((bench.jobs_left(), bench.count("accounts")), (0, 0));
}

async fn an_account_that_is_to_stay_or_goes_at_another_time_is_left_alone(store: TestStore) {
    let bench = Bench::new(store).await;
    bench.enqueue(1).await;
    bench.ask(NOW).await;
    for deletion_at in [
        "NULL".to_owned(),
        NOW.plus(SOON).as_micros().to_string(),
        "0".to_owned(),
    ] {
        bench
            .store
            .execute(&format!("UPDATE accounts SET deletion_at = {deletion_at}"));
        let report = bench.run().await;
        assert!(report.result.unwrap().contains("skipped"), "{deletion_at}");
        assert_eq!((bench.jobs_left(), bench.count("accounts")), (1, 1));
        bench.ask(NOW).await;
    }
}

on_each_database!(
    a_deletion_that_is_killed_half_way_goes_on_where_it_was,
    what_runs_is_asked_to_end_and_waited_for,
    an_account_that_is_to_stay_or_goes_at_another_time_is_left_alone,
);
