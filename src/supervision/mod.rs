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
//! # Guarantees
//!
//! - **A panic is an event, not an end.** It loses the message whose handler panicked, and nothing else: the address and
//!   the waiting messages stay, the state is built anew by the factory, and whoever asked hears [`AskError::Panicked`].
//!   The same goes for a panic in the factory, a hook, a spawned future or a destructor. What a panic cannot reach are
//!   tasks beside the actor; what it does end is every future spawned on the actor's context.
//! - **Every accepted message** is handled exactly once, or was the one that panicked, or is counted as undelivered when
//!   its child stops. A message that was not accepted is handed back, or its sender is told.
//! - **Mailboxes are bounded, exactly**, and those who wait for room are admitted in their order. There is no way to send
//!   past the bound.
//! - **Failures are met with a growing wait**; beyond the intensity the child is degraded, and tried again at long
//!   intervals or by an operator. No failure of a child ends the process, or another child.
//! - **Orders come before messages**: an actor sees a stop or a restart after the message at hand, however full its
//!   mailbox is. After a stop began nothing is restarted.
//! - **Everything that happens** is an [`Event`], in one order, for subscribers and in the log.
//!
//! # Threads
//!
//! [`Tree`], [`Address`] and [`Recipient`] may be used from any thread, and none of their methods blocks. The factory, the
//! actor, its hooks and its futures run on the thread of the child's arbiter and never move: the actor need not be `Send`.
//! An `in_flight` gauge runs on the thread that asks for the snapshot. An actor that blocks its thread blocks the other
//! actors there; [`Tree::stop`], called on another thread, then reports it as [`StopKind::Abandoned`].
//!
//! # Stopping
//!
//! A stop closes the mailbox, then asks the actor's `stopping` hook. An actor that answers `Running::Continue` goes on,
//! with the messages it still has, until it stops itself or its shutdown time is over. `stopped` runs in each case, except
//! for an actor that is down at that moment: a broken value is never called again.
//!
//! # Absent on purpose
//!
//! No `do_send`, which ignores the bound. No time limit on `ask`: the caller knows what it can wait for. No message is
//! tried twice: what failed once may be the cause. No globals, so that tests may run many trees at once. One level of
//! children, all permanent, restarted one for one; other strategies, nested supervisors and a probe for liveness are not
//! here. The broken value of a failed actor is kept, uncalled, until it is replaced or its child stops.

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
