//! The PostgreSQL server that other tests rely on, by itself.

use crate::support::postgres_server::{self, PostgresServer};

#[test]
fn a_server_keeps_what_was_committed_when_it_is_stopped_and_when_it_is_killed() {
    let Some(server) = PostgresServer::start_new(&[]) else {
        return;
    };
    server.psql("CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)");
    server.stop();
    server.start();
    server.psql("INSERT INTO kept VALUES (2)");
    server.kill();
    server.start();
    assert_eq!(
        server.psql("SELECT string_agg(id::text, ',' ORDER BY id) FROM kept"),
        "1,2"
    );
    assert_eq!(server.kill_connections(), 0);
}

#[test]
fn each_database_of_the_shared_server_is_apart() {
    let Some(server) = postgres_server::shared() else {
        return;
    };
    let (one, other) = (server.create_database(), server.create_database());
    assert_ne!(one, other);
    let name = |url: &str| url.rsplit_once('/').unwrap().1.to_owned();
    server.psql_in(&name(&one), "CREATE TABLE here (id int)");
    let there = "SELECT count(*) FROM pg_tables WHERE tablename = 'here'";
    assert_eq!(server.psql_in(&name(&one), there), "1");
    assert_eq!(server.psql_in(&name(&other), there), "0");
}
