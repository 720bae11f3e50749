//! Two transactions of a server that overlap, in an order that a test decides.

use std::sync::mpsc;
use std::time::Duration;

use super::TestStore;
use crate::store::Connection;
use crate::store::dialect::prelude::*;
use crate::store::events::Effects;

impl TestStore {
    /// Runs two transactions of two connections to a server, of which the second begins with `hold`, then the first does its
    /// part whole, and is committed only once the second waits for it in its own.
    pub(in crate::store) fn overlap(
        &self,
        first: impl FnOnce(&mut Connection, &mut Effects) + Send,
        hold: impl FnOnce(&mut Connection) + Send,
        second: impl FnOnce(&mut Connection, &mut Effects) + Send,
    ) {
        let (has_begun, begun) = mpsc::channel();
        let (is_done, done) = mpsc::channel();
        let (go, gone) = mpsc::channel();
        let whole = |connection: &mut Connection, act: &mut dyn FnMut(&mut Connection, &mut Effects)| {
            let mut effects = Effects::default();
            act(connection, &mut effects);
            effects.write(connection)
        };
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let written = self.other().write_transaction(|connection| {
                    hold(connection);
                    has_begun.send(()).unwrap();
                    done.recv().unwrap();
                    let mut second = Some(second);
                    whole(connection, &mut |connection, effects| {
                        second.take().unwrap()(connection, effects);
                    })
                });
                written.unwrap();
            });
            begun.recv().unwrap();
            scope.spawn(move || {
                let written = self.other().write_transaction(|connection| {
                    let mut first = Some(first);
                    whole(connection, &mut |connection, effects| {
                        first.take().unwrap()(connection, effects);
                    })?;
                    is_done.send(()).unwrap();
                    gone.recv().unwrap();
                    QueryResult::Ok(())
                });
                written.unwrap();
            });
            let waits = "SELECT count(*) AS value FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                         AND datname = current_database()";
            let until = std::time::Instant::now() + Duration::from_secs(20);
            while self.number(waits) == Some(0) {
                assert!(
                    std::time::Instant::now() < until,
                    "the second did not come to wait for the first"
                );
            }
            go.send(()).unwrap();
        });
    }
}
