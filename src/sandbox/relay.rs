//! The relay itself: its thread, its rules, what it holds, and what can be asked of it from outside.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::act::Act;
use super::capture::{Captures, Taken};
use super::offer::{Extensions, Offer, OfferedTls};
use super::rule::{Rule, RuleAt, RuleStanding};
use super::session::{self, Recipient};
use super::step::Step;
use crate::clock::Clock;

/// The most command lines that are remembered; the oldest go first.
const COMMANDS_MAX: usize = 100_000;
/// The most rules that stand at a time.
const RULES_MAX: usize = 1_000;
/// The most addresses of which it is remembered that their `-once` has been.
const ONCE_MAX: usize = 100_000;

/// How a relay is set up.
#[derive(Clone)]
pub struct Options {
    /// Where it listens; port 0 takes a free one.
    pub bind: SocketAddr,
    /// Encryption and login.
    pub offer: Offer,
    /// The extensions that it names in EHLO's answer.
    pub extensions: Extensions,
    /// How much it holds.
    pub keep: Keep,
    /// The most connections at a time; those beyond are told 421.
    pub connections_max: usize,
    /// What it dates mails by.
    pub clock: Clock,
}

/// How much a relay holds.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// At most so many mails.
    pub mails: usize,
    /// Of at most so many bytes together.
    pub bytes: usize,
}

impl Default for Options {
    /// On a free port of 127.0.0.1, without TLS and logins, with 8BITMIME alone; holds all that comes.
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            offer: Offer::default(),
            extensions: Extensions::PLAIN,
            keep: Keep {
                mails: usize::MAX,
                bytes: usize::MAX,
            },
            connections_max: 10_000,
            clock: Clock::System,
        }
    }
}

/// A running relay; it stops when dropped.
pub struct Relay {
    pub(super) shared: Arc<Shared>,
    address: SocketAddr,
    thread: Option<std::thread::JoinHandle<()>>,
}

pub(super) struct Shared {
    pub(super) options: Options,
    inner: Mutex<Inner>,
    pub(super) counts: watch::Sender<Counts>,
    pub(super) wish: watch::Sender<Wish>,
    pub(super) connections: AtomicUsize,
}

struct Inner {
    captures: Captures,
    commands: VecDeque<String>,
    rules: Vec<Standing>,
    last_rule: u64,
    /// Which addresses had their fault, at which step, where it is to be once.
    had: HashSet<(String, Step)>,
}

struct Standing {
    id: u64,
    rule: Rule,
    hits: usize,
}

/// What can be waited for.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    /// Mails taken since the start.
    pub(super) taken: usize,
    /// Grows with whatever changes in what is held.
    pub(super) version: u64,
    pub(super) open: usize,
    pub(super) listening: bool,
}

/// What is wanted of the listener, counted up so that each wish is seen.
#[derive(Clone, Copy)]
pub(super) struct Wish {
    pub(super) listening: bool,
    /// Connections opened before the last change of this number are closed.
    pub(super) generation: usize,
    pub(super) stop: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take(&self, mail: Taken) {
        // Recorded and counted under one lock, so that whoever has seen the count finds the mail.
        let mut inner = self.lock();
        inner.captures.add(mail);
        self.counts.send_modify(|counts| {
            counts.taken = counts.taken.saturating_add(1);
            counts.version = counts.version.wrapping_add(1);
        });
    }

    pub(super) fn command(&self, line: String) {
        let mut inner = self.lock();
        if inner.commands.len() >= COMMANDS_MAX {
            inner.commands.pop_front();
        }
        inner.commands.push_back(line);
    }

    /// What the first fitting rule says, or else an address, once for each step.
    pub(super) fn act_at(&self, step: Step, to: &[Recipient]) -> Option<Act> {
        let mut inner = self.lock();
        let fits = |standing: &&mut Standing| {
            let rule = &standing.rule;
            rule.step == step
                && rule.times != Some(0)
                && rule.is_for(to.iter().map(|recipient| recipient.address.as_str()))
        };
        if let Some(standing) = inner.rules.iter_mut().find(fits) {
            standing.rule.times = standing.rule.times.map(|times| times.saturating_sub(1));
            standing.hits = standing.hits.saturating_add(1);
            return Some(standing.rule.act.clone());
        }
        to.iter().find_map(|recipient| {
            let (at, act, is_once) = recipient.fault.as_ref().filter(|(at, _, _)| *at == step)?;
            let is_due =
                !is_once || inner.had.len() < ONCE_MAX && inner.had.insert((recipient.address.to_lowercase(), *at));
            is_due.then(|| act.clone())
        })
    }
}

impl Relay {
    /// Starts a relay.
    ///
    /// # Errors
    /// When it cannot listen there, or a thread cannot be had.
    pub fn open(options: Options) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(options.bind)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let inner = Inner {
            captures: Captures::new(options.keep.mails, options.keep.bytes),
            commands: VecDeque::new(),
            rules: Vec::new(),
            last_rule: 0,
            had: HashSet::new(),
        };
        let shared = Arc::new(Shared {
            options,
            inner: Mutex::new(inner),
            counts: watch::Sender::new(Counts {
                listening: true,
                ..Counts::default()
            }),
            wish: watch::Sender::new(Wish {
                listening: true,
                generation: 0,
                stop: false,
            }),
            connections: AtomicUsize::new(0),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _within = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let thread = std::thread::Builder::new().name("sandbox".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || runtime.block_on(session::accept(listener, address, &shared))
        })?;
        Ok(Self {
            shared,
            address,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port at which it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Where it listens, as the service's setting.
    #[must_use]
    pub fn url(&self) -> String {
        match self.shared.options.offer.tls {
            OfferedTls::Implicit(_) => format!("smtps://{}", self.address),
            OfferedTls::None | OfferedTls::StartTls(_) => format!("smtp://{}", self.address),
        }
    }

    /// Begins a rule for a step.
    pub const fn at(&self, step: Step) -> RuleAt<'_> {
        RuleAt::new(self, step)
    }

    /// Adds a rule, after those that stand; its number. None where a thousand stand already.
    pub fn rule(&self, rule: Rule) -> Option<u64> {
        let mut inner = self.shared.lock();
        if inner.rules.len() >= RULES_MAX {
            return None;
        }
        inner.last_rule = inner.last_rule.saturating_add(1);
        let id = inner.last_rule;
        inner.rules.push(Standing { id, rule, hits: 0 });
        Some(id)
    }

    /// The rules that stand, those that are used up included.
    #[must_use]
    pub fn rules(&self) -> Vec<RuleStanding> {
        let shown = |standing: &Standing| RuleStanding {
            id: standing.id,
            rule: standing.rule.to_string(),
            left: standing.rule.times,
            hits: standing.hits,
        };
        self.shared.lock().rules.iter().map(shown).collect()
    }

    /// Takes one rule away; whether there was one of that number.
    pub fn take_rule_away(&self, id: u64) -> bool {
        let mut inner = self.shared.lock();
        let before = inner.rules.len();
        inner.rules.retain(|standing| standing.id != id);
        inner.rules.len() < before
    }

    /// Takes all rules away, and forgets which addresses had their fault; who waits at a hold goes on waiting.
    pub fn heal(&self) {
        let mut inner = self.shared.lock();
        inner.rules.clear();
        inner.had.clear();
    }

    /// All mails that are held, in the order in which they were taken.
    #[must_use]
    pub fn held(&self) -> Vec<Arc<Taken>> {
        self.shared.lock().captures.held()
    }

    /// The mail of this number, if it is held.
    #[must_use]
    pub fn one(&self, id: u64) -> Option<Arc<Taken>> {
        self.shared.lock().captures.one(id)
    }

    /// Forgets all mails that are held.
    pub fn clear(&self) {
        self.shared.lock().captures.clear();
        self.shared
            .counts
            .send_modify(|counts| counts.version = counts.version.wrapping_add(1));
    }

    /// Copies of all mails that are held, in the order in which they were taken.
    #[must_use]
    pub fn taken(&self) -> Vec<Taken> {
        self.held().iter().map(|mail| Taken::clone(mail)).collect()
    }

    /// Grows with each mail that is taken, and with each [`Relay::clear`].
    #[must_use]
    pub fn version(&self) -> u64 {
        self.shared.counts.borrow().version
    }

    /// Waits until what is held is no longer as it was at `version`; answers the new version.
    pub async fn changed_since(&self, version: u64) -> u64 {
        let mut counts = self.shared.counts.subscribe();
        // It fails where there is no sender any more, and this holds one.
        counts
            .wait_for(|counts| counts.version != version)
            .await
            .map_or(version, |counts| counts.version)
    }

    /// The last hundred thousand command lines, over all connections, passwords included.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        self.shared.lock().commands.iter().cloned().collect()
    }

    /// How many connections were opened so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.wish.send_modify(|wish| wish.stop = true);
        if let Some(thread) = self.thread.take() {
            // If it panicked, its words are on standard error already, and nothing more can be done about it.
            drop(thread.join());
        }
    }
}
