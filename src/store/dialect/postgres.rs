//! Connections to PostgreSQL.
//!
//! Guarantees: each is driven by a runtime of its own, apart from the reactors that answer requests, and used where waiting
//! is allowed; one that reads only is held to it by the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use diesel::sql_types::Bool;
use diesel_async::AsyncPgConnection;
use tokio::runtime::{Builder, Handle, Runtime};

use super::Connection;
use super::connection::{PostgresConnection, Session};
use crate::config::PostgresSettings;
use crate::store::{StoreError, postgres as server};
use crate::telemetry;

/// Threads that drive all connections: what they do is pass bytes on.
const THREADS: usize = 2;

/// Who migrates holds this advisory lock. Any number does that no other program uses: "legwork" in ASCII.
const MIGRATION_LOCK: i64 = 0x006c_6567_776f_726b;

/// The runtime that drives the connections.
pub(in crate::store) struct PostgresRuntime {
    /// Taken by the end.
    runtime: Option<Runtime>,
    handle: Handle,
}

impl PostgresRuntime {
    /// Starts its threads.
    pub(in crate::store) fn start() -> Result<Self, StoreError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("postgres")
            .enable_all()
            .build()
            .map_err(|source| StoreError::Io {
                what: "starting the threads of the database's connections",
                source,
            })?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }
}

impl Drop for PostgresRuntime {
    fn drop(&mut self) {
        // Dropping it would wait, which a reactor's thread may not.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Connects, and waits for it: not to be called on a reactor's thread.
pub(in crate::store) fn connect(
    settings: &PostgresSettings,
    runtime: &PostgresRuntime,
    read_only: bool,
) -> Result<Connection, StoreError> {
    // The connection remembers the runtime that it is made in.
    let _entered = runtime.handle.enter();
    let is_open = Arc::new(AtomicBool::new(true));
    let inner = runtime.handle.block_on(async {
        let (client, connection) = server::connect(settings).await?;
        let closes = Arc::clone(&is_open);
        tokio::spawn(async move {
            connection.await;
            closes.store(false, Ordering::SeqCst);
        });
        AsyncPgConnection::try_from(client)
            .await
            .map_err(|error| StoreError::Open {
                text: error.to_string(),
            })
    })?;
    let mut inner = PostgresConnection::from(inner);
    if read_only {
        inner.batch_execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")?;
    }
    Ok(Connection::Postgres(Box::new(Session::new(inner, is_open))))
}

impl From<server::ConnectError> for StoreError {
    fn from(error: server::ConnectError) -> Self {
        Self::Open {
            text: telemetry::chain(&error),
        }
    }
}

/// Takes the turn to migrate, which ends with the connection, and answers whether it did: waits for it as long as it takes, or
/// not at all.
pub(in crate::store) fn turn_to_migrate(connection: &mut Connection, waits: bool) -> Result<bool, StoreError> {
    let Connection::Postgres(session) = connection else {
        return Ok(true);
    };
    session
        .inner
        .batch_execute("SET statement_timeout = 0; SET lock_timeout = 0")?;
    if waits {
        session
            .inner
            .batch_execute(&format!("SELECT pg_advisory_lock({MIGRATION_LOCK})"))?;
        return Ok(true);
    }
    let asked = diesel::dsl::sql::<Bool>(&format!("pg_try_advisory_lock({MIGRATION_LOCK})"));
    Ok(diesel::select(asked).get_result(&mut session.inner)?)
}
