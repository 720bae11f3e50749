//! The database for one command, beside a service that may be running.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Config;
use crate::store::{Database, Store, StoreError, StoreOptions};
use crate::supervision::Tree;

/// An open store, and the tree of its writer, for as long as a command takes.
pub(super) struct Beside {
    pub(super) store: Store,
    tree: Tree,
}

impl Beside {
    /// Opens it. Needs an actix system.
    ///
    /// # Errors
    /// When it cannot be opened, or its schema is not this binary's.
    pub(super) fn open(config: &Config, clock: &Clock) -> Result<Self, StoreError> {
        let options = StoreOptions {
            database: Database::from(&config.database.url),
            writers: 1,
            readers: 1,
            on_available: Arc::new(|_| {}),
        };
        let tree = Tree::new("root", clock.clone());
        let store = Store::open_beside(&options, tree.root())?;
        Ok(Self { store, tree })
    }

    /// Ends it, once all is written.
    pub(super) async fn close(self) {
        self.tree.stop().await;
    }
}
