//! Reads: a bounded pool of connections that cannot write, on blocking threads.
//!
//! Guarantees: at most as many reads run at once as there are connections; the rest wait in order, without a thread each,
//! and give up after five seconds.

use std::sync::Arc;
use std::time::Duration;

use diesel::r2d2::Pool;
use tokio::sync::Semaphore;

use super::StoreError;
use super::dialect::Connection;
use super::source::{ReadOnly, Source};
use crate::telemetry::names::event;

/// How long a read waits for its turn. Well below a client's patience, well above the longest page of a list.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

/// A bounded pool of connections that only read.
#[derive(Clone)]
pub(super) struct Readers {
    pool: Pool<ReadOnly>,
    turns: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn open(source: &Source, size: u32) -> Result<Self, StoreError> {
        let size = size.max(1);
        let pool = Pool::builder()
            .max_size(size)
            .connection_timeout(TURN_TIMEOUT)
            .test_on_check_out(false)
            .build(ReadOnly(source.clone()))
            .map_err(|error| StoreError::Open {
                text: error.to_string(),
            })?;
        let turns = usize::try_from(size).unwrap_or(1);
        Ok(Self {
            pool,
            turns: Arc::new(Semaphore::new(turns)),
        })
    }

    pub(super) async fn run<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let unavailable = StoreError::Unavailable {
            what: "no reader is free",
        };
        let turn = Arc::clone(&self.turns).acquire_owned();
        let Ok(Ok(turn)) = tokio::time::timeout(TURN_TIMEOUT, turn).await else {
            return Err(unavailable);
        };
        let pool = self.pool.clone();
        let span = tracing::Span::current();
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let _entered = span.entered();
            let mut connection = match pool.get() {
                Ok(connection) => connection,
                Err(error) => {
                    tracing::warn!(event = event::READER_FAILED, %error, "a reader could not be opened");
                    return Err(StoreError::Unavailable {
                        what: "no reader can be opened",
                    });
                }
            };
            read(&mut connection)
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
