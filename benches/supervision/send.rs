//! A message to a supervised actor against one to a bare actix actor, from the sender until it is handled.
//!
//! The mailboxes are of the same size and hold all that is sent at once, so that nobody waits for room.

use std::time::Instant;

use actix::{Actor, Addr, Arbiter, Context, Handler, Message, System};
use futures_util::future::join_all;
use legwork::clock::Clock;
use legwork::supervision::{self, Address, ChildSpec, Tree, supervised};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::turns::Turns;

const ROUNDS: usize = 15;
const MAILBOX: usize = 100_000;

/// A message; the actor says so if it is the last.
#[derive(Message)]
#[rtype(result = "u64")]
struct Tick {
    is_last: bool,
}

#[derive(Clone)]
struct Counter {
    seen: u64,
    done: UnboundedSender<()>,
}

impl Counter {
    fn count(&mut self, tick: &Tick) -> u64 {
        self.seen += 1;
        if tick.is_last {
            self.done.send(()).unwrap();
        }
        self.seen
    }
}

struct Bare(Counter);

impl Actor for Bare {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
    }
}

impl Handler<Tick> for Bare {
    type Result = u64;

    fn handle(&mut self, tick: Tick, _: &mut Context<Self>) -> u64 {
        self.0.count(&tick)
    }
}

struct Ours(Counter);

impl Actor for Ours {
    type Context = supervision::Context<Self>;
}
supervised!(Ours);

impl Handler<Tick> for Ours {
    type Result = u64;

    fn handle(&mut self, tick: Tick, _: &mut supervision::Context<Self>) -> u64 {
        self.0.count(&tick)
    }
}

/// How messages reach an actor.
trait Reach {
    fn tell(&self, tick: Tick);
    async fn ask(&self, tick: Tick) -> u64;
}

impl Reach for Addr<Bare> {
    fn tell(&self, tick: Tick) {
        self.try_send(tick).unwrap();
    }

    async fn ask(&self, tick: Tick) -> u64 {
        self.send(tick).await.unwrap()
    }
}

impl Reach for Address<Ours> {
    fn tell(&self, tick: Tick) {
        self.try_tell(tick).unwrap();
    }

    async fn ask(&self, tick: Tick) -> u64 {
        Address::ask(self, tick).await.unwrap()
    }
}

/// What is sent, and how often: `at_once` messages, then the wait until the last is handled, `times` times.
#[derive(Clone, Copy)]
struct Load {
    what: &'static str,
    is_ask: bool,
    at_once: u32,
    times: u32,
}

const LOADS: &[Load] = &[
    Load {
        what: "tell, 1,000 at once",
        is_ask: false,
        at_once: 1_000,
        times: 100,
    },
    Load {
        what: "tell, 100,000 at once",
        is_ask: false,
        at_once: 100_000,
        times: 1,
    },
    Load {
        what: "ask, one by one",
        is_ask: true,
        at_once: 1,
        times: 10_000,
    },
    Load {
        what: "ask, 64 at once",
        is_ask: true,
        at_once: 64,
        times: 800,
    },
];

impl Load {
    /// Nanoseconds a message.
    async fn put(self, actor: &impl Reach, done: &mut UnboundedReceiver<()>) -> f64 {
        let tick = |number| Tick {
            is_last: number + 1 == self.at_once,
        };
        let start = Instant::now();
        for _ in 0..self.times {
            match self.at_once {
                1 if self.is_ask => drop(actor.ask(tick(0)).await),
                _ if self.is_ask => drop(join_all((0..self.at_once).map(|number| actor.ask(tick(number)))).await),
                _ => (0..self.at_once).for_each(|number| actor.tell(tick(number))),
            }
            done.recv().await.unwrap();
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(self.at_once * self.times)
    }
}

pub(crate) fn measure() {
    for is_apart in [false, true] {
        for load in LOADS {
            let turns = Turns::take(
                ROUNDS,
                || System::new().block_on(ours(*load, is_apart)),
                || System::new().block_on(bare(*load, is_apart)),
            );
            println!(
                "{}, {:>21}: supervised {:.0} ns, bare {:.0} ns, ratio {:.2}",
                if is_apart { "another thread" } else { "  same thread" },
                load.what,
                turns.ours(),
                turns.bare(),
                turns.ratio()
            );
        }
    }
}

async fn bare(load: Load, is_apart: bool) -> f64 {
    let (done, mut receiver) = unbounded_channel();
    let counter = Counter { seen: 0, done };
    let arbiter = is_apart.then(Arbiter::new);
    let actor = match &arbiter {
        Some(arbiter) => Bare::start_in_arbiter(&arbiter.handle(), |_| Bare(counter)),
        None => Bare(counter).start(),
    };
    // Once, so that it is there.
    actor.ask(Tick { is_last: false }).await;
    let nanos = load.put(&actor, &mut receiver).await;
    end(arbiter);
    nanos
}

async fn ours(load: Load, is_apart: bool) -> f64 {
    let (done, mut receiver) = unbounded_channel();
    let counter = Counter { seen: 0, done };
    let arbiter = is_apart.then(Arbiter::new);
    let spec = ChildSpec::new("counter").mailbox(MAILBOX);
    let spec = match &arbiter {
        Some(arbiter) => spec.on(arbiter.handle()),
        None => spec,
    };
    let tree = Tree::new("root", Clock::System);
    let actor = tree.start(spec, move || Ours(counter.clone()));
    actor.ask(Tick { is_last: false }).await.unwrap();
    let nanos = load.put(&actor, &mut receiver).await;
    tree.stop().await;
    end(arbiter);
    nanos
}

fn end(arbiter: Option<Arbiter>) {
    if let Some(arbiter) = arbiter {
        arbiter.stop();
        arbiter.join().unwrap();
    }
}
