//! An SMTP relay inside the test process: records what it takes, and fails at any step when told.
//!
//! Guarantees: it runs on a thread and a runtime of its own, so that it answers whatever the test's runtime does (a paused
//! clock, a blocked thread); nothing in it sleeps (a slow answer is one that waits for a signal); what counts as taken is
//! what was recorded at the final dot. It offers 8BITMIME, TLS and logins as it is told to, and no PIPELINING.
//!
//! Rules are tried in the order in which they were given; the first that fits a step, and is not used up, acts.

mod login;
mod session;
mod step;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

pub(crate) use step::{Offer, OfferedLogin, OfferedTls, Step, Taken};

/// How long a test waits for something that should happen at once.
const WAIT_MAX: Duration = Duration::from_secs(20);

#[derive(Clone)]
enum Act {
    Reply(Vec<u8>),
    Drop,
    TakeThenDrop,
    Hold(Hold),
}

struct Rule {
    step: Step,
    recipient: Option<String>,
    times: Option<usize>,
    act: Act,
}

/// A rule that is being written; it holds once it is given an act.
pub(crate) struct RuleAt<'a> {
    relay: &'a Relay,
    step: Step,
    recipient: Option<String>,
    times: Option<usize>,
}

impl RuleAt<'_> {
    /// Only for this recipient (at [`Step::Rcpt`]).
    pub(crate) fn recipient(mut self, address: &str) -> Self {
        self.recipient = Some(address.to_owned());
        self
    }

    /// Only so many times; otherwise until [`Relay::heal`].
    pub(crate) fn times(mut self, times: usize) -> Self {
        self.times = Some(times);
        self
    }

    /// Answers this instead, such as `450 4.2.1 busy`; several lines are given with `\r\n` between them. After 421 the relay
    /// closes the connection, as the standard has it. A 2xx or 3xx changes the words and not what follows.
    pub(crate) fn reply(self, reply: &str) {
        self.reply_bytes(reply.as_bytes());
    }

    /// As [`Self::reply`], in whatever charset.
    pub(crate) fn reply_bytes(self, reply: &[u8]) {
        self.act(Act::Reply(reply.to_vec()));
    }

    /// Closes the connection without an answer.
    pub(crate) fn drop_connection(self) {
        self.act(Act::Drop);
    }

    /// At [`Step::Dot`]: takes the mail and closes the connection without an answer.
    pub(crate) fn take_then_drop(self) {
        self.act(Act::TakeThenDrop);
    }

    /// Answers as usual, but only once it is released. A mail that arrived at the dot is taken before the wait.
    pub(crate) fn hold(self) -> Hold {
        let hold = Hold {
            state: Arc::new(watch::Sender::new(HoldState {
                reached: 0,
                released: false,
            })),
        };
        self.act(Act::Hold(hold.clone()));
        hold
    }

    fn act(self, act: Act) {
        let Self {
            relay,
            step,
            recipient,
            times,
        } = self;
        relay.shared.lock().rules.push(Rule {
            step,
            recipient,
            times,
            act,
        });
    }
}

/// A step at which the relay waits.
#[derive(Clone)]
pub(crate) struct Hold {
    state: Arc<watch::Sender<HoldState>>,
}

struct HoldState {
    reached: usize,
    released: bool,
}

impl Hold {
    /// Waits until `count` dialogues have come to this step.
    pub(crate) async fn reached(&self, count: usize) {
        let mut state = self.state.subscribe();
        within(async move { state.wait_for(|state| state.reached >= count).await.map(|_| ()) })
            .await
            .unwrap();
    }

    /// Lets all of them go on, later ones included.
    pub(crate) fn release(&self) {
        self.state.send_modify(|state| state.released = true);
    }

    async fn wait(&self) {
        self.state.send_modify(|state| state.reached += 1);
        let mut state = self.state.subscribe();
        state
            .wait_for(|state| state.released)
            .await
            .expect("the hold keeps its sender");
    }
}

#[derive(Default)]
struct Inner {
    taken: Vec<Taken>,
    commands: Vec<String>,
    rules: Vec<Rule>,
}

/// What the test wants of the listener, counted up so that each wish is seen.
#[derive(Clone, Copy)]
struct Wish {
    listening: bool,
    /// Connections opened before the last change of this number are closed.
    generation: usize,
    stop: bool,
}

struct Shared {
    offer: Offer,
    inner: Mutex<Inner>,
    counts: watch::Sender<Counts>,
    wish: watch::Sender<Wish>,
    connections: AtomicUsize,
}

/// What can be waited for.
#[derive(Clone, Copy, Default)]
struct Counts {
    taken: usize,
    open: usize,
    listening: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, mail: Taken) {
        // Recorded and counted under one lock, so that whoever has seen the count finds the mail.
        let mut inner = self.lock();
        inner.taken.push(mail);
        let taken = inner.taken.len();
        self.counts.send_modify(|counts| counts.taken = taken);
    }

    /// What the first fitting rule says, once for each step.
    fn act_at(&self, step: Step, recipient: Option<&str>) -> Option<Act> {
        let mut inner = self.lock();
        let fits = |rule: &&mut Rule| {
            rule.step == step
                && rule.times != Some(0)
                && (rule.recipient.is_none() || rule.recipient.as_deref() == recipient)
        };
        let rule = inner.rules.iter_mut().find(fits)?;
        rule.times = rule.times.map(|times| times - 1);
        Some(rule.act.clone())
    }
}

/// A running relay; it stops when dropped.
pub(crate) struct Relay {
    shared: Arc<Shared>,
    address: SocketAddr,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Relay {
    /// Starts a relay on a free port of 127.0.0.1, without TLS and logins.
    pub(crate) fn start() -> Self {
        Self::offering(Offer::default())
    }

    /// Starts a relay with TLS and logins as `offer` has them.
    pub(crate) fn offering(offer: Offer) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            offer,
            inner: Mutex::default(),
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
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                runtime.block_on(async {
                    let listener = TcpListener::from_std(listener).unwrap();
                    session::accept(listener, address, &shared).await;
                });
            }
        });
        Self {
            shared,
            address,
            thread: Some(thread),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Where it listens, as the service's setting.
    pub(crate) fn url(&self) -> String {
        match self.shared.offer.tls {
            OfferedTls::Implicit(_) => format!("smtps://{}", self.address),
            OfferedTls::None | OfferedTls::StartTls(_) => format!("smtp://{}", self.address),
        }
    }

    /// Begins a rule for a step.
    pub(crate) fn at(&self, step: Step) -> RuleAt<'_> {
        RuleAt {
            relay: self,
            step,
            recipient: None,
            times: None,
        }
    }

    /// Takes all rules away; who waits at a hold goes on waiting.
    pub(crate) fn heal(&self) {
        self.shared.lock().rules.clear();
    }

    /// All mails taken so far, in the order in which they were taken.
    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.shared.lock().taken.clone()
    }

    /// Waits until `count` mails are taken, and answers with all there are.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Taken> {
        if self.wait(|counts| counts.taken >= count).await.is_err() {
            panic!("waited for {count} mails, the relay has taken {}", self.taken().len());
        }
        self.taken()
    }

    /// Every command line so far, over all connections.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.shared.lock().commands.clone()
    }

    /// How many connections were opened so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Waits until exactly `count` connections are open.
    pub(crate) async fn wait_for_open(&self, count: usize) {
        self.wait(|counts| counts.open == count)
            .await
            .expect("the number of open connections was not reached");
    }

    /// Closes all open connections, idle ones included, and waits until they are.
    pub(crate) async fn close_connections(&self) {
        self.shared.wish.send_modify(|wish| wish.generation += 1);
        self.wait_for_open(0).await;
    }

    /// Stops listening (connecting is refused) and closes all connections, until [`Relay::listen_again`].
    pub(crate) async fn refuse(&self) {
        self.shared.wish.send_modify(|wish| {
            wish.listening = false;
            wish.generation += 1;
        });
        self.wait(|counts| !counts.listening && counts.open == 0)
            .await
            .expect("the relay still listens");
    }

    /// Listens again on the same port.
    pub(crate) async fn listen_again(&self) {
        self.shared.wish.send_modify(|wish| wish.listening = true);
        self.wait(|counts| counts.listening)
            .await
            .expect("the relay does not listen");
    }

    async fn wait(&self, reached: impl FnMut(&Counts) -> bool) -> Result<(), TooLong> {
        let mut counts = self.shared.counts.subscribe();
        within(async move { counts.wait_for(reached).await.map(|_| ()) }).await
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.wish.send_modify(|wish| wish.stop = true);
        if let Some(thread) = self.thread.take() {
            // If it panicked, its words are on standard error already, and the test has failed by what it missed.
            drop(thread.join());
        }
    }
}

#[derive(Debug)]
struct TooLong;

/// Waits with a bound that a paused clock does not shorten: a thread's clock, not tokio's.
async fn within(reached: impl Future<Output = Result<(), watch::error::RecvError>>) -> Result<(), TooLong> {
    let (over, is_over) = tokio::sync::oneshot::channel::<()>();
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        if is_done.recv_timeout(WAIT_MAX) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            drop(over);
        }
    });
    let result = tokio::select! {
        reached = reached => reached.or(Err(TooLong)),
        _ = is_over => Err(TooLong),
    };
    drop(done);
    result
}
