//! Every route, through the whole application, over a real database and without workers.

mod access;
mod accounts;
mod acts;
mod after;
mod api_keys;
mod asking;
mod batches;
mod browsers;
mod bulk;
mod clients;
mod csrf;
mod devices;
mod email_batches;
mod email_contents;
mod emails;
mod following;
mod hostile;
mod idempotency;
mod jobs;
mod limits;
mod lives;
mod log;
mod nodes;
mod openapi;
mod operators;
mod probes;
mod queues;
mod quotas;
mod reading;
mod report_bounds;
mod reports;
mod room;
mod roots;
mod schedules;
mod scopes;
mod second_factor;
mod security_events;
mod sessions;
mod steering;
mod suppressions;
mod templates;
mod turns;
mod uncertain;
mod unsubscribing;
mod uploads;
mod waiting;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::http::header::HeaderMap;
use actix_web::http::{Method, StatusCode};
use actix_web::test::TestRequest;
use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use asking::{app, ask, begin, request, send};

use super::credential_cache::CredentialCache;
use super::http::HashingPool;
use super::{
    Downloads, EventStreams, JobStreams, KeyTurns, KeyUses, QueueWorker, Readiness, ReadsNoted, ShutdownFlag, State,
    Throttle, Waiters, WrongCodes,
};
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::control::Controls;
use crate::domain::email::EmailAddress;
use crate::domain::id::{AccountId, JobId, NodeId, WorkspaceId};
use crate::domain::job::{AttemptEnd, Queue};
use crate::domain::password::{Password, PasswordCost, PasswordHasher, SALT_BYTES};
use crate::jobs::kinds::{EmailSend, Postbox, Probe, ProbeArgs};
use crate::jobs::{
    DepthLimits, Depths, KindsElsewhere, MailCounts, Order, OwnQuotas, PausedQueues, Registry, TemplateLibrary, new_job,
};
use crate::keyring::KeyRing;
use crate::mail::{MemoryTransport, Sender};
use crate::reports::ReportFolder;
use crate::store::accounts::{self as account_rows, NewAccount};
use crate::store::{AttemptFinish, ClaimRequest, ClaimedJob, Database, SessionUses, Store, StoreOptions};
use crate::supervision::Tree;
use crate::telemetry::checked_log::CheckedLog;

/// The password of every account that a test makes without saying otherwise.
const PASSWORD: &str = "correct horse battery";

/// A service without workers.
struct World {
    state: web::Data<State>,
    clock: Clock,
    /// The jobs whose attempts were told to end.
    hurried: Arc<Mutex<Vec<JobId>>>,
    /// Where the writer is.
    database: Tree,
    /// What this test's thread logs.
    log: CheckedLog,
    _folder: tempfile::TempDir,
}

/// What a client sees of an answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
    /// The body, if it is JSON.
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts the status, and for a problem its type of body and the pointers of the fields that are blamed.
    #[track_caller]
    fn is(&self, status: u16, pointers: &[&str]) {
        assert_eq!(self.status, status, "{}", self.text);
        if status >= 400 {
            assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
            assert_eq!(self.body["status"], status);
        }
        let errors = self.body["errors"].as_array().cloned().unwrap_or_default();
        let blamed: Vec<_> = errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert_eq!(blamed, pointers, "{}", self.text);
    }
}

impl World {
    fn new() -> Self {
        Self::with(&[])
    }

    /// A world with these settings, as variables.
    fn with(variables: &[(&str, &str)]) -> Self {
        Self::made(variables, false)
    }

    /// The same; operators may make its actors panic if `fault_injection` says so.
    fn made(variables: &[(&str, &str)], fault_injection: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(Timestamp::from_micros(1_700_000_000_000_000));
        let options = StoreOptions {
            database: Database::Sqlite(folder.path().join("legwork.db")),
            writers: 1,
            readers: 2,
            on_available: Arc::new(|_: &[Queue]| {}),
        };
        // Apart, so that what is seen in the tree that is shown is what a test put there.
        let database = Tree::new("database", clock.clone());
        let store = Store::open(&options, database.root()).unwrap();
        let from = Sender {
            address: EmailAddress::parse("legwork@example.org").unwrap(),
            name: None,
        };
        let library = TemplateLibrary::over(store.clone());
        let postbox = Postbox::new(Arc::new(MemoryTransport::new()), from).unwrap();
        let postbox = postbox.with_replacements(library.clone());
        let hurried = Arc::new(Mutex::new(Vec::new()));
        let cancels = Arc::clone(&hurried);
        let config = Config::from_parts(
            None,
            variables
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string())),
        );
        let config = config.unwrap();
        let mut tree = Tree::new("root", clock.clone());
        if fault_injection {
            tree = tree.with_fault_injection();
        }
        let quotas = OwnQuotas::default();
        let mail_counts = MailCounts::new(config.limits.mails_per_day.into(), quotas.clone());
        let depths = Depths::new(&DepthLimits {
            queues: config.queues.clone(),
            workspace: config.limits.jobs_waiting.try_into().unwrap(),
            own: quotas.clone(),
            is_alone: true,
        });
        let idle = config.session.idle;
        let state = State {
            throttle: Arc::new(Throttle::new(&config.limits, &depths, &mail_counts, &clock)),
            depths,
            mail_counts,
            quotas,
            config: Arc::new(config),
            clock: clock.clone(),
            store: store.clone(),
            keys: Arc::new(KeyRing::ephemeral().unwrap()),
            hasher: Arc::new(PasswordHasher::new(PasswordCost::TRIVIAL).unwrap()),
            credentials: CredentialCache::over(&store, idle),
            key_uses: KeyUses::default(),
            session_uses: SessionUses::default(),
            wrong_codes: WrongCodes::default(),
            hashing: HashingPool::for_this_machine(),
            registry: Registry::new().with(EmailSend::new(postbox.clone())).with(Probe),
            elsewhere: KindsElsewhere::default(),
            postbox,
            library,
            reports: ReportFolder::open(folder.path().join("reports")).unwrap(),
            downloads: Downloads::default(),
            cancel_attempt: Arc::new(move |job| {
                cancels.lock().unwrap().push(job);
                true
            }),
            controls: Controls::new(tree.clone()).recording(store, clock.clone()),
            tree,
            workers: [(Queue::Mail, "mailer"), (Queue::Probes, "prober")]
                .map(|(queue, worker)| QueueWorker {
                    queue,
                    worker,
                    slots: 16,
                })
                .to_vec(),
            paused: PausedQueues::of(&[]),
            readiness: Readiness::default(),
            shutdown: ShutdownFlag::default(),
            event_streams: EventStreams::default(),
            job_streams: JobStreams::default(),
            waiters: Waiters::default(),
            key_turns: KeyTurns::default(),
            reads_noted: ReadsNoted::default(),
        };
        Self {
            state: web::Data::new(state),
            clock,
            hurried,
            database,
            log: CheckedLog::begin(),
            _folder: folder,
        }
    }

    /// The answer before its body is read.
    async fn begin(&self, request: TestRequest) -> HttpResponse {
        begin(&app(self.state.clone()).await, request.to_request()).await
    }

    async fn send(&self, request: TestRequest) -> Answer {
        send(&app(self.state.clone()).await, request).await
    }

    async fn get(&self, uri: &str, token: &str) -> Answer {
        self.send(request(Method::GET, uri, token)).await
    }

    async fn delete(&self, uri: &str, token: &str) -> Answer {
        self.send(request(Method::DELETE, uri, token)).await
    }

    async fn post(&self, uri: &str, token: &str, body: &Value) -> Answer {
        self.send(request(Method::POST, uri, token).set_json(body)).await
    }

    /// An account, made past the registration.
    async fn account(&self, email: &str, is_operator: bool) -> AccountId {
        let password = Password::parse(PASSWORD).unwrap();
        let new = NewAccount {
            id: AccountId::generate(),
            workspace: WorkspaceId::generate(),
            email: EmailAddress::parse(email).unwrap(),
            name: "Ada".into(),
            password_hash: self
                .state
                .hasher
                .hash(&password, &[7; SALT_BYTES])
                .unwrap()
                .as_str()
                .into(),
            is_operator,
        };
        let (id, now) = (new.id, self.clock.now());
        let write = self
            .state
            .store
            .write(move |tx| account_rows::insert(tx.connection(), &new, now));
        write.await.unwrap();
        id
    }

    /// The token of a login of that account.
    async fn login(&self, email: &str) -> String {
        let answer = self
            .post("/v1/sessions", "", &json!({ "email": email, "password": PASSWORD }))
            .await;
        answer.is(201, &[]);
        answer.body["token"].as_str().unwrap().into()
    }

    /// The token of a login of a new account.
    async fn member(&self, email: &str) -> String {
        self.account(email, false).await;
        self.login(email).await
    }

    /// The token of a login of a new operator.
    async fn operator(&self) -> String {
        self.account("operator@example.org", true).await;
        self.login("operator@example.org").await
    }

    /// An API key of whoever logged in with `token`.
    async fn api_key(&self, token: &str) -> String {
        self.scoped_key(token, &["*"]).await
    }

    /// The id of a new probe.
    async fn probe(&self, token: &str) -> JobId {
        let answer = self.post("/v1/probes", token, &json!({ "steps": 1 })).await;
        answer.is(202, &[]);
        answer.body["id"].as_str().unwrap().parse().unwrap()
    }

    /// Claims the next probe, as a worker would.
    async fn claim(&self) -> ClaimedJob {
        self.claim_up_to(1).await.remove(0)
    }

    /// Claims up to so many probes.
    async fn claim_up_to(&self, limit: usize) -> Vec<ClaimedJob> {
        let claimed = self.state.store.claim(ClaimRequest {
            queue: Queue::Probes,
            kinds: self.state.registry.of_queue(Queue::Probes),
            limit,
            turn: Default::default(),
            node: NodeId::generate(),
            now: self.clock.now(),
        });
        claimed.await.unwrap().jobs
    }

    /// Claims the next mail of a client, as a mailer would.
    async fn claim_email(&self) -> ClaimedJob {
        let claim = ClaimRequest {
            queue: Queue::Mail,
            kinds: self.state.registry.of_queue(Queue::Mail),
            limit: 1,
            turn: Default::default(),
            node: NodeId::generate(),
            now: self.clock.now(),
        };
        self.state.store.claim(claim).await.unwrap().jobs.remove(0)
    }

    /// How many mails wait.
    async fn mails_waiting(&self) -> i64 {
        let read = self
            .state
            .store
            .read(|connection| crate::store::jobs::available(connection, Queue::Mail, 100));
        read.await.unwrap().count
    }

    /// Enqueues so many probes, past the limits.
    async fn fill(&self, count: usize) {
        let args = ProbeArgs {
            steps: 0,
            step_ms: 0,
            fail: None,
            panic: None,
        };
        let now = self.clock.now();
        let job = || new_job::<Probe>(&args, WorkspaceId::SERVICE, now, Order::default()).unwrap();
        self.state
            .store
            .enqueue((0..count).map(|_| job()).collect())
            .await
            .unwrap();
    }

    /// Ends an attempt, as a worker would.
    async fn finish(&self, job: &ClaimedJob, end: AttemptEnd) {
        let finish = AttemptFinish {
            result: Some("{\"steps\":1}".into()),
            ..crate::store::testing::end(job.id, job.fence, end, self.clock.now())
        };
        self.state.store.finish(finish).await.unwrap();
    }

    /// The same database, opened as a command line beside the service opens it.
    fn other_process(&self) -> Store {
        let options = StoreOptions {
            database: Database::Sqlite(self.state.store.file().unwrap().to_owned()),
            writers: 1,
            readers: 1,
            on_available: Arc::new(|_: &[Queue]| {}),
        };
        Store::open(&options, self.database.root()).unwrap()
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }
}
