//! The task that keeps a supervised thread: starts it when told to, passes orders on, tells of its end.
//!
//! It runs on the arbiter of the supervisor and never blocks; only the thread does. A thread that does not end when it
//! should keeps this task alive, and with it the record of the child.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::cause::{Cause, CauseKind};
use super::child::{Child, Notice};
use super::ends::EndGuard;
use super::faults::panic_as_asked;
use super::life::{ordered_within, rises};
use super::nest::Nest;
use super::orders::Order;
use super::panics::{Panic, caught};
use super::queue::{AnyQueue, Queue};
use super::snapshot::NodeKind;
use super::spec::ChildSpec;
use super::stillness::Rest;
use super::supervisor::Supervisor;
use super::thread::{Plain, Sender, ThreadContext, Wishes};

/// Why a thread ended itself.
pub type ThreadError = Box<dyn std::error::Error + Send + Sync>;

type Body<M> = Arc<dyn Fn(&mut ThreadContext<M>) -> Result<(), ThreadError> + Send + Sync>;

impl Supervisor {
    /// Starts a thread for work that blocks, as a child like any other, and returns at once. What is said at
    /// [`start`](Self::start) holds; the spec's arbiter is where the thread is looked after, not where it runs;
    /// if it names none, that is where the supervisor runs.
    ///
    /// `body` is called on a new thread for each life. That it returns `Ok` is an end in order, unless it was told to end;
    /// an error or a panic is a failure.
    pub fn start_thread<M: Send + 'static>(
        &self,
        spec: ChildSpec,
        body: impl Fn(&mut ThreadContext<M>) -> Result<(), ThreadError> + Send + Sync + 'static,
    ) -> Sender<M> {
        let nest = self.nest();
        let place = nest.place_of_task(&spec.placement);
        let (child, queue, guard) = nest.admit_with_queue::<Plain<M>>(spec, NodeKind::Thread);
        let sender = Sender::new(Arc::clone(&child), Arc::clone(&queue));
        let Some(guard) = guard else {
            return sender;
        };
        let Some(place) = place else {
            Nest::has_no_place(&child);
            return sender;
        };
        let body: Body<M> = Arc::new(body);
        let arbiter = place.arbiter;
        let launch = move |guard: EndGuard| {
            let keeper = ThreadLife {
                queue: Arc::clone(&queue),
                body: Arc::clone(&body),
                guard,
            };
            // A refusal drops the guard, which ends the child.
            arbiter.spawn_fn(move || {
                actix::spawn(keeper.run());
            });
        };
        let again = launch.clone();
        let relaunch = move |child: &Arc<Child>| {
            let Some(task) = child.leave_task_behind() else {
                return false;
            };
            again(EndGuard {
                child: Arc::clone(child),
                task,
            });
            true
        };
        // Set once: the child was made above.
        drop(child.relaunch.set(Box::new(relaunch)));
        launch(guard);
        sender
    }
}

struct ThreadLife<M: Send + 'static> {
    queue: Arc<Queue<Plain<M>>>,
    body: Body<M>,
    guard: EndGuard,
}

type Ended = Result<Result<(), ThreadError>, Panic>;

impl<M: Send + 'static> ThreadLife<M> {
    async fn run(self) {
        let child = Arc::clone(&self.guard.child);
        while rises(&self.guard).await {
            let again = loop {
                let began = Instant::now();
                let (cause, again) = self.live().await;
                if self.guard.is_superseded() {
                    return;
                }
                if again && !child.is_final() && !cause.is_failure() {
                    continue;
                }
                if !self.guard.went_down(cause, began.elapsed()) {
                    return;
                }
                break again;
            };
            if child.orders.stop_given() || (again && child.is_final()) {
                return;
            }
        }
    }

    /// One life of the thread: why it ended, and whether another is to begin at once.
    async fn live(&self) -> (Cause, bool) {
        let child = &self.guard.child;
        if let Some(delay) = child.starts_late()
            && ordered_within(&self.guard, delay).await.is_some()
        {
            return (Cause::ordered(), false);
        }
        let Some(life) = self.guard.begin_life() else {
            return (Cause::ordered(), false);
        };
        let wishes = Arc::new(Wishes::default());
        let ended = match self.start(life, &wishes) {
            Ok(ended) => ended,
            Err(error) => {
                let cause = Cause::new(CauseKind::Failed, format!("no thread could be started: {error}"));
                return (cause, false);
            }
        };
        self.watch(ended, &wishes).await
    }

    /// Passes orders on until the thread has ended.
    async fn watch(&self, mut ended: oneshot::Receiver<Ended>, wishes: &Wishes) -> (Cause, bool) {
        let queue = &*self.queue;
        let _leash = Leash { wishes, queue };
        let child = &self.guard.child;
        let (mut told, mut again, mut stuck) = (false, false, false);
        let calm = sleep(child.spec.policy.calm);
        tokio::pin!(calm);
        let (was_degraded, mut is_calm) = (child.is_degraded(), false);
        if !self.guard.came_up() {
            return (Cause::ordered(), false);
        }
        loop {
            tokio::select! {
                biased;
                order = self.guard.order() => match order {
                    Order::Panic if !told => {
                        wishes.panic.store(true, Ordering::SeqCst);
                        self.queue.wake();
                    }
                    // A thread cannot be killed, only asked; and it was asked already.
                    Order::Kill | Order::Panic => {}
                    Order::Stop | Order::LieDown | Order::Unstick | Order::Restart | Order::Rise => {
                        if !told {
                            again = matches!(order, Order::Restart | Order::Rise);
                            stuck = order == Order::Unstick;
                        }
                        if again {
                            child.orders.suspend(false);
                        }
                        told = true;
                        wishes.stop.store(true, Ordering::SeqCst);
                        self.queue.wake();
                    }
                },
                () = &mut calm, if was_degraded && !is_calm => {
                    is_calm = true;
                    child.tell(Notice::Calm(child.id));
                }
                ended = &mut ended => {
                    let cause = match ended {
                        Ok(Ok(Ok(()))) if stuck => Cause::new(CauseKind::Stuck, super::life::STUCK),
                        Ok(Ok(Ok(()))) if told => Cause::ordered(),
                        Ok(Ok(Ok(()))) => Cause::new(CauseKind::Finished, ""),
                        Ok(Ok(Err(error))) => Cause::new(CauseKind::Failed, chain(&*error)),
                        Ok(Err(panic)) => panic.into(),
                        Err(_) => Cause::new(CauseKind::Failed, "the thread ended without a word"),
                    };
                    return (cause, again);
                }
            }
        }
    }

    fn start(&self, life: u64, wishes: &Arc<Wishes>) -> std::io::Result<oneshot::Receiver<Ended>> {
        let (tell, ended) = oneshot::channel();
        let (child, queue, body) = (
            Arc::clone(&self.guard.child),
            Arc::clone(&self.queue),
            Arc::clone(&self.body),
        );
        let wishes = Arc::clone(wishes);
        let busy = child.around.stillness.busy();
        let fails = child.faults.fails_start();
        std::thread::Builder::new().name(child.name.clone()).spawn(move || {
            // The time of a test is the thread's as well.
            let runtime = child.around.stillness.runtime();
            let _entered = runtime.as_ref().map(tokio::runtime::Handle::enter);
            let rest = Rest::new(&child.around.stillness, busy);
            let mut context = ThreadContext {
                child,
                queue,
                life,
                wishes,
                waker: rest.waker(),
                rest,
            };
            let done = caught(|| {
                if fails {
                    panic_as_asked();
                }
                body(&mut context)
            });
            // Nobody may be left to hear it. Told before the time of a test may move on.
            drop(tell.send(done));
            drop(context);
        })?;
        Ok(ended)
    }
}

/// Tells the thread to end when nobody is left to look after it: its arbiter has ended.
struct Leash<'a> {
    wishes: &'a Wishes,
    queue: &'a dyn AnyQueue,
}

impl Drop for Leash<'_> {
    fn drop(&mut self) {
        self.wishes.stop.store(true, Ordering::SeqCst);
        self.queue.wake();
    }
}

/// An error with its causes, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
