//! Reads: a bounded pool of connections that cannot write, on blocking threads.
//!
//! Guarantees: at most as many reads run at once as there are connections; the rest wait in order, without a thread each,
//! and give up after five seconds. While the database is away, a read gives up after one second, and at once where another has
//! just done so; the connections come back by themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use diesel::r2d2::{Pool, PooledConnection};
use tokio::sync::Semaphore;

use super::StoreError;
use super::dialect::Connection;
use super::source::{ReadOnly, Source};
use crate::telemetry::names::event;

/// Why a read is refused while no connection can be made.
const AWAY: &str = "no reader can be opened";

/// How long a read waits for its turn. Well below a client's patience, well above the longest page of a list.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a read waits for a connection in place of one that was lost, and the longest between two tries to make one: a
/// database that is up gives one in milliseconds.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(1);

/// A bounded pool of connections that only read.
#[derive(Clone)]
pub(super) struct Readers {
    pool: Pool<ReadOnly>,
    turns: Arc<Semaphore>,
    /// Whether the last read found no connection.
    is_away: Arc<AtomicBool>,
    /// How many reads were asked for.
    #[cfg(test)]
    pub(super) asked: Arc<std::sync::atomic::AtomicU64>,
}

impl Readers {
    pub(super) fn open(source: &Source, size: u32) -> Result<Self, StoreError> {
        let size = size.max(1);
        let pool = Pool::builder()
            .max_size(size)
            // The pool's own limit between two tries is half of it.
            .connection_timeout(2 * CONNECTION_TIMEOUT)
            .test_on_check_out(false)
            .build(ReadOnly(source.clone()))
            .map_err(|error| StoreError::Open {
                text: error.to_string(),
            })?;
        let turns = usize::try_from(size).unwrap_or(1);
        Ok(Self {
            pool,
            turns: Arc::new(Semaphore::new(turns)),
            is_away: Arc::default(),
            #[cfg(test)]
            asked: Arc::default(),
        })
    }

    /// Refuses a read that would only wait: the last one found no connection, and none has come back since.
    fn check(&self) -> Result<(), StoreError> {
        if self.is_away.load(Ordering::SeqCst) && self.pool.state().idle_connections == 0 {
            return Err(StoreError::Unavailable { what: AWAY });
        }
        Ok(())
    }

    /// A connection that stands, as far as is known.
    fn connection(&self) -> Result<PooledConnection<ReadOnly>, StoreError> {
        let mut given = self.pool.get_timeout(CONNECTION_TIMEOUT);
        for _ in 0..self.pool.max_size() {
            let Ok(connection) = &mut given else { break };
            if connection.is_sound() {
                break;
            }
            // Lost while it waited. Given back, it is thrown away and made anew.
            drop(given);
            given = self.pool.get_timeout(CONNECTION_TIMEOUT);
        }
        let was_away = self.is_away.swap(given.is_err(), Ordering::SeqCst);
        given.map_err(|error| {
            if !was_away {
                tracing::warn!(event = event::READER_FAILED, %error, "a reader could not be opened");
            }
            StoreError::Unavailable { what: AWAY }
        })
    }

    pub(super) async fn run<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    {
        #[cfg(test)]
        self.asked.fetch_add(1, Ordering::SeqCst);
        let unavailable = StoreError::Unavailable {
            what: "no reader is free",
        };
        self.check()?;
        let turn = Arc::clone(&self.turns).acquire_owned();
        let Ok(Ok(turn)) = tokio::time::timeout(TURN_TIMEOUT, turn).await else {
            return Err(unavailable);
        };
        self.check()?;
        let readers = self.clone();
        let span = tracing::Span::current();
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let _entered = span.entered();
            read(&mut *readers.connection()?)
        })
        .await;
        match done {
            Ok(result) => result,
            Err(error) if error.is_panic() => Err(StoreError::Panicked {
                text: super::writer::panic_text(error.into_panic().as_ref()),
            }),
            Err(_) => Err(StoreError::Closed),
        }
    }
}
