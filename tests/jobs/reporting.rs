//! `report.build` performed by a reporter alone, over a real database: what is in the file, and what is left when it is
//! stopped, fails or comes too late.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use legwork::clock::{Clock, Timestamp};
use legwork::domain::email::EmailAddress;
use legwork::domain::id::{JobId, NodeId, ReportId, WorkspaceId};
use legwork::domain::job::{AttemptEnd, JobState, Queue, WhenUncertain};
use legwork::domain::report::{ReportFormat, ReportTable};
use legwork::jobs::kinds::{
    EmailBody, EmailSend, EmailSendArgs, Probe, ProbeArgs, ReportBuild, ReportBuildArgs, ReportLimits,
};
use legwork::jobs::{Attempt, AttemptParts, Attempts, Kind, Order, Registry, Report, StopCause, new_job};
use legwork::reports::ReportFolder;
use legwork::store::reports::{self, NewReport};
use legwork::store::{
    Abort, AttemptFinish, ClaimRequest, ClaimedJob, Database, JobScope, KnownKind, NewJob, Store, StoreOptions, jobs,
};
use legwork::supervision::{Address, ChildSpec, Tree};
use legwork::workers::{Perform, Worker};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A reporter, and what it reads and writes.
struct Reporter {
    worker: Address<Worker>,
    registry: Registry,
    store: Store,
    attempts: Attempts,
    files: PathBuf,
    _tree: Tree,
    _home: tempfile::TempDir,
}

const LIMITS: ReportLimits = ReportLimits {
    max_rows: 100_000,
    max_bytes: 100_000_000,
    ttl: Duration::from_secs(3600),
    stored_max: 0,
};

impl Reporter {
    fn start(limits: ReportLimits) -> Self {
        let home = tempfile::tempdir().unwrap();
        let options = StoreOptions {
            database: Database::Sqlite(home.path().join("legwork.db")),
            writers: 1,
            readers: 2,
            on_available: Arc::new(|_| {}),
        };
        let tree = Tree::new("root", Clock::System);
        let store = Store::open(&options, tree.root()).unwrap();
        let files = home.path().join("reports");
        let folder = ReportFolder::open(files.clone()).unwrap();
        let kind = ReportBuild::new(store.clone(), folder, limits, "https://example.com/v1/reports");
        Self {
            worker: tree.start(ChildSpec::new("reporter"), Worker::default),
            registry: Registry::new().with(kind),
            store,
            attempts: Attempts::new(),
            files,
            _tree: tree,
            _home: home,
        }
    }

    /// Orders a report of all there is.
    async fn order(&self, table: ReportTable, format: ReportFormat) -> ReportId {
        let now = Clock::System.now();
        let args = ReportBuildArgs {
            report: ReportId::generate(),
            table,
            format,
            from: None,
            to: now,
            csv_formula_guard: true,
        };
        let job = new_job::<ReportBuild>(&args, WorkspaceId::SERVICE, now, Order::default()).unwrap();
        let report = NewReport {
            id: args.report,
            workspace: job.workspace,
            job: job.id,
            table,
            format,
            from: None,
            to: now,
            created_at: now,
        };
        let write = self.store.write(move |tx| {
            reports::insert(tx.connection(), &report)?;
            Ok::<_, Abort<()>>(tx.enqueue(&job)?)
        });
        write.await.unwrap();
        args.report
    }

    async fn claim(&self) -> ClaimedJob {
        let claimed = self.store.claim(ClaimRequest {
            queue: Queue::Reports,
            kinds: vec![KnownKind {
                name: ReportBuild::NAME,
                version: ReportBuild::VERSION,
            }],
            limit: 1,
            turn: Default::default(),
            node: NodeId::generate(),
            now: Clock::System.now(),
        });
        claimed.await.unwrap().jobs.remove(0)
    }

    fn perform(&self, job: ClaimedJob) -> Perform {
        Perform(Attempt::new(AttemptParts {
            handle: self.attempts.begin(job.id, job.fence),
            kind: self.registry.get(&job.kind).unwrap(),
            job,
            ledger: Arc::new(self.store.clone()),
            clock: Clock::System,
            keep: Box::new(()),
        }))
    }

    /// Claims the report's job and has it performed.
    async fn build(&self) -> Report {
        let job = self.claim().await;
        self.worker.ask(self.perform(job)).await.unwrap().unwrap()
    }

    /// The names of the files that there are.
    fn names(&self) -> Vec<String> {
        let files = std::fs::read_dir(&self.files).unwrap();
        files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    async fn enqueue(&self, jobs: Vec<NewJob>) {
        self.store.enqueue(jobs).await.unwrap();
    }
}

fn probes(count: usize) -> Vec<NewJob> {
    let args = ProbeArgs {
        steps: 1,
        step_ms: 0,
        fail: None,
        panic: None,
    };
    let one = || new_job::<Probe>(&args, WorkspaceId::SERVICE, Clock::System.now(), Order::default()).unwrap();
    (0..count).map(|_| one()).collect()
}

fn mail(to: &str, body: EmailBody) -> NewJob {
    let args = EmailSendArgs {
        to: vec![
            EmailAddress::parse(to).unwrap(),
            EmailAddress::parse("bob@example.com").unwrap(),
        ],
        body,
        stream: legwork::domain::stream::Stream::default(),
        list_unsubscribe: None,
        when_uncertain: WhenUncertain::Repeat,
        made_by: None,
    };
    new_job::<EmailSend>(&args, WorkspaceId::SERVICE, Clock::System.now(), Order::default()).unwrap()
}

fn written(subject: &str) -> EmailBody {
    EmailBody::Written {
        subject: subject.to_owned(),
        text: "Hello".to_owned(),
        html: None,
    }
}

#[actix::test]
async fn a_report_of_jobs_has_each_of_them_once_in_the_order_of_their_ids_and_its_result_says_what_is_in_the_file() {
    let reporter = Reporter::start(LIMITS);
    // More than two pages, and not a whole number of them.
    let there = probes(4_321);
    reporter.enqueue(there.clone()).await;
    let id = reporter.order(ReportTable::Jobs, ReportFormat::Csv).await;
    let late = probes(10);
    reporter.enqueue(late).await;
    let report = reporter.build().await;
    assert_eq!(report.state, Some(JobState::Completed), "{:?}", report.error);
    let names = reporter.names();
    assert_eq!(names, [format!("{id}.1.csv")]);
    let content = std::fs::read(reporter.files.join(&names[0])).unwrap();
    let mut reader = csv::Reader::from_reader(content.as_slice());
    let columns: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(columns[..4], ["id", "kind", "queue", "state"]);
    let ids: Vec<String> = reader.records().map(|record| record.unwrap()[0].to_owned()).collect();
    let mut expected: Vec<String> = there.iter().map(|job| job.id.to_string()).collect();
    expected.sort();
    assert_eq!(ids, expected);
    let sha256: String = Sha256::digest(&content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let result: Value = serde_json::from_str(&report.result.unwrap()).unwrap();
    let told = json!({ "report": {
        "id": id, "format": "csv", "rows": 4_321, "bytes": content.len(), "sha256": sha256,
        "url": format!("https://example.com/v1/reports/{id}/file")
    }});
    assert_eq!(result, told);
}

#[actix::test]
async fn a_report_of_mail_shows_recipients_words_and_answers_and_guards_what_could_be_a_formula() {
    let reporter = Reporter::start(LIMITS);
    let sent = mail("ada@example.org", written("=HYPERLINK(\"x\")"));
    let by_template = mail(
        "eve@example.org",
        EmailBody::Template {
            name: "welcome".to_owned(),
            data: json!({ "name": "Eve", "link": "https://example.com" }),
        },
    );
    let mut all = probes(700);
    all.extend([sent.clone(), by_template.clone()]);
    reporter.enqueue(all).await;
    answered(&reporter.store, sent.id).await;
    for (format, subject) in [
        (ReportFormat::Csv, "'=HYPERLINK(\"x\")"),
        (ReportFormat::Jsonl, "=HYPERLINK(\"x\")"),
    ] {
        let id = reporter.order(ReportTable::Mail, format).await;
        let report = reporter.build().await;
        assert_eq!(report.state, Some(JobState::Completed), "{:?}", report.error);
        let content = std::fs::read_to_string(reporter.files.join(format!("{id}.1.{format}"))).unwrap();
        let rows = match format {
            ReportFormat::Csv => of_csv(&content),
            ReportFormat::Jsonl => content
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect(),
        };
        let [first, second] = &rows[..] else {
            panic!("{content}")
        };
        assert_eq!(
            (&first["job_id"], &first["state"]),
            (&json!(sent.id), &json!("completed"))
        );
        assert_eq!(first["subject"], subject);
        assert_eq!(
            (&first["message_id"], &first["reply"]),
            (&json!("m@x"), &json!("250 ok"))
        );
        assert_eq!(
            (&second["job_id"], &second["template"]),
            (&json!(by_template.id), &json!("welcome"))
        );
        let to = match format {
            ReportFormat::Csv => json!("ada@example.org; bob@example.com"),
            ReportFormat::Jsonl => json!(["ada@example.org", "bob@example.com"]),
        };
        assert_eq!(first["to"], to);
        assert_eq!(first["created_at"], sent.created_at.to_string());
        assert!(!content.contains("Hello"), "bodies are not reported");
    }
}

/// Ends a mail as a mailer does.
async fn answered(store: &Store, id: JobId) {
    let request = ClaimRequest {
        queue: Queue::Mail,
        kinds: vec![KnownKind {
            name: EmailSend::NAME,
            version: EmailSend::VERSION,
        }],
        limit: 1,
        turn: Default::default(),
        node: NodeId::generate(),
        now: Clock::System.now(),
    };
    let claimed = store.claim(request).await.unwrap().jobs.remove(0);
    assert_eq!(claimed.id, id);
    let finish = AttemptFinish {
        job: id,
        fence: claimed.fence,
        end: AttemptEnd::Completed,
        error: None,
        result: Some(json!({ "message_id": "m@x", "reply": "250 ok" }).to_string()),
        progress: None,
        transcript: None,
        suppress: Vec::new(),
        at: Clock::System.now(),
    };
    store.finish(finish).await.unwrap();
}

/// The rows of a CSV file as objects.
fn of_csv(content: &str) -> Vec<Value> {
    let mut reader = csv::Reader::from_reader(content.as_bytes());
    let columns = reader.headers().unwrap().clone();
    let rows = reader.records().map(|record| {
        let record = record.unwrap();
        columns
            .iter()
            .zip(record.iter())
            .map(|(column, cell)| (column.to_owned(), json!(cell)))
            .collect()
    });
    rows.collect()
}

#[actix::test]
async fn a_report_of_nothing_is_a_file_all_the_same() {
    let reporter = Reporter::start(LIMITS);
    let id = reporter.order(ReportTable::Mail, ReportFormat::Jsonl).await;
    assert_eq!(reporter.build().await.state, Some(JobState::Completed));
    assert_eq!(
        std::fs::read(reporter.files.join(format!("{id}.1.jsonl"))).unwrap(),
        b""
    );
}

#[actix::test]
async fn a_report_that_is_too_large_fails_for_good_with_plain_words_and_leaves_no_file() {
    let limits = ReportLimits { max_rows: 10, ..LIMITS };
    let reporter = Reporter::start(limits);
    reporter.enqueue(probes(11)).await;
    reporter.order(ReportTable::Jobs, ReportFormat::Csv).await;
    let report = reporter.build().await;
    assert_eq!(report.state, Some(JobState::Discarded));
    assert_eq!(
        report.error.as_deref(),
        Some("the report has more than 10 rows; order one over a shorter time")
    );
    assert_eq!(reporter.names(), Vec::<String>::new());
}

#[actix::test]
async fn a_report_grows_no_further_than_its_workspace_has_room_beside_its_other_files() {
    let limits = ReportLimits {
        stored_max: 1_000,
        ..LIMITS
    };
    let reporter = Reporter::start(limits);
    let empty = reporter.order(ReportTable::Jobs, ReportFormat::Csv).await;
    assert_eq!(reporter.build().await.state, Some(JobState::Completed));
    let kept = std::fs::metadata(reporter.files.join(format!("{empty}.1.csv")))
        .unwrap()
        .len();
    assert!((1..1_000).contains(&kept), "{kept}");
    reporter.enqueue(probes(20)).await;
    reporter.order(ReportTable::Jobs, ReportFormat::Csv).await;
    let report = reporter.build().await;
    assert_eq!(report.state, Some(JobState::Discarded));
    let error = report.error.unwrap();
    assert!(error.contains(&format!("have {kept} of 1000 bytes")), "{error}");
    assert_eq!(reporter.names(), [format!("{empty}.1.csv")]);
}

#[actix::test]
async fn an_attempt_that_is_stopped_between_two_pages_ends_at_once_and_leaves_no_file() {
    for cause in [StopCause::CancelRequested, StopCause::TimedOut, StopCause::Draining] {
        let reporter = Reporter::start(LIMITS);
        reporter.enqueue(probes(20_000)).await;
        reporter.order(ReportTable::Jobs, ReportFormat::Csv).await;
        let job = reporter.claim().await;
        let id = job.id;
        let perform = reporter.perform(job);
        let worker = reporter.worker.clone();
        let asked = actix::spawn(async move { worker.ask(perform).await });
        // The file is there once the attempt builds; each look lets it go on.
        while reporter.names().is_empty() {
            reporter.store.ping(Duration::from_secs(10)).await.unwrap();
        }
        assert!(reporter.attempts.stop(id, cause));
        let report = asked.await.unwrap().unwrap().unwrap();
        assert_ne!(report.state, Some(JobState::Completed), "{cause:?}");
        assert_eq!(reporter.names(), Vec::<String>::new(), "{cause:?}");
    }
}

#[actix::test]
async fn a_job_that_is_run_again_replaces_its_file_and_never_leaves_two() {
    let reporter = Reporter::start(LIMITS);
    reporter.enqueue(probes(3)).await;
    let id = reporter.order(ReportTable::Jobs, ReportFormat::Csv).await;
    assert_eq!(reporter.build().await.state, Some(JobState::Completed));
    let scope = JobScope::All;
    let report = reporter
        .store
        .read(move |connection| reports::one(connection, id, scope))
        .await
        .unwrap()
        .unwrap();
    let now = Clock::System.now();
    let again = reporter.store.write(move |tx| jobs::retry(tx, report.job, scope, now));
    again.await.unwrap();
    assert_eq!(reporter.build().await.state, Some(JobState::Completed));
    assert_eq!(reporter.names(), [format!("{id}.2.csv")]);
}

#[actix::test]
async fn an_attempt_that_no_longer_holds_its_job_changes_nothing_that_a_newer_one_made() {
    let reporter = Reporter::start(LIMITS);
    reporter.enqueue(probes(3)).await;
    let id = reporter.order(ReportTable::Jobs, ReportFormat::Csv).await;
    let stale = reporter.claim().await;
    let lost = AttemptFinish {
        job: stale.id,
        fence: stale.fence,
        end: AttemptEnd::Lost,
        error: None,
        result: None,
        progress: None,
        transcript: None,
        suppress: Vec::new(),
        at: Clock::System.now(),
    };
    reporter.store.finish(lost).await.unwrap();
    assert_eq!(reporter.build().await.state, Some(JobState::Completed));
    let late = reporter.worker.ask(reporter.perform(stale)).await.unwrap().unwrap();
    assert_eq!(late.state, None, "nothing is written by it");
    assert_eq!(reporter.names(), [format!("{id}.2.csv")]);
}

#[actix::test]
async fn a_report_that_was_deleted_is_not_built() {
    let reporter = Reporter::start(LIMITS);
    let id = reporter.order(ReportTable::Jobs, ReportFormat::Csv).await;
    let job = reporter.claim().await;
    let now = Timestamp::from_micros(0);
    let delete = reporter
        .store
        .write(move |tx| Ok::<_, Abort<()>>(reports::delete(tx, id, JobScope::All, now)?));
    delete.await.unwrap().unwrap();
    let report = reporter.worker.ask(reporter.perform(job)).await.unwrap().unwrap();
    assert_eq!(report.error.as_deref(), Some("the report was deleted; order a new one"));
    assert_eq!(reporter.names(), Vec::<String>::new());
}
