//! `email.send` performed by a mailer alone, with a transport in memory and with a relay that can fail.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use legwork::clock::{Clock, Timestamp};
use legwork::domain::email::EmailAddress;
use legwork::domain::id::{JobId, WorkspaceId};
use legwork::domain::job::{AttemptEnd, AttemptOutcome, JobState, Queue, Retry, WhenUncertain};
use legwork::jobs::kinds::{EmailBody, EmailSend, EmailSendArgs, Postbox};
use legwork::jobs::{Attempt, AttemptParts, Attempts, Ledger, MemoryLedger, Registry, Report, StopCause};
use legwork::mail::{MemoryTransport, Sender, SmtpConfig, SmtpTransport, Transport};
use legwork::store::{AttemptFinish, AttemptProgress, ClaimedJob, Finished, Held, StoreError};
use legwork::supervision::{Address, ChildSpec, Tree};
use legwork::workers::{Perform, Worker};
use tokio::sync::Notify;

use crate::support::relay::{Relay, Step};

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// A mailer, and where it writes.
struct Mailer {
    worker: Address<Worker>,
    registry: Registry,
    ledger: MemoryLedger,
    attempts: Attempts,
    _tree: Tree,
}

impl Mailer {
    fn start(transport: Arc<dyn Transport>) -> Self {
        let sender = Sender {
            address: EmailAddress::parse("legwork@example.com").unwrap(),
            name: None,
        };
        let postbox = Postbox::new(transport, sender).unwrap();
        let tree = Tree::new("root", Clock::System);
        Self {
            worker: tree.start(ChildSpec::new("mailer"), Worker::default),
            registry: Registry::new().with(EmailSend::new(postbox)),
            ledger: MemoryLedger::new(),
            attempts: Attempts::new(),
            _tree: tree,
        }
    }

    fn by(relay: &Relay) -> Self {
        Self::start(Arc::new(SmtpTransport::new(SmtpConfig::new("127.0.0.1", relay.port()))))
    }

    /// A job, and the message that has its attempt performed.
    fn perform(&self, subject: &str, when_uncertain: WhenUncertain) -> (JobId, Perform) {
        self.perform_in(Arc::new(self.ledger.clone()), subject, when_uncertain)
    }

    fn perform_in(&self, ledger: Arc<dyn Ledger>, subject: &str, when_uncertain: WhenUncertain) -> (JobId, Perform) {
        let args = EmailSendArgs {
            to: vec![EmailAddress::parse("ada@example.org").unwrap()],
            body: EmailBody::Written {
                subject: subject.to_owned(),
                text: "Hello Ada\n".to_owned(),
                html: None,
            },
            stream: legwork::domain::stream::Stream::default(),
            list_unsubscribe: None,
            when_uncertain,
            made_by: None,
        };
        let job = ClaimedJob {
            id: JobId::generate(),
            workspace: WorkspaceId::SERVICE,
            kind: "email.send".to_owned(),
            queue: Queue::Mail,
            args: serde_json::to_string(&args).unwrap().into(),
            args_version: 1,
            attempt: 1,
            max_attempts: 20,
            deadline: None,
            timeout: Duration::from_secs(60),
            fence: 1,
            created_at: NOW,
            run_at: NOW,
            started_at: NOW,
            request_id: None,
            result: None,
            limit_key: String::new(),
        };
        let id = job.id;
        let attempt = Attempt::new(AttemptParts {
            handle: self.attempts.begin(id, job.fence),
            kind: self.registry.get(&job.kind).unwrap(),
            job,
            ledger,
            clock: Clock::manual(NOW),
            keep: Box::new(()),
        });
        (id, Perform(attempt))
    }

    async fn send(&self, when_uncertain: WhenUncertain) -> (JobId, Report) {
        let (id, perform) = self.perform("Hello", when_uncertain);
        (id, self.worker.ask(perform).await.unwrap().unwrap())
    }

    fn end(&self) -> AttemptEnd {
        self.ledger.finishes().last().unwrap().end
    }
}

#[actix::test]
async fn a_mail_is_sent_once_and_the_report_names_its_message() {
    let transport = MemoryTransport::new();
    let mailer = Mailer::start(Arc::new(transport.clone()));
    let (id, report) = mailer.send(WhenUncertain::Hold).await;
    assert_eq!(
        (report.outcome, report.state),
        (AttemptOutcome::Completed, Some(JobState::Completed))
    );
    let message_id = format!("{id}-");
    assert!(report.result.unwrap().contains(&message_id));
    assert_eq!(transport.sent().len(), 1);
    assert!(transport.sent()[0].message_id.contains(&message_id));
    assert_eq!(
        mailer.ledger.no_returns(),
        [id],
        "the point of no return is noted before the dot"
    );
}

#[actix::test]
async fn a_mail_whose_rule_is_to_repeat_notes_no_point_of_no_return() {
    let mailer = Mailer::start(Arc::new(MemoryTransport::new()));
    mailer.send(WhenUncertain::Repeat).await;
    assert!(mailer.ledger.no_returns().is_empty());
}

#[actix::test]
async fn a_mail_that_was_cancelled_before_its_gate_is_not_sent() {
    let transport = MemoryTransport::new();
    transport.hold();
    let mailer = Mailer::start(Arc::new(transport.clone()));
    let (id, perform) = mailer.perform("Hello", WhenUncertain::Hold);
    let worker = mailer.worker.clone();
    let asked = actix::spawn(async move { worker.ask(perform).await });
    transport.wait_for_held(1).await.unwrap();
    assert!(mailer.attempts.stop(id, StopCause::CancelRequested));
    let report = asked.await.unwrap().unwrap().unwrap();
    assert_eq!(report.outcome, AttemptOutcome::Cancelled);
    transport.release();
    assert!(transport.sent().is_empty());
}

#[actix::test]
async fn a_mail_that_is_cancelled_behind_its_gate_is_sent_and_believed() {
    let transport = MemoryTransport::new();
    transport.hold_past_gate();
    let mailer = Mailer::start(Arc::new(transport.clone()));
    let (id, perform) = mailer.perform("Hello", WhenUncertain::Hold);
    let worker = mailer.worker.clone();
    let asked = actix::spawn(async move { worker.ask(perform).await });
    transport.wait_for_held(1).await.unwrap();
    assert!(mailer.attempts.stop(id, StopCause::CancelRequested));
    transport.release();
    assert_eq!(
        asked.await.unwrap().unwrap().unwrap().outcome,
        AttemptOutcome::Completed
    );
    assert_eq!(transport.sent().len(), 1);
}

/// A ledger that takes its time to note a point of no return.
#[derive(Default)]
struct Slow {
    ledger: MemoryLedger,
    asked: Notify,
    released: Notify,
}

impl Ledger for Slow {
    fn progress(&self, progress: AttemptProgress) -> BoxFuture<'_, Result<Held, StoreError>> {
        Ledger::progress(&self.ledger, progress)
    }

    fn no_return(&self, job: JobId, fence: i64, now: Timestamp) -> BoxFuture<'_, Result<Held, StoreError>> {
        Box::pin(async move {
            self.asked.notify_one();
            self.released.notified().await;
            self.ledger.no_return(job, fence, now).await
        })
    }

    fn finish(&self, finish: AttemptFinish) -> BoxFuture<'_, Result<Finished, StoreError>> {
        self.ledger.finish(finish)
    }
}

#[actix::test]
async fn a_shutdown_while_the_point_of_no_return_is_noted_leaves_no_mail_uncertain_that_was_not_begun() {
    let transport = MemoryTransport::new();
    let mailer = Mailer::start(Arc::new(transport.clone()));
    let slow = Arc::new(Slow::default());
    let ledger: Arc<dyn Ledger> = slow.clone();
    let (id, perform) = mailer.perform_in(ledger, "Hello", WhenUncertain::Hold);
    let worker = mailer.worker.clone();
    let mut asked = actix::spawn(async move { worker.ask(perform).await });
    slow.asked.notified().await;
    assert!(mailer.attempts.stop(id, StopCause::Draining));
    // It would end at once.
    let ended = tokio::time::timeout(Duration::from_millis(100), &mut asked).await;
    assert!(ended.is_err(), "{:?}", ended.unwrap().unwrap().unwrap());
    slow.released.notify_one();
    // What is noted cannot be taken back, and would read as uncertain.
    let report = asked.await.unwrap().unwrap().unwrap();
    assert_eq!(report.outcome, AttemptOutcome::Completed);
    assert_eq!(transport.sent().len(), 1);
}

#[actix::test]
async fn a_subject_that_is_none_discards_the_mail() {
    let transport = MemoryTransport::new();
    let mailer = Mailer::start(Arc::new(transport.clone()));
    let (_, perform) = mailer.perform("Hello\r\nBcc: eve@example.org", WhenUncertain::Hold);
    mailer.worker.ask(perform).await.unwrap().unwrap();
    assert_eq!(mailer.end(), AttemptEnd::Failed(Retry::Never));
    assert!(transport.sent().is_empty());
}

#[actix::test]
async fn a_relay_takes_the_mail_or_its_answer_decides_what_follows() {
    let relay = Relay::start();
    let mailer = Mailer::by(&relay);
    let (id, report) = mailer.send(WhenUncertain::Hold).await;
    assert_eq!(report.outcome, AttemptOutcome::Completed);
    assert!(relay.taken()[0].message_id.contains(&id.to_string()));
    relay.at(Step::Rcpt).reply("450 4.2.0 busy");
    let (_, report) = mailer.send(WhenUncertain::Hold).await;
    assert!(matches!(mailer.end(), AttemptEnd::Failed(Retry::At(_))), "{report:?}");
    assert!(report.error.unwrap().contains("4.2.0 busy"));
    relay.heal();
    relay.at(Step::Rcpt).reply("550 5.1.1 no such user");
    let (_, report) = mailer.send(WhenUncertain::Hold).await;
    assert_eq!(mailer.end(), AttemptEnd::Failed(Retry::Never));
    assert!(report.error.unwrap().contains("5.1.1 no such user"));
    assert_eq!(relay.taken().len(), 1);
}

#[actix::test]
async fn silence_after_the_dot_goes_to_the_rule_of_the_mail() {
    for rule in [WhenUncertain::Hold, WhenUncertain::Repeat] {
        let relay = Relay::start();
        relay.at(Step::Dot).take_then_drop();
        let mailer = Mailer::by(&relay);
        let (_, report) = mailer.send(rule).await;
        assert_eq!(report.outcome, AttemptOutcome::Uncertain);
        let again = Retry::At(NOW.plus(Duration::from_secs(10)));
        assert_eq!(
            mailer.end(),
            AttemptEnd::Uncertain(rule, again),
            "after ten seconds, unless told otherwise"
        );
        let said = mailer.ledger.finishes().remove(0).transcript.unwrap();
        assert!(said.contains(" C: RCPT TO:<a***@example.org>\n"), "{said}");
        assert_eq!(relay.taken().len(), 1);
    }
}
