//! Mail jobs in a real database against a relay over TCP, under a clock that leaps to whatever is due next: days in seconds.

use std::sync::Arc;
use std::time::Duration;

use legwork::clock::{Clock, Timestamp};
use legwork::domain::email::EmailAddress;
use legwork::domain::id::{JobId, NodeId, WorkspaceId};
use legwork::domain::job::{Queue, WhenUncertain};
use legwork::domain::list_unsubscribe::ListUnsubscribe;
use legwork::domain::stream::Stream;
use legwork::jobs::kinds::{EmailBody, EmailSend, EmailSendArgs, Postbox, UnsubscribeLinks};
use legwork::jobs::{Attempt, AttemptParts, Attempts, Order, Registry, SuppressionList, new_job};
use legwork::keyring::KeyRing;
use legwork::mail::{Sender, SmtpConfig, SmtpTransport};
use legwork::store::{
    AttemptRecord, ClaimRequest, ClaimedJob, Database, JobRecord, JobScope, Store, StoreOptions, jobs,
};
use legwork::supervision::Tree;

use crate::mail::let_pass;
use crate::support::relay::Relay;

pub(crate) const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// As many attempts at once as the mailer has by default.
const SLOTS: usize = 16;

pub(crate) struct Simulation {
    pub(crate) relay: Relay,
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) keys: Arc<KeyRing>,
    registry: Registry,
    attempts: Attempts,
    node: NodeId,
    _folder: tempfile::TempDir,
}

impl Simulation {
    pub(crate) fn new() -> Self {
        let relay = Relay::start();
        let folder = tempfile::tempdir().unwrap();
        let options = StoreOptions {
            database: Database::Sqlite(folder.path().join("legwork.db")),
            writers: 1,
            readers: 1,
            on_available: Arc::new(|_| {}),
        };
        let store = Store::open(&options, Tree::new("root", Clock::System).root()).unwrap();
        let sender = Sender {
            address: EmailAddress::parse("legwork@example.com").unwrap(),
            name: None,
        };
        let transport = SmtpTransport::new(SmtpConfig::new("127.0.0.1", relay.port()));
        let keys = Arc::new(KeyRing::ephemeral().unwrap());
        let postbox = Postbox::new(Arc::new(transport), sender).unwrap().keeping_to(
            SuppressionList::new(store.clone()),
            UnsubscribeLinks::new(Arc::clone(&keys), "https://legwork.example/unsubscribe"),
        );
        Self {
            relay,
            clock: Clock::manual(START),
            store,
            keys,
            registry: Registry::new().with(EmailSend::new(postbox)),
            attempts: Attempts::new(),
            node: NodeId::generate(),
            _folder: folder,
        }
    }

    /// Accepts a mail to these.
    pub(crate) async fn accept(&self, to: &[&str]) -> JobId {
        self.accept_by(WhenUncertain::Hold, to).await
    }

    /// Accepts a mail with this rule.
    pub(crate) async fn accept_by(&self, when_uncertain: WhenUncertain, to: &[&str]) -> JobId {
        self.accept_args(when_uncertain, to, Stream::DEFAULT, None).await
    }

    /// Accepts a mail of this stream, which says so how its reader ends it.
    pub(crate) async fn accept_in(&self, stream: &str, ends: Option<ListUnsubscribe>, to: &[&str]) -> JobId {
        self.accept_args(WhenUncertain::Hold, to, stream, ends).await
    }

    async fn accept_args(
        &self,
        when_uncertain: WhenUncertain,
        to: &[&str],
        stream: &str,
        list_unsubscribe: Option<ListUnsubscribe>,
    ) -> JobId {
        let args = EmailSendArgs {
            to: to.iter().map(|text| EmailAddress::parse(text).unwrap()).collect(),
            body: EmailBody::Written {
                subject: "Hello".to_owned(),
                text: "Hello\n".to_owned(),
                html: None,
            },
            stream: Stream::parse(stream).unwrap(),
            list_unsubscribe,
            when_uncertain,
            made_by: None,
        };
        let job = new_job::<EmailSend>(&args, WorkspaceId::SERVICE, self.clock.now(), Order::default()).unwrap();
        let id = job.id;
        self.store.enqueue(vec![job]).await.unwrap();
        id
    }

    pub(crate) async fn accept_many(&self, count: usize) -> Vec<JobId> {
        let mut ids = Vec::with_capacity(count);
        for number in 0..count {
            ids.push(self.accept(&[&format!("user{number}@example.org")]).await);
        }
        ids
    }

    /// Lets time pass until `end`, all that is due meanwhile being attempted; whether anything still waits.
    pub(crate) async fn run_until(&self, end: Timestamp) -> bool {
        loop {
            let request = ClaimRequest {
                queue: Queue::Mail,
                kinds: self.registry.of_queue(Queue::Mail),
                limit: SLOTS,
                turn: Default::default(),
                node: self.node,
                now: self.clock.now(),
            };
            let claimed = self.store.claim(request).await.unwrap();
            if !claimed.jobs.is_empty() {
                let running = claimed.jobs.into_iter().map(|job| self.attempt(job));
                futures_util::future::join_all(running).await;
                continue;
            }
            let is_waiting = claimed.next_due.is_some();
            let next = claimed.next_due.unwrap_or(end).min(end);
            let passing = next.since(self.clock.now());
            self.clock.advance(passing);
            let_pass(passing).await;
            if next == end {
                return is_waiting;
            }
        }
    }

    async fn attempt(&self, job: ClaimedJob) {
        let attempt = Attempt::new(AttemptParts {
            handle: self.attempts.begin(job.id, job.fence),
            kind: self.registry.get(&job.kind).unwrap(),
            job,
            ledger: Arc::new(self.store.clone()),
            clock: self.clock.clone(),
            keep: Box::new(()),
        });
        let received = attempt.receive();
        attempt.run(received).await.unwrap();
    }

    pub(crate) async fn job(&self, id: JobId) -> (JobRecord, Vec<AttemptRecord>) {
        self.store
            .read(move |connection| {
                let job = jobs::one(connection, id, JobScope::All)?.unwrap();
                let attempts = jobs::attempts_of(connection, &job)?;
                Ok((job, attempts))
            })
            .await
            .unwrap()
    }

    /// A person orders the job to run again.
    pub(crate) async fn retry(&self, id: JobId) {
        let now = self.clock.now();
        let ordered = self.store.write(move |tx| jobs::retry(tx, id, JobScope::All, now));
        ordered.await.unwrap();
    }
}

pub(crate) fn after(time: Duration) -> Timestamp {
    START.plus(time)
}
