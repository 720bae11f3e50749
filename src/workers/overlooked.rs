//! Looking for ends that those were not told of who wait for them, and for cancels of batches that were cut short.
//!
//! Guarantees: the writer is troubled only when somebody was overlooked; a round reads a bounded number of rows, a page at a
//! time, and the next one goes on behind them, so that all come in turn; what fails is tried again at the next round.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::id::{BatchId, JobId};
use crate::store::batches::PORTION_MAX;
use crate::store::{Abort, Store, StoreError, Tx, batches, jobs};
use crate::telemetry;
use crate::telemetry::names::event;

/// How often it is looked, and so how late those hear of an end who were overlooked.
pub(super) const OVERLOOKED_EVERY: Duration = Duration::from_secs(10);
/// Pages of each sort that a round reads.
const PAGES_MAX: usize = 20;
/// The rest between two pages.
const REST: Duration = Duration::from_millis(20);

/// Behind which rows the next round goes on; none for the first. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Arc<Mutex<Place>>);

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    waiting: WaitingPlace,
    batches: Option<BatchId>,
}

impl Places {
    fn get(&self) -> Place {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, change: impl FnOnce(&mut Place)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Has those hear of ends who were overlooked.
pub(super) async fn tell_overlooked(store: &Store, clock: &Clock, places: &Places) {
    let mut rows = 0;
    let told = tell_all(store, clock, places, &mut rows).await;
    if rows > 0 {
        tracing::info!(
            event = event::ENDS_OVERLOOKED,
            rows,
            "some who waited heard of ends that they had not been told of"
        );
    }
    if let Err(error) = told
        && !matches!(error, StoreError::Closed)
    {
        let error = telemetry::chain(&error);
        tracing::warn!(
            event = event::ENDS_UNSEEN,
            error,
            "it could not be looked for ends that nobody was told of; the next look tries again"
        );
    }
}

async fn tell_all(store: &Store, clock: &Clock, places: &Places, rows: &mut usize) -> Result<(), StoreError> {
    for _ in 0..PAGES_MAX {
        let next = tell_waiting(store, clock, places.get().waiting, rows).await?;
        places.set(|place| place.waiting = next);
        // Each sort goes on behind its own rows, and begins anew once it has come to its end.
        if next == (None, None) {
            break;
        }
        tokio::time::sleep(REST).await;
    }
    for _ in 0..PAGES_MAX {
        let next = tell_batches(store, clock, places.get().batches, rows).await?;
        places.set(|place| place.batches = next);
        if next.is_none() {
            break;
        }
        tokio::time::sleep(REST).await;
    }
    Ok(())
}

type WaitingPlace = (Option<JobId>, Option<JobId>);

/// One page of those who wait; answers where the next one begins.
async fn tell_waiting(
    store: &Store,
    clock: &Clock,
    place: WaitingPlace,
    rows: &mut usize,
) -> Result<WaitingPlace, StoreError> {
    let look = async || store.read(move |connection| jobs::overlooked(connection, place)).await;
    let mut found = look().await?;
    let next = found.next;
    // Very many may wait for one job, of whom a transaction tells some.
    for _ in 0..PAGES_MAX {
        if found.is_empty() {
            break;
        }
        *rows += found.awaited.len() + found.waiters.len();
        let clock = clock.clone();
        write(store, move |tx| jobs::settle_overlooked(tx, &found, clock.now())).await?;
        tokio::time::sleep(REST).await;
        found = look().await?;
    }
    Ok(next)
}

/// One page of batches; answers where the next one begins.
async fn tell_batches(
    store: &Store,
    clock: &Clock,
    place: Option<BatchId>,
    rows: &mut usize,
) -> Result<Option<BatchId>, StoreError> {
    let found = store
        .read(move |connection| batches::overlooked(connection, place))
        .await?;
    for batch in found.ended {
        *rows += 1;
        let clock = clock.clone();
        write(store, move |tx| batches::look_again(tx, batch, clock.now())).await?;
    }
    for batch in found.to_cancel {
        *rows += cancel(store, clock, batch).await?;
    }
    Ok(found.next)
}

/// Goes on with the cancel of a batch; answers how many jobs that was about. Those that run see it by themselves.
async fn cancel(store: &Store, clock: &Clock, batch: BatchId) -> Result<usize, StoreError> {
    let (mut all, mut waits) = (0, false);
    loop {
        let clock = clock.clone();
        let done = write(store, move |tx| batches::cancel_members(tx, batch, clock.now(), waits)).await?;
        all += done.rows;
        if done.rows < PORTION_MAX {
            if waits {
                return Ok(all);
            }
            waits = true;
        }
        tokio::time::sleep(REST).await;
    }
}

async fn write<T: Default + Send + 'static>(
    store: &Store,
    write: impl Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match store.write(move |tx| Ok::<_, Abort<()>>(write(tx)?)).await {
        Ok(value) => Ok(value),
        Err(Abort::Store(error)) => Err(error),
        // The closure refuses nothing.
        Err(Abort::Refused(())) => Ok(T::default()),
    }
}
