//! Where one round's service keeps its data: a folder of its own, and a database in it or on a PostgreSQL server.

use std::path::Path;

use crate::database;
use crate::postgres_server::PostgresServer;
use crate::server::Server;

/// An empty folder, and with PostgreSQL an empty database.
pub(crate) struct Place<'a> {
    folder: tempfile::TempDir,
    postgres: Option<(&'a PostgresServer, String)>,
}

/// A PostgreSQL server with its default durability, `fsync` and `synchronous_commit`, which is checked.
pub(crate) fn durable_postgres() -> PostgresServer {
    let server = PostgresServer::start_new(&[]).expect("PostgreSQL's programs initdb, postgres and psql are needed");
    for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
        assert_eq!(server.psql(&format!("SHOW {setting}")), "on", "{setting}");
    }
    server
}

/// The database's name in a URL.
pub(crate) fn name_in(url: &str) -> &str {
    url.rsplit_once('/').unwrap().1
}

impl<'a> Place<'a> {
    /// An empty one: in a file without a server, else on it.
    pub(crate) fn new(server: Option<&'a PostgresServer>) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            postgres: server.map(|server| (server, server.create_database())),
        }
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the service here with these settings beside the defaults.
    pub(crate) fn start(&self, settings: &[(&str, &str)]) -> Server {
        let mut all = settings.to_vec();
        if let Some((_, url)) = &self.postgres {
            all.push(("LEGWORK_DATABASE__URL", url));
        }
        Server::start(self.folder(), &all)
    }

    /// The URL of the database on the server.
    pub(crate) fn url(&self) -> Option<&str> {
        self.postgres.as_ref().map(|(_, url)| url.as_str())
    }

    /// The number that a query of one row and column answers.
    pub(crate) fn count(&self, query: &str) -> u64 {
        match &self.postgres {
            None => database::count(self.folder(), query),
            Some((server, url)) => server.psql_in(name_in(url), query).parse().unwrap(),
        }
    }
}
