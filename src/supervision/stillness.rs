//! Holds paused time still while a supervised thread works.
//!
//! Tokio's paused time moves when its runtime has nothing to do, and a thread of ours is nothing that the runtime knows of;
//! what it does know of are its own blocking tasks. So one such task waits here for as long as any thread is busy.
//!
//! Guarantees: once [`Stillness::of`] was called, no timer fires for want of work from the moment at which a thread is woken
//! until it waits again, for [`HELD_MAX`] of real time; what a thread waits for by the clock passes with the time of the
//! runtime. Without that call, as in a service, none of this costs more than a look at an empty slot.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;

/// Real time after which the time moves on although a thread is at work: a thread that never ends must not hang its test,
/// and what a test does on a thread takes far less.
const HELD_MAX: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct Stillness {
    inner: Mutex<Option<Arc<Inner>>>,
}

struct Inner {
    runtime: Handle,
    busy: Mutex<usize>,
    idle: Condvar,
    told_idle: Notify,
}

/// While it lives, time stands still.
pub(super) struct Busy(Arc<Inner>);

impl Stillness {
    /// From now on, busy threads hold the time of this runtime.
    #[cfg(feature = "testing")]
    pub(super) fn of(&self, runtime: Handle) {
        let inner = Inner {
            runtime,
            busy: Mutex::new(0),
            idle: Condvar::new(),
            told_idle: Notify::new(),
        };
        *self.slot() = Some(Arc::new(inner));
    }

    /// A thread is busy, or is about to be; none outside of tests.
    pub(super) fn busy(&self) -> Option<Busy> {
        let inner = self.slot().clone()?;
        let first = {
            let mut busy = inner.busy();
            *busy += 1;
            *busy == 1
        };
        if first {
            let waits = Arc::clone(&inner);
            // Ended by the last busy thread; nobody waits for its end.
            drop(inner.runtime.spawn_blocking(move || {
                let busy = waits.busy();
                drop(waits.idle.wait_timeout_while(busy, HELD_MAX, |busy| *busy > 0));
            }));
        }
        Some(Busy(inner))
    }

    /// The runtime whose time is the thread's, in tests.
    pub(super) fn runtime(&self) -> Option<Handle> {
        Some(self.slot().as_ref()?.runtime.clone())
    }

    /// Ready once no thread is busy; false if none was.
    #[cfg(feature = "testing")]
    pub(super) async fn idle(&self) -> bool {
        let Some(inner) = self.slot().clone() else { return false };
        let mut waited = false;
        loop {
            let told = inner.told_idle.notified();
            if *inner.busy() == 0 {
                return waited;
            }
            waited = true;
            told.await;
        }
    }

    fn slot(&self) -> MutexGuard<'_, Option<Arc<Inner>>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn busy(&self) -> MutexGuard<'_, usize> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut busy = self.0.busy();
        *busy = busy.saturating_sub(1);
        if *busy == 0 {
            self.0.idle.notify_all();
            self.0.told_idle.notify_waiters();
        }
    }
}

/// How one thread waits: parked, and woken by its [`waker`](Self::waker).
pub(super) struct Rest {
    bell: Arc<Bell>,
    busy: Option<Busy>,
}

struct Bell {
    thread: Thread,
    stillness: Arc<Stillness>,
    /// What holds the time between a ring and the thread's next step; `Err` once the thread is gone.
    rung: Mutex<Result<Option<Busy>, Gone>>,
}

struct Gone;

impl Rest {
    /// For the present thread, which is at work.
    pub(super) fn new(stillness: &Arc<Stillness>, busy: Option<Busy>) -> Self {
        let bell = Bell {
            thread: std::thread::current(),
            stillness: Arc::clone(stillness),
            rung: Mutex::new(Ok(None)),
        };
        Self {
            bell: Arc::new(bell),
            busy,
        }
    }

    pub(super) fn waker(&self) -> Waker {
        Arc::clone(&self.bell).into()
    }

    /// Waits until the waker is called, or was since the last wait; and now and then for nothing.
    pub(super) fn park(&mut self) {
        self.busy = None;
        std::thread::park();
        self.go_on();
    }

    /// The same, for this long at most.
    pub(super) fn park_timeout(&mut self, time: Duration) {
        let Some(runtime) = self.bell.stillness.runtime() else {
            std::thread::park_timeout(time);
            return;
        };
        let waker = self.waker();
        // Ends by itself soon enough if the thread goes on before.
        let alarm = runtime.spawn(async move {
            tokio::time::sleep(time).await;
            waker.wake();
        });
        self.busy = None;
        std::thread::park();
        self.go_on();
        alarm.abort();
    }

    fn go_on(&mut self) {
        let rung = match &mut *self.bell.rung() {
            Ok(rung) => rung.take(),
            Err(Gone) => None,
        };
        self.busy = rung.or_else(|| self.bell.stillness.busy());
    }
}

impl Bell {
    fn rung(&self) -> MutexGuard<'_, Result<Option<Busy>, Gone>> {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        if let Ok(rung @ None) = &mut *self.rung() {
            // Before the thread has a turn: the time must not move until then.
            *rung = self.stillness.busy();
        }
        self.thread.unpark();
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        *self.bell.rung() = Err(Gone);
    }
}

#[cfg(test)]
impl Stillness {
    /// From now on no thread holds the time.
    pub(super) fn of_nobody(&self) {
        *self.slot() = None;
    }
}
