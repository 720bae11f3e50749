//! One fault: a sandbox that has it once, and the attempts of a mailer until the job is over.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use legwork::clock::{Clock, Timestamp};
use legwork::domain::email::EmailAddress;
use legwork::domain::id::{JobId, WorkspaceId};
use legwork::domain::job::{JobState, Queue, WhenUncertain};
use legwork::jobs::kinds::{EmailSend, Postbox};
use legwork::jobs::{Attempt, AttemptParts, Attempts, MemoryLedger, Registry, Report};
use legwork::mail::{Login, Security, Sender, SmtpConfig, SmtpTransport, Trust};
use legwork::sandbox::{Act, Extensions};
use legwork::store::ClaimedJob;
use legwork::supervision::{ChildSpec, Tree};
use legwork::workers::{Perform, Worker};
use secrecy::SecretString;
use serde_json::json;

use super::tables::Row;
use crate::support::certificates::Authority;
use crate::support::relay::{Offer, OfferedLogin, OfferedTls, Relay, Step};

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
const TO: [&str; 3] = ["ada@example.org", "bob@example.net", "eve@example.com"];
/// The patience of an attempt that is let wait; the others have the usual one, which is far more than they need.
const SHORT: Duration = Duration::from_secs(2);
/// More than both sockets hold on this side of the loopback.
const LARGE: usize = 6_000_000;

/// A fault, whatever the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Close,
    Reset,
    Hang,
    NotNow,
    Never,
    Garbage,
    SlowBytes,
    TooSlowBytes,
}

impl Fault {
    fn acts(self) -> Vec<Act> {
        match self {
            Self::Close => vec![Act::Drop],
            Self::Reset => vec![Act::Reset],
            Self::Hang => vec![Act::Hang],
            Self::NotNow => vec![Act::Reply(b"451 4.3.0 not now".to_vec())],
            Self::Never => vec![Act::Reply(b"554 5.7.1 never".to_vec())],
            Self::Garbage => vec![
                Act::garbage_text(),
                Act::garbage_long(),
                Act::garbage_binary(),
                Act::garbage_nul(),
            ],
            Self::SlowBytes => vec![Act::Trickle(Duration::from_millis(5))],
            Self::TooSlowBytes => vec![Act::Trickle(SHORT)],
        }
    }
}

/// How a mail is said, by what the relay offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    OneByOne,
    Together,
    TogetherAndInChunks,
}

impl Manner {
    const ALL: [Self; 3] = [Self::OneByOne, Self::Together, Self::TogetherAndInChunks];

    fn extensions(self) -> Extensions {
        match self {
            Self::OneByOne => Extensions::PLAIN,
            Self::Together => Extensions {
                chunking: false,
                ..Extensions::ALL
            },
            Self::TogetherAndInChunks => Extensions::ALL,
        }
    }

    /// Whether there is such a step.
    fn has(self, step: &str) -> bool {
        match step {
            "chunk" => self == Self::TogetherAndInChunks,
            _ => true,
        }
    }
}

/// A fault at a step, for a mail with a rule.
pub(super) struct Case {
    row: Row,
    act: (usize, Act),
    rule: WhenUncertain,
    pub(super) manner: Manner,
}

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Came {
    /// Where the job was after the fault.
    pub(super) first: JobState,
    /// Attempts that it had spent when all was over.
    pub(super) spent: u32,
    /// Copies for the recipient of whom the fault was.
    pub(super) copies: usize,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row(step, fault, first, spent, copies) = self.row;
        write!(
            f,
            "Row({step:?}, Fault::{fault:?}, {first:?}, {spent}, {copies}) [act {}, {:?}]",
            self.act.0, self.manner
        )
    }
}

impl Case {
    /// Each kind of it, in each manner that has such a step.
    pub(super) fn of(row: Row, rule: WhenUncertain) -> impl Iterator<Item = Self> {
        let acts = row.1.acts().into_iter().enumerate();
        acts.flat_map(move |act| {
            let manners = Manner::ALL.into_iter().filter(move |manner| manner.has(row.0));
            manners.map(move |manner| Self {
                row,
                act: act.clone(),
                rule,
                manner,
            })
        })
    }

    /// One whose expectation is of no interest.
    pub(super) fn one(step: &'static str, fault: Fault, rule: WhenUncertain) -> Self {
        Self::of(Row(step, fault, '-', 0, 0), rule).next().unwrap()
    }

    pub(super) fn expected(&self) -> Came {
        let Row(_, _, first, spent, copies) = self.row;
        let repeats = first == 'U' && self.rule == WhenUncertain::Repeat;
        Came {
            first: match first {
                'S' => JobState::Scheduled,
                'R' => JobState::Retryable,
                'D' => JobState::Discarded,
                'C' => JobState::Completed,
                _ if repeats => JobState::Retryable,
                _ => JobState::Uncertain,
            },
            spent: spent + u32::from(repeats),
            copies: copies + usize::from(repeats),
        }
    }

    /// The step, how often the fault is, and of whom.
    fn place(&self) -> (Step, usize, Option<&'static str>) {
        match self.row.0 {
            "rcpt-first" => (Step::Rcpt, 1, Some(TO[0])),
            "rcpt-last" => (Step::Rcpt, 1, Some(TO[2])),
            "rcpt-all" => (Step::Rcpt, TO.len(), None),
            step => (step.parse().unwrap(), 1, None),
        }
    }

    /// Nobody listens, and so nothing of the dialogue is said.
    fn is_refused(&self) -> bool {
        self.row.0 == "connect"
    }

    /// Gives the relay its fault; of whom it is, if of one.
    async fn arrange(&self, relay: &Relay) -> Option<&'static str> {
        if self.is_refused() {
            relay.refuse().await;
            return None;
        }
        let (step, times, whose) = self.place();
        let fault = relay.at(step).times(times);
        let fault = match whose {
            Some(recipient) => fault.recipient(recipient),
            None => fault,
        };
        fault.act(self.act.1.clone());
        whose
    }

    fn is_encrypted(&self) -> bool {
        [
            "starttls",
            "handshake",
            "ehlo-again",
            "auth",
            "auth-user",
            "auth-password",
        ]
        .contains(&self.row.0)
    }

    fn text(&self) -> String {
        match self.row.0 {
            "body" => format!("{}\r\n", "x".repeat(900)).repeat(LARGE / 902),
            "chunk" => format!("{}\r\n", "x".repeat(70)).repeat(2_000),
            _ => "Hello\n".to_owned(),
        }
    }
}

/// A sandbox, and how to speak to it.
struct World {
    relay: Relay,
    config: SmtpConfig,
}

impl World {
    fn plain(extensions: Extensions) -> Self {
        let relay = Relay::offering_with(Offer::default(), extensions);
        let config = SmtpConfig::new("127.0.0.1", relay.port());
        Self { relay, config }
    }

    fn encrypted(extensions: Extensions) -> Self {
        let authority = Authority::new();
        let config = authority.issue(&["localhost"]).server_config();
        let offer = Offer {
            tls: OfferedTls::StartTls(config),
            login: Some(OfferedLogin::by("LOGIN")),
        };
        let relay = Relay::offering_with(offer, extensions);
        let config = SmtpConfig {
            security: Security::StartTls(Trust::load(Some(&authority.file())).unwrap()),
            login: Some(Login {
                user: "ada@example.com".to_owned(),
                password: SecretString::from("open sesame"),
            }),
            ..SmtpConfig::new("localhost", relay.port())
        };
        Self { relay, config }
    }
}

/// Plays a case to its end.
pub(super) async fn play(case: Case) -> (Case, Came) {
    let extensions = case.manner.extensions();
    let world = if case.is_encrypted() {
        World::encrypted(extensions)
    } else {
        World::plain(extensions)
    };
    let whose = case.arrange(&world.relay).await;
    let args = json!({
        "to": TO,
        "body": { "written": { "subject": "Hello", "text": case.text(), "html": null } },
        "when_uncertain": case.rule,
    })
    .to_string();
    let id = JobId::generate();
    let (mut spent, mut first, mut earlier) = (0, None, None);
    for fence in 1..=4 {
        let is_let_wait = fence == 1 && matches!(case.row.1, Fault::Hang | Fault::TooSlowBytes);
        let mut config = world.config.clone();
        if is_let_wait {
            config.command_timeout = SHORT;
            config.progress_timeout = SHORT;
            config.dot_timeout = SHORT;
        }
        if fence == 2 && case.is_refused() {
            world.relay.listen_again().await;
        }
        let report = attempt(id, &args, config, (spent + 1, fence), earlier.take()).await;
        let state = report.state.unwrap();
        first.get_or_insert(state);
        spent += u32::from(state != JobState::Scheduled);
        earlier = report.result;
        if !matches!(state, JobState::Scheduled | JobState::Retryable) {
            break;
        }
    }
    let mails = world.relay.held();
    let copies = mails.iter().filter(|mail| mail.is_to(whose.unwrap_or(TO[0]))).count();
    let first = first.unwrap();
    (case, Came { first, spent, copies })
}

/// One attempt of a mailer of its own, as after a restart: neither connections nor an outage are remembered.
async fn attempt(id: JobId, args: &str, config: SmtpConfig, of: (u32, i64), earlier: Option<String>) -> Report {
    let sender = Sender {
        address: EmailAddress::parse("legwork@example.com").unwrap(),
        name: None,
    };
    let postbox = Postbox::new(Arc::new(SmtpTransport::new(config)), sender).unwrap();
    let registry = Registry::new().with(EmailSend::new(postbox));
    let (number, fence) = of;
    let job = ClaimedJob {
        id,
        workspace: WorkspaceId::SERVICE,
        kind: "email.send".to_owned(),
        queue: Queue::Mail,
        args: args.into(),
        args_version: 1,
        attempt: number,
        max_attempts: 20,
        deadline: None,
        timeout: Duration::from_secs(300),
        fence,
        created_at: NOW,
        run_at: NOW,
        started_at: NOW,
        request_id: None,
        result: earlier,
        limit_key: String::new(),
    };
    let attempts = Attempts::new();
    let attempt = Attempt::new(AttemptParts {
        handle: attempts.begin(id, fence),
        kind: registry.get("email.send").unwrap(),
        job,
        ledger: Arc::new(MemoryLedger::new()),
        clock: Clock::manual(NOW),
        keep: Box::new(()),
    });
    let tree = Tree::new("root", Clock::System);
    let worker = tree.start(ChildSpec::new("mailer"), Worker::default);
    worker.ask(Perform(attempt)).await.unwrap().unwrap()
}
