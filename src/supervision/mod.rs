//! A supervisor tree for actix actors. It knows nothing of what the actors do.
//!
//! An actor stays an ordinary actix actor; it names [`Context`] as its context and is registered with one line:
//!
//! ```
//! use legwork::supervision::{Context, supervised};
//!
//! struct Counter { seen: u64 }
//!
//! impl actix::Actor for Counter {
//!     type Context = Context<Self>;
//! }
//! supervised!(Counter);
//!
//! #[derive(actix::Message)]
//! #[rtype(result = "u64")]
//! struct Count;
//!
//! impl actix::Handler<Count> for Counter {
//!     type Result = u64;
//!     fn handle(&mut self, _: Count, _: &mut Context<Self>) -> u64 {
//!         self.seen += 1;
//!         self.seen
//!     }
//! }
//!
//! # #[actix::main]
//! # async fn main() {
//! use legwork::clock::Clock;
//! use legwork::supervision::{ChildSpec, Tree};
//!
//! let tree = Tree::new("root", Clock::System);
//! let counter = tree.start(ChildSpec::new("counter").mailbox(64), || Counter { seen: 0 });
//! assert_eq!(counter.ask(Count).await, Ok(1));
//! tree.stop().await;
//! # }
//! ```
//!
//! # The tree
//!
//! A [`Tree`] has a root [`Supervisor`]; under a supervisor are actors ([`Supervisor::start`]), threads for work that blocks
//! ([`Supervisor::start_thread`]), further supervisors ([`Supervisor::supervisor`]) and children of one spec that are started
//! on demand ([`Supervisor::dynamic`]). What each is to its supervisor is said in its [`ChildSpec`] or [`SupervisorSpec`]:
//! which ends are followed by a restart, who else is restarted with it ([`Strategy`]), how often, how it is ended. That of
//! the service, started from the top and ended from the bottom:
//!
//! ```text
//! root              supervisor, arbiter "supervision"
//! ├── writer        thread, whose failures are the root's
//! ├── jobs          supervisor
//! │   ├── keeper      actor, an arbiter of its own
//! │   ├── workers     supervisor
//! │   │   ├── mailer    actor, an arbiter of its own
//! │   │   ├── prober    actor, an arbiter of its own
//! │   │   └── reporter  actor, an arbiter of its own
//! │   └── dispatcher  actor, an arbiter of its own
//! └── control       actor, the main thread
//! ```
//!
//! # Guarantees
//!
//! - **A panic is an event, not an end.** It loses the message whose handler panicked, and nothing else: the address and
//!   the waiting messages stay, the state is built anew by the factory, and whoever asked hears [`AskError::Panicked`].
//!   The same goes for a panic in the factory, a hook, a spawned future, a [`Context::task`] or a destructor. It does end
//!   every future and task of that life; what runs beside the actor it cannot reach.
//! - **Every accepted message** is handled exactly once, or was the one that panicked, or is counted: as evicted, if its
//!   spec lets newer ones take its place, or as undelivered when its child stops; then the spec's hook is handed it. A message
//!   that was not accepted is handed back, or its sender is told.
//! - **Mailboxes are bounded, exactly**, and those who wait for room are admitted in their order. There is no way to send
//!   past the bound.
//! - **Failures are met with a growing wait**, and reach no further than the specs say: beyond its intensity a child is
//!   degraded, and tried again at long intervals or by an operator; or its failures are its supervisor's
//!   ([`Beyond::Escalate`]), which fails in turn beyond its own [`Intensity`]. No failure ends the process; that of the root
//!   ends the tree, and [`Tree::failed`] tells.
//! - **Orders come before messages**: an actor sees a stop or a restart after the message at hand, however full its
//!   mailbox is. After a stop began nothing is restarted.
//! - **Nothing that a child does or leaves undone holds its supervisor up**: it is told to end, cut off when its time is
//!   over, and given up when it does not notice. Only [`Shutdown::Unbounded`] waits for as long as it takes.
//! - **Everything that happens** is an [`Event`], in one order, for subscribers and in the log; and whoever
//!   [watches](Context::watch) a child is told of each end of it.
//!
//! # Liveness
//!
//! A supervisor asks its actors for signs of life through their mailboxes. One that gives none for its
//! [limit](ChildSpec::liveness), because it waits, blocks or loops, its factory included, is reported as
//! [stuck](EventKind::Stuck) with the message that it is at. It is found within a quarter more than its limit, while
//! the supervisor's own thread runs: a supervisor that shares its thread with an actor that blocks sees nothing until
//! that goes on. Then it is replaced, if its spec does not say otherwise: cut off where it waits, its mailbox kept; or,
//! if it blocks a thread of its own, left behind there and built anew on another. What is left behind gets no message
//! and no order any more, and is counted as abandoned until it ends. An actor that blocks a thread which it shares
//! stays shown as stuck until it goes on. A thread is at work from a message to its next call of
//! [`receive`](ThreadContext::receive), and says by [`beat`](ThreadContext::beat) that it gets on.
//!
//! # Threads
//!
//! [`Tree`], [`Supervisor`], [`Address`], [`Sender`] and [`Recipient`] may be used from any thread, and none of their methods
//! blocks. The factory, the actor, its hooks and its futures run on the thread of the child's arbiter and never move: the
//! actor need not be `Send`. An `in_flight` gauge runs on the thread that asks for the snapshot; a hook for undelivered
//! messages on the one that drops them. An actor that blocks its thread blocks the other actors there; so does one that
//! shares the thread of its supervisor, which can then neither find it nor give it up.
//!
//! # Stopping
//!
//! The children are ended from the last to the first, those of a [phase](ChildSpec::phase) together. A stop closes the
//! mailbox, then asks the actor's `stopping` hook. An actor that answers `Running::Continue` goes on, with the messages it
//! still has, until it stops itself or its shutdown time is over. `stopped` runs in each case, except for an actor that is
//! down at that moment: a broken value is never called again. [`Tree::stop`] tells of each child how it ended; one whose
//! thread did not answer is [`StopKind::Abandoned`].
//!
//! # Other than in OTP
//!
//! - Addresses and mailboxes outlive restarts: there is no name to look up again, and what was sent is not lost.
//! - A first start that fails is a failure like any other, met with a restart; nobody waits for it.
//! - Restarts wait (50 ms doubling to 2 s, with jitter). The intensity counts failures within *running* time, or the waits
//!   would hide a child that can never work.
//! - Beyond its intensity a child is degraded by default, since a service with one queue down is worth more than none.
//!   Escalation is a choice, for children whose state belongs together.
//! - A transient child that is done leaves the tree, and does not come back with its group or its supervisor.
//! - A child that makes no progress is found and replaced; OTP leaves that to the application.
//!
//! # Testing an actor
//!
//! An actor can be tested alone, by sending it messages: the feature `testing` adds `Universe`, a tree in paused time in
//! which tests wait for events and messages and have actors panic, hang or start late. This crate's own tests use it; the
//! feature is off in the service. Another crate turns it on for its tests alone:
//!
//! ```toml
//! [dev-dependencies]
//! actix = "0.13"
//! legwork = { path = "…", features = ["testing"] }
//! ```
//!
//! The module `universe` begins with a whole example; `cargo doc --features testing` shows it.
//!
//! # Absent on purpose
//!
//! No `do_send`, which ignores the bound. No time limit on `ask`: the caller knows what it can wait for. No message is
//! tried twice: what failed once may be the cause. No globals, so that tests may run many trees at once. No changing of
//! specs at run time: what must be changed is stopped, and started anew. No killing of threads, which Rust has no safe
//! way for. Other machines are out of reach.

mod address;
mod cause;
mod child;
mod context;
mod delivery;
mod dynamic;
mod ends;
mod event;
mod faults;
mod gate;
mod inspection;
mod latency;
mod life;
mod liveness;
mod lives;
mod moment;
mod nest;
mod orders;
mod pace;
mod panics;
mod plan;
mod policy;
mod pump;
mod queue;
mod recipient;
pub mod shutdown;
mod snapshot;
mod spec;
mod stillness;
mod stopped;
mod strategy;
mod supervisor;
mod surroundings;
#[cfg(test)]
mod tests;
mod thread;
mod thread_life;
mod tree;
mod undelivered;
#[cfg(feature = "testing")]
pub mod universe;
mod vessel;
mod watch;
mod watchman;

pub use crate::__supervised as supervised;
pub use address::{Address, AskError, Supervised, TellError};
pub use cause::{Cause, CauseKind};
pub use context::Context;
pub use dynamic::Dynamic;
pub use event::{Event, EventKind, Events, Heard};
pub use faults::Fault;
pub use gate::MailboxGauge;
pub use panics::{capture_backtraces, panic_text};
pub use policy::{Beyond, Intensity, RestartPolicy};
pub use recipient::Recipient;
pub use snapshot::{Doing, Failure, MessageTime, NodeKind, NodeSnapshot, NodeState};
pub use spec::{ChildSpec, Restart, Shutdown, WhenDown, WhenFull, WhenStuck};
pub use stopped::{StopKind, Stopped};
pub use strategy::{AutoShutdown, Strategy, SupervisorSpec};
pub use supervisor::Supervisor;
pub use thread::{Sender, ThreadContext};
pub use thread_life::ThreadError;
pub use tree::{NoSuchChild, OrderError, Tree};
pub use undelivered::{Undeliverable, Undelivered};
#[cfg(feature = "testing")]
pub use universe::{EventProbe, Probe, Universe};
pub use watch::{Down, Watchable};

/// Makes an actor whose context is [`Context`] one that a [`Tree`] can start: `supervised!(Mailer);`.
///
/// It implements `actix::Supervised`, which actix asks of whoever is restarted.
#[doc(hidden)]
#[macro_export]
macro_rules! __supervised {
    ($actor:ty) => {
        impl ::actix::Supervised for $actor {
            fn restarting(&mut self, ctx: &mut $crate::supervision::Context<Self>) {
                ctx.farewell(self);
            }
        }
    };
}
