//! Holds paused time still while a supervised thread works.
//!
//! Tokio's paused time moves when its runtime has nothing to do, and a thread of ours is nothing that the runtime knows of;
//! what it does know of are its own blocking tasks. So one such task waits here for as long as any thread is busy.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use tokio::runtime::Handle;

#[derive(Default)]
pub(super) struct Stillness {
    inner: Mutex<Option<Arc<Inner>>>,
}

struct Inner {
    runtime: Handle,
    busy: Mutex<usize>,
    idle: Condvar,
}

/// While it lives, time stands still.
pub(super) struct Busy(Arc<Inner>);

impl Stillness {
    /// From now on, busy threads hold the time of this runtime.
    pub(super) fn of(&self, runtime: Handle) {
        let inner = Inner {
            runtime,
            busy: Mutex::new(0),
            idle: Condvar::new(),
        };
        *self.inner.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(inner));
    }

    /// A thread is busy, or is about to be; none outside of tests.
    pub(super) fn busy(&self) -> Option<Busy> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let first = {
            let mut busy = inner.busy.lock().unwrap_or_else(PoisonError::into_inner);
            *busy += 1;
            *busy == 1
        };
        if first {
            let waits = Arc::clone(&inner);
            // Ended by the last busy thread; nobody waits for its end.
            drop(inner.runtime.spawn_blocking(move || {
                let busy = waits.busy.lock().unwrap_or_else(PoisonError::into_inner);
                drop(waits.idle.wait_while(busy, |busy| *busy > 0));
            }));
        }
        Some(Busy(inner))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut busy = self.0.busy.lock().unwrap_or_else(PoisonError::into_inner);
        *busy = busy.saturating_sub(1);
        if *busy == 0 {
            self.0.idle.notify_all();
        }
    }
}
