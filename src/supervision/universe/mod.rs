//! Actors tested alone: a tree in paused time, whose faults a test chooses and whose end it checks.
//!
//! Add the crate to the dev-dependencies with the feature `testing`, and make one [`Universe`] in each test:
//!
//! ```
//! use std::time::Duration;
//!
//! use legwork::supervision::{
//!     AskError, ChildSpec, Context, EventKind, Fault, Probe, Recipient, Universe, supervised,
//! };
//!
//! #[derive(actix::Message)]
//! #[rtype(result = "()")]
//! struct Chime(u32);
//!
//! #[derive(actix::Message)]
//! #[rtype(result = "u32")]
//! struct Hours;
//!
//! /// Tells somebody each hour.
//! struct Clockwork { hours: u32, listener: Recipient<Chime> }
//!
//! impl actix::Actor for Clockwork {
//!     type Context = Context<Self>;
//!     fn started(&mut self, ctx: &mut Context<Self>) {
//!         use actix::AsyncContext;
//!         ctx.run_interval(Duration::from_secs(3_600), |clockwork, _| {
//!             clockwork.hours += 1;
//!             let _full = clockwork.listener.try_tell(Chime(clockwork.hours));
//!         });
//!     }
//! }
//! supervised!(Clockwork);
//!
//! impl actix::Handler<Hours> for Clockwork {
//!     type Result = u32;
//!     fn handle(&mut self, _: Hours, _: &mut Context<Self>) -> u32 {
//!         self.hours
//!     }
//! }
//!
//! #[actix::main] // in a test: #[actix::test]
//! async fn main() {
//!     let universe = Universe::new();
//!     let mut events = universe.events();
//!     // What the actor needs of others is a recipient, behind which a probe may stand.
//!     let mut listener = Probe::<Chime>::new("listener");
//!     let recipient = listener.recipient();
//!     let clockwork = universe.tree().start(ChildSpec::new("clockwork"), move || Clockwork {
//!         hours: 0,
//!         listener: recipient.clone(),
//!     });
//!
//!     // Two hours pass at once, and no more.
//!     universe.advance(Duration::from_secs(2 * 3_600)).await;
//!     assert_eq!(listener.next().await.0, 1);
//!     assert_eq!(listener.next().await.0, 2);
//!     listener.none().await;
//!
//!     // What becomes of it when it fails?
//!     universe.inject("clockwork", Fault::PanicAt(1));
//!     assert_eq!(clockwork.ask(Hours).await, Err(AskError::Panicked));
//!     let restarted = events.event("clockwork", EventKind::Restarted).await;
//!     assert_eq!(restarted.restarts, 1);
//!     assert_eq!(clockwork.ask(Hours).await, Ok(0));
//!
//!     universe.finish().await;
//! }
//! ```
//!
//! # Guarantees
//!
//! - **Time moves only when nothing else can**: when no actor, task or supervised thread of the test has anything to do, it
//!   jumps to the next timer. An hour of backoff takes no time, and two runs of a test see the same times.
//! - **One thread**: actors run on the thread of the test, whatever arbiter their specs name, so that their turns are in one
//!   order. Supervised threads are threads all the same; the time stands still while they work.
//! - **Nothing is left**: [`finish`](Universe::finish) stops the tree, and fails the test if a child did not stop in its time,
//!   or a thread or task is left. A universe that is dropped without it fails the test too.
//! - **No wait is for ever**: each has a bound in the time of the test, and fails with what was waited for and what happened
//!   instead.
//!
//! # Limits
//!
//! The timers' grain is a millisecond. Work on threads that are not the tree's (`spawn_blocking` aside, which tokio knows of)
//! does not hold the time: await it. An actor cannot be left behind with its thread here, since there is but one; and a task
//! of `actix::spawn` that outlives its test is not seen. Both need a test in real time.
//!
//! With the feature off none of this is compiled, and neither is tokio's paused time.

mod events;
mod probe;
#[cfg(test)]
mod tests;

use std::panic::Location;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::Arbiter;
use tokio::runtime::Handle;

use super::faults::Fault;
use super::stopped::{StopKind, Stopped};
use super::strategy::SupervisorSpec;
use super::tree::Tree;
use crate::clock::{Clock, Timestamp};

pub use events::EventProbe;
pub use probe::Probe;

/// The longest wait for anything, in the time of the test: beyond every backoff, and no time at all.
const WAIT_MAX: Duration = Duration::from_secs(3_600);

/// Turns of the runtime after which what can run has: each lets every task run that is ready.
const TURNS: usize = 64;

/// A tree with a time of its own, for one test: see [the module](self).
#[derive(Debug)]
pub struct Universe {
    tree: Tree,
    clock: Clock,
    /// Tasks of the runtime that were there before.
    tasks: usize,
    made_at: &'static Location<'static>,
    is_finished: bool,
}

impl Universe {
    /// When the time of every universe begins: 2023-11-14T22:13:20Z.
    pub const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    /// A universe whose root is called `root`, and restarts its children one for one.
    ///
    /// # Panics
    /// Outside of an actix system (`#[actix::test]`), and if the time is paused already: a test has one universe.
    #[must_use]
    #[track_caller]
    #[expect(
        clippy::new_without_default,
        reason = "it pauses the time of the test, which is no default of anything"
    )]
    pub fn new() -> Self {
        Self::with(SupervisorSpec::new("root"))
    }

    /// A universe with a root of that spec.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    #[must_use]
    #[track_caller]
    pub fn with(root: SupervisorSpec) -> Self {
        let made_at = Location::caller();
        let Some(arbiter) = Arbiter::try_current() else {
            fail(
                made_at,
                "a universe lives in an actix system: make it in an #[actix::test]",
            )
        };
        tokio::time::pause();
        let clock = Clock::timers(Self::START);
        let tree = Tree::with(root, Some(arbiter), clock.clone()).with_fault_injection();
        let runtime = Handle::current();
        let tasks = runtime.metrics().num_alive_tasks();
        tree.around().one_thread.store(true, Ordering::SeqCst);
        tree.around().stillness.of(runtime);
        Self {
            tree,
            clock,
            tasks,
            made_at,
            is_finished: false,
        }
    }

    /// The tree, in which children are started as in any other. Operators' panics are allowed in it.
    #[must_use]
    pub const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// A clock that goes with the time of the test, to be handed to whoever needs one.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What happens in the tree from now on, to wait for.
    #[must_use]
    pub fn events(&self) -> EventProbe {
        EventProbe::new(self.tree.clone())
    }

    /// Lets this much time pass: all timers up to then fire in their order, and everything that follows from them is done.
    pub async fn advance(&self, by: Duration) {
        tokio::time::sleep(by).await;
        self.settle().await;
    }

    /// Lets everything that can run now run, supervised threads included, without time passing.
    ///
    /// A thread that is still at work after 10 s of real time is waited for no longer.
    pub async fn settle(&self) {
        let stillness = &self.tree.around().stillness;
        loop {
            turns().await;
            // The time moves on only if that thread holds it no longer.
            let waited = tokio::time::timeout(Duration::from_millis(1), stillness.idle()).await;
            if waited != Ok(true) {
                return;
            }
        }
    }

    /// Has a child show a fault, from its next message or life on. Faults add up, and stay with the child over restarts.
    ///
    /// # Panics
    /// If no running child has that name.
    #[track_caller]
    pub fn inject(&self, name: &str, fault: Fault) {
        let at = Location::caller();
        if let Err(error) = self.tree.inject(name, fault) {
            fail(at, &error.to_string());
        }
    }

    /// Stops the tree, and tells what became of its children, in the order of their ends.
    ///
    /// # Panics
    /// If a child was cut off since its time was over, or did not end at all; if a thread is left behind, or a task of
    /// `tokio::spawn` that was not there before.
    #[track_caller]
    pub fn finish(self) -> impl Future<Output = Vec<Stopped>> {
        let at = Location::caller();
        // Whole, and not by its parts: what is set in it must be seen when it is dropped.
        let mut universe = self;
        async move {
            let this = &mut universe;
            let stopped = tokio::time::timeout(WAIT_MAX, this.tree.stop()).await;
            this.settle().await;
            let stopped = stopped.unwrap_or_default();
            let findings = this.findings(&stopped);
            if !findings.is_empty() {
                let last = events::last(&this.tree);
                fail(
                    at,
                    &format!("the universe did not end well:\n{}\n{last}", findings.join("\n")),
                );
            }
            this.is_finished = true;
            stopped
        }
    }

    /// What is wrong with the end of the tree, a line each.
    fn findings(&self, stopped: &[Stopped]) -> Vec<String> {
        let mut findings = Vec::new();
        for child in stopped {
            match child.how {
                StopKind::Clean => {}
                StopKind::CutOff => findings.push(format!("{} did not stop in its time, and was cut off", child.name)),
                StopKind::Abandoned => findings.push(format!("{} did not end: its thread does not answer", child.name)),
            }
        }
        let around = self.tree.around();
        for name in around.names() {
            if !stopped.iter().any(|child| child.name == name) {
                findings.push(format!("{name} is still there"));
            }
        }
        let left = around.left_behind.load(Ordering::SeqCst);
        if left > 0 {
            findings.push(format!("threads that were left behind and are at work still: {left}"));
        }
        let tasks = Handle::current().metrics().num_alive_tasks().saturating_sub(self.tasks);
        if tasks > 0 {
            findings.push(format!("tasks of tokio::spawn that are left: {tasks}"));
        }
        findings
    }
}

impl Drop for Universe {
    fn drop(&mut self) {
        if !self.is_finished && !std::thread::panicking() {
            fail(
                self.made_at,
                "a universe was dropped: end it with finish().await, which checks that nothing is left",
            );
        }
    }
}

/// Lets everything on this thread that can run now run.
async fn turns() {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
}

/// Fails the test.
#[expect(clippy::panic, reason = "a test fails by a panic")]
fn fail(at: &Location<'_>, why: &str) -> ! {
    panic!("{why}\nasked for at {at}")
}
