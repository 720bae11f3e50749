//! Telling other nodes of what was committed here, and hearing of what they committed: one supervised thread, `listener`, with
//! a connection of its own.
//!
//! Guarantees: neither waits for the other nor blocks whoever commits; whoever hears is told several times a second up to which
//! moment nothing was missed, and is not told so by a peer that is dead without a word, which is left within four seconds; a lost connection is made anew, with a growing wait, and whoever hears is then told to look again, since
//! what was said meanwhile is lost. It ends within a fifth of a second when told to.
//!
//! What is told is told after its commit, by a session of its own: a `NOTIFY` within the transaction has all commits with one
//! wait for each other, the disk included. So it may be lost, with the process or the connection, which costs one poll. Changes to
//! who may come in are told otherwise: by the database, with their commit, since none of them may be lost, and they are rare. Left
//! out: what is heard by the node that told it, which has known it from its own commit.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::{AsyncMessage, Client};

use super::connect::{self, ConnectError, Messages};
use crate::config::PostgresSettings;
use crate::supervision::{ChildSpec, Supervisor, ThreadContext};
use crate::telemetry;
use crate::telemetry::names::event;

/// The thread's name in the supervision tree.
const NAME: &str = "listener";

/// How often the thread looks whether it is to end, and shows that it lives.
const TICK: Duration = Duration::from_millis(200);

/// Without a sign of life for this long the thread is stuck: far beyond a tick and beyond what a connection may take.
const LIVENESS: Duration = Duration::from_secs(30);

/// How often the server is asked for a sign of life, and how long it may take.
const CHECK: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(3));

/// The wait before the first new connection and the longest one; each is up to half as long again, so that nodes which lost
/// their server together do not come back together.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));

/// After a message was told, the least wait before the next: what is said meanwhile goes with it.
const PACE: Duration = Duration::from_millis(10);

/// Different messages that may wait to be told; what is beyond is not told.
const WAITING_MAX: usize = 1024;

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) enum Channel {
    /// Jobs became available; the message is the queue's name.
    Available,
    /// Events were written.
    Events,
    /// It changed who may come in; the message is the account's id. Told by the database alone.
    Credentials,
}

/// What whoever hears is told. Called on the listener's thread: it must not block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Heard<'a> {
    /// Another node said this.
    Message(Channel, &'a str),
    /// From now on nothing is missed, and before this it may have been: look at everything once.
    Again,
    /// All that was committed before this moment has been told.
    UpTo(Instant),
}

/// Is called with what is heard.
pub(in crate::store) type OnHeard = Arc<dyn Fn(Heard<'_>) + Send + Sync>;

/// The way to tell other nodes; clones are the same way.
#[derive(Clone, Default)]
pub(in crate::store) struct Announcer {
    inner: Arc<Announcements>,
}

#[derive(Default)]
struct Announcements {
    waiting: Mutex<BTreeSet<(Channel, String)>>,
    bell: tokio::sync::Notify,
}

impl Channel {
    const ALL: [Self; 3] = [Self::Available, Self::Events, Self::Credentials];

    const fn name(self) -> &'static str {
        match self {
            Self::Available => "legwork_available",
            Self::Events => "legwork_events",
            Self::Credentials => "legwork_credentials",
        }
    }
}

impl Announcer {
    /// Has other nodes hear `message`, soon and once, however often it is said meanwhile. Never waits.
    pub(in crate::store) fn tell(&self, channel: Channel, message: &str) {
        let mut waiting = self.inner.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < WAITING_MAX && waiting.insert((channel, message.to_owned())) {
            self.inner.bell.notify_one();
        }
    }

    /// What waits; waits for it.
    async fn next(&self) -> BTreeSet<(Channel, String)> {
        loop {
            let waiting = {
                let mut waiting = self.inner.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::take(&mut *waiting)
            };
            if !waiting.is_empty() {
                return waiting;
            }
            self.inner.bell.notified().await;
        }
    }
}

/// Starts the thread under `supervisor`; `on_heard` is called for as long as it lives, first with [`Heard::Again`].
pub(in crate::store) fn start(settings: &PostgresSettings, on_heard: OnHeard, supervisor: &Supervisor) -> Announcer {
    let announcer = Announcer::default();
    let listener = Listener {
        settings: settings.clone(),
        on_heard,
        announcer: announcer.clone(),
    };
    let spec = ChildSpec::new(NAME).liveness(Some(LIVENESS));
    // Nothing is sent to it: what it is told goes by the announcer.
    drop(supervisor.start_thread::<()>(spec, move |context| {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        listener.run(&runtime, context);
        Ok(())
    }));
    announcer
}

struct Listener {
    settings: PostgresSettings,
    on_heard: OnHeard,
    announcer: Announcer,
}

/// Why a connection is at its end.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the connection failed")]
    Failed(#[from] tokio_postgres::Error),
    #[error("the server closed the connection")]
    Closed,
    #[error("the server did not answer within {} seconds", CHECK.1.as_secs())]
    Silent,
}

impl Listener {
    fn run(&self, runtime: &Runtime, context: &mut ThreadContext<()>) {
        let mut is_told = false;
        let mut wait = BACKOFF.0;
        while !context.should_stop() {
            let ended = runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = told_to_stop(context) => None,
                    lost = self.converse(&mut is_told, &mut wait) => Some(lost),
                }
            });
            let Some(lost) = ended else { return };
            if !is_told {
                is_told = true;
                tracing::warn!(
                    event = event::LISTENER_LOST,
                    error = telemetry::chain(&lost),
                    "what other nodes commit is not heard of until there is a connection again; polls find it"
                );
            }
            if context.pause(jittered(wait)) {
                return;
            }
            wait = (wait * 2).min(BACKOFF.1);
        }
    }

    /// Connects, and hears and tells until that is at its end.
    async fn converse(&self, is_told: &mut bool, wait: &mut Duration) -> Lost {
        let (client, messages) = match connect::open(&self.settings).await {
            Ok(opened) => opened,
            Err(error) => return error.into(),
        };
        let own = AtomicI32::new(0);
        // Both at once: a statement is answered only while the messages are taken.
        let speaking = async {
            match greet(&client).await {
                Ok(id) => own.store(id, Ordering::SeqCst),
                Err(lost) => return lost,
            }
            if std::mem::take(is_told) {
                tracing::info!(
                    event = event::LISTENER_BACK,
                    "what other nodes commit is heard of again"
                );
            }
            *wait = BACKOFF.0;
            (self.on_heard)(Heard::Again);
            tokio::select! {
                lost = self.announce(&client) => lost,
                lost = self.check(&client) => lost,
            }
        };
        tokio::select! {
            lost = self.hear(messages, &own) => lost,
            lost = speaking => lost,
        }
    }

    async fn hear(&self, mut messages: Messages, own: &AtomicI32) -> Lost {
        while let Some(message) = messages.next().await {
            match message {
                // This node told it, and knows it from its own commit.
                Ok(AsyncMessage::Notification(said)) if said.process_id() == own.load(Ordering::SeqCst) => {}
                Ok(AsyncMessage::Notification(said)) => self.pass_on(&said),
                Ok(_a_notice) => {}
                Err(error) => return error.into(),
            }
        }
        Lost::Closed
    }

    fn pass_on(&self, said: &tokio_postgres::Notification) {
        let channel = Channel::ALL
            .into_iter()
            .find(|channel| channel.name() == said.channel());
        if let Some(channel) = channel {
            (self.on_heard)(Heard::Message(channel, said.payload()));
        }
    }

    /// Asks for a sign of life again and again, until there is none. The server gives it behind all that it had to tell.
    async fn check(&self, client: &Client) -> Lost {
        loop {
            let asked_at = Instant::now();
            if let Err(lost) = within(client.simple_query("")).await {
                return lost;
            }
            (self.on_heard)(Heard::UpTo(asked_at));
            sleep(CHECK.0).await;
        }
    }

    async fn announce(&self, client: &Client) -> Lost {
        loop {
            let waiting = self.announcer.next().await;
            let (channels, messages): (Vec<&str>, Vec<String>) = waiting
                .into_iter()
                .map(|(channel, message)| (channel.name(), message))
                .unzip();
            let statement =
                "SELECT pg_notify(channel, message) FROM unnest($1::text[], $2::text[]) AS told (channel, message)";
            if let Err(lost) = within(client.execute(statement, &[&channels, &messages])).await {
                return lost;
            }
            sleep(PACE).await;
        }
    }
}

/// Prepares the session, which writes nothing that must last, and answers its id.
async fn greet(client: &Client) -> Result<i32, Lost> {
    let own = within(client.query_one("SELECT pg_backend_pid()", &[]))
        .await?
        .try_get(0)?;
    let mut statements = String::from("SET synchronous_commit = off;");
    for channel in Channel::ALL {
        statements.push_str(" LISTEN ");
        statements.push_str(channel.name());
        statements.push(';');
    }
    within(client.batch_execute(&statements)).await?;
    Ok(own)
}

/// What the server answers, if it does so in time.
async fn within<T>(asked: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Lost> {
    match timeout(CHECK.1, asked).await {
        Ok(answered) => answered.map_err(Lost::from),
        Err(_elapsed) => Err(Lost::Silent),
    }
}

/// Shows that the thread lives, until it is to end.
async fn told_to_stop(context: &ThreadContext<()>) {
    while !context.should_stop() {
        context.beat("listening");
        sleep(TICK).await;
    }
}

/// `wait` and up to half of it.
fn jittered(wait: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(0);
    wait + wait.mul_f64(f64::from(random) / f64::from(u32::MAX) / 2.0)
}

#[cfg(test)]
#[path = "listen_tests.rs"]
mod tests;
