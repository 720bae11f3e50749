//! The supervisor seen from outside: actors that panic, block, refuse to stop, and what becomes of their messages.
//!
//! Time is paused, so that waits pass at once and in order; what a test waits for are events, never moments.

mod accounting;
mod limits;
mod liveness;
mod mailboxes;
mod otp;
mod random;
mod recovery;
mod rules;
mod scale;
mod stage;
mod stopping;
mod threads;
mod watches;
mod watching;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::fut::wrap_future;
use actix::{Actor, ActorFutureExt, AsyncContext, AtomicResponse, Handler, Message, ResponseActFuture, Running};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::*;
use crate::clock::{Clock, Timestamp};

/// What a test sees of its actors, and what it makes them do.
#[derive(Clone, Default)]
struct World(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Everything that actors did, in order.
    log: Vec<String>,
    /// How often the factory was called.
    builds: usize,
    /// For each coming call of the factory, whether it panics; none left means no.
    factory_panics: VecDeque<bool>,
    /// Hooks that panic.
    started_panics: bool,
    stopped_panics: bool,
    drop_panics: bool,
    /// Whether `stopping` asks to go on.
    goes_on: bool,
}

impl World {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn note(&self, what: impl Into<String>) {
        self.with(|state| state.log.push(what.into()));
    }

    fn log(&self) -> Vec<String> {
        self.with(|state| state.log.clone())
    }

    fn factory(&self) -> impl Fn() -> Scribe + Send + Sync + 'static {
        let world = self.clone();
        move || {
            let (build, panics) = world.with(|state| {
                state.builds += 1;
                (state.builds, state.factory_panics.pop_front().unwrap_or(false))
            });
            assert!(!panics, "factory failed");
            Scribe {
                build,
                seen: 0,
                world: world.clone(),
            }
        }
    }
}

/// An actor with some state that notes what it does.
struct Scribe {
    build: usize,
    seen: u32,
    world: World,
}

supervised!(Scribe);

impl Actor for Scribe {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.world.note(format!("{} started {}", ctx.name(), self.build));
        assert!(!self.world.with(|state| state.started_panics), "started failed");
    }

    fn stopping(&mut self, _: &mut Self::Context) -> Running {
        if self.world.with(|state| state.goes_on) {
            Running::Continue
        } else {
            Running::Stop
        }
    }

    fn stopped(&mut self, ctx: &mut Self::Context) {
        self.world.note(format!("{} stopped {}", ctx.name(), self.build));
        assert!(!self.world.with(|state| state.stopped_panics), "stopped failed");
    }
}

impl Drop for Scribe {
    fn drop(&mut self) {
        // Not while another panic unwinds: Rust ends the process for that, and promises nothing else.
        assert!(
            std::thread::panicking() || !self.world.with(|state| state.drop_panics),
            "drop failed"
        );
    }
}

/// Notes a number; answers how many this build has seen.
#[derive(Message, Debug, PartialEq)]
#[rtype(result = "u32")]
struct Note(u32);

/// Notes a number, then panics.
#[derive(Message)]
#[rtype(result = "()")]
struct Boom(u32);

/// Stops the actor from within, whatever `stopping` said before.
#[derive(Message, Debug, PartialEq)]
#[rtype(result = "()")]
struct Quit;

/// Keeps the actor from further messages until a permit comes.
#[derive(Message)]
#[rtype(result = "()")]
struct Hold(Arc<Semaphore>);

/// Runs something within the actor's handler.
#[derive(Message)]
#[rtype(result = "()")]
struct Run(Box<dyn FnOnce() + Send>);

/// Answers from a future spawned on the actor's context, which never ends.
#[derive(Message)]
#[rtype(result = "()")]
struct Never;

impl Handler<Note> for Scribe {
    type Result = actix::MessageResult<Note>;

    fn handle(&mut self, Note(number): Note, _: &mut Self::Context) -> Self::Result {
        self.seen += 1;
        self.world.note(format!("{number}"));
        actix::MessageResult(self.seen)
    }
}

impl Handler<Boom> for Scribe {
    type Result = ();

    fn handle(&mut self, Boom(number): Boom, _: &mut Self::Context) {
        self.world.note(format!("boom {number}"));
        panic!("boom {number}");
    }
}

impl Handler<Quit> for Scribe {
    type Result = ();

    fn handle(&mut self, Quit: Quit, ctx: &mut Self::Context) {
        self.world.with(|state| state.goes_on = false);
        ctx.stop();
    }
}

impl Handler<Run> for Scribe {
    type Result = ();

    fn handle(&mut self, Run(what): Run, _: &mut Self::Context) {
        what();
    }
}

impl Handler<Hold> for Scribe {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, Hold(go): Hold, _: &mut Self::Context) -> Self::Result {
        let wait = async move { go.acquire().await.unwrap().forget() };
        AtomicResponse::new(Box::pin(wrap_future::<_, Self>(wait)))
    }
}

impl Handler<Never> for Scribe {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, Never: Never, ctx: &mut Self::Context) -> Self::Result {
        ctx.spawn(wrap_future(std::future::pending()));
        Box::pin(wrap_future::<_, Self>(std::future::pending()).map(|(), _, _| ()))
    }
}

fn tree() -> Tree {
    tokio::time::pause();
    Tree::new("root", Clock::manual(Timestamp::from_micros(1_700_000_000_000_000)))
}

/// The next event of that kind; those before it are passed over.
async fn next(events: &mut Events, kind: EventKind) -> Arc<Event> {
    let wait = async {
        loop {
            match events.next().await.expect("the tree is there") {
                Heard::Event(event) if event.kind == kind => return event,
                Heard::Event(_) => {}
                Heard::Missed(missed) => panic!("missed {missed} events"),
            }
        }
    };
    timeout(Duration::from_secs(3_600), wait)
        .await
        .unwrap_or_else(|_| panic!("no event {kind:?}"))
}

/// Whether `took` is `expected`, to the millisecond that is the grain of the timers.
fn just(took: Duration, expected: Duration) -> bool {
    took >= expected && took <= expected + Duration::from_millis(1)
}

fn kinds(tree: &Tree) -> Vec<EventKind> {
    tree.recent().iter().map(|event| event.kind).collect()
}

/// Lets everything that can run now run, without time passing.
async fn settle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

/// Lets so much of the paused time pass, and whatever is due in it.
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
    settle().await;
}
