//! Connections to a real server: logins, encryption by each `sslmode`, sessions, and each way to fail.

use tokio::net::TcpListener;

use super::*;
use crate::store::postgres::{ConnectError, connect};
use crate::store::testing::certificates::Authority;
use crate::store::testing::postgres_server::{self, PostgresServer};

fn settings(url: &str) -> PostgresSettings {
    PostgresSettings::parse(url).unwrap()
}

/// What `sql` answers over a connection with these settings.
async fn asked(settings: &PostgresSettings, sql: &str) -> Result<String, ConnectError> {
    let (client, task) = connect(settings).await?;
    let task = tokio::spawn(task);
    let row = client.query_one(sql, &[]).await.unwrap();
    drop(client);
    task.await.unwrap();
    Ok(row.get(0))
}

async fn refusal(url: &str) -> ConnectError {
    asked(&settings(url), "SELECT ''").await.unwrap_err()
}

#[tokio::test]
async fn a_session_commits_synchronously_and_gives_up_what_takes_too_long() {
    let Some(server) = postgres_server::shared() else {
        return;
    };
    let mut settings = settings(&server.create_database());
    settings.statement_timeout = Duration::from_millis(1_500);
    for (name, value) in [
        ("synchronous_commit", "on"),
        ("statement_timeout", "1500ms"),
        ("lock_timeout", "1500ms"),
        ("idle_in_transaction_session_timeout", "15s"),
        ("TimeZone", "UTC"),
        ("application_name", "legwork"),
        ("client_encoding", "UTF8"),
    ] {
        let shown = asked(&settings, &format!("SELECT current_setting('{name}')"))
            .await
            .unwrap();
        assert_eq!(shown, value, "{name}");
    }
}

#[tokio::test]
async fn a_socket_and_the_second_of_two_hosts_are_as_good() {
    let Some(server) = postgres_server::shared() else {
        return;
    };
    let over_socket = format!("{}&sslmode=require", server.socket_url("postgres"));
    let asked_for = "SELECT current_database()::text";
    assert_eq!(asked(&settings(&over_socket), asked_for).await.unwrap(), "postgres");
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let two = format!("postgres://legwork@{closed},127.0.0.1:{}/postgres", server.port());
    assert_eq!(asked(&settings(&two), asked_for).await.unwrap(), "postgres");
}

#[tokio::test]
async fn each_failure_is_told_apart_and_without_the_password() {
    let Some(server) = postgres_server::shared() else {
        return;
    };
    let port = server.port();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("postgres://u:hush@{}/d?connect_timeout=1", silent.local_addr().unwrap());
    for (url, kind, is_transient) in [
        (format!("postgres://u:hush@{closed}/d"), "Unreachable", true),
        ("postgres://u:hush@nowhere.invalid/d".to_owned(), "Unreachable", true),
        (silent, "Slow", true),
        (
            format!("postgres://locked:hush@127.0.0.1:{port}/postgres"),
            "Login",
            false,
        ),
        (format!("postgres://locked@127.0.0.1:{port}/postgres"), "Login", false),
        (
            format!("postgres://nobody:hush@127.0.0.1:{port}/postgres"),
            "Login",
            false,
        ),
        (
            format!("postgres://legwork:hush@127.0.0.1:{port}/none"),
            "UnknownDatabase",
            false,
        ),
        (
            format!("postgres://legwork:hush@127.0.0.1:{port}/d?sslmode=require"),
            "Tls",
            false,
        ),
    ] {
        let error = refusal(&url).await;
        let said = format!("{error:?}");
        assert!(said.starts_with(kind), "{url}: {said}");
        assert_eq!(error.is_transient(), is_transient, "{url}: {said}");
        assert!(!said.contains("hush") && !error.to_string().contains("hush"), "{said}");
    }
    let url = format!("postgres://locked:open%20sesame@127.0.0.1:{port}/postgres");
    assert_eq!(
        asked(&settings(&url), "SELECT current_user::text").await.unwrap(),
        "locked"
    );
}

#[tokio::test]
async fn a_server_that_is_full_or_stopping_or_a_standby_is_worth_another_try() {
    let options = [
        ("max_connections", "4"),
        ("superuser_reserved_connections", "0"),
        ("fsync", "off"),
    ];
    let Some(server) = PostgresServer::start_new(&options) else {
        return;
    };
    let url = server.url("postgres");
    let mut held = Vec::new();
    let error = loop {
        match connect(&settings(&url)).await {
            Ok((client, task)) => held.push((client, tokio::spawn(task))),
            Err(error) => break error,
        }
        assert!(held.len() <= 4);
    };
    assert!(
        matches!(error, ConnectError::TooManyConnections { .. }) && error.is_transient(),
        "{error:?}"
    );
    for (client, task) in held {
        drop(client);
        task.await.unwrap();
    }
    server.psql_until("ALTER SYSTEM SET default_transaction_read_only = on");
    server.psql("SELECT pg_reload_conf()");
    let error = loop {
        match connect(&settings(&format!("{url}?target_session_attrs=read-write"))).await {
            Ok(_not_reloaded_yet) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert!(
        matches!(error, ConnectError::ReadOnly { .. }) && error.is_transient(),
        "{error:?}"
    );
    // A smart shutdown waits for the one connection, and takes no others.
    let (client, task) = connect(&settings(&url)).await.unwrap();
    let task = tokio::spawn(task);
    server.signal("TERM");
    let error = loop {
        match connect(&settings(&url)).await {
            Ok(_not_told_yet) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert!(
        matches!(error, ConnectError::NotReady { .. }) && error.is_transient(),
        "{error:?}"
    );
    drop(client);
    task.await.unwrap();
}

/// A server that shows a certificate for `name`, and its authority.
fn server_with_certificate(name: &str, expires: i32) -> Option<(PostgresServer, Authority)> {
    let authority = Authority::new();
    let settings = [
        ("ssl", "on"),
        ("ssl_cert_file", "../cert.pem"),
        ("ssl_key_file", "../key.pem"),
        ("fsync", "off"),
    ];
    let server = PostgresServer::start_prepared(&settings, |folder| {
        authority.issue_until(&[name], expires).write(folder);
    })?;
    Some((server, authority))
}

const IS_ENCRYPTED: &str = "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

#[tokio::test]
async fn each_sslmode_accepts_what_users_of_libpq_expect() {
    let Some((server, authority)) = server_with_certificate("localhost", 2096) else {
        return;
    };
    let Some((misnamed, its_authority)) = server_with_certificate("elsewhere.test", 2096) else {
        return;
    };
    let Some((expired, old_authority)) = server_with_certificate("localhost", 2001) else {
        return;
    };
    let of = |server: &PostgresServer, mode: &str, roots: Option<&Authority>| {
        let port = server.port();
        let roots = roots.map(|authority| format!("&sslrootcert={}", authority.file().display()));
        format!(
            "postgres://legwork@localhost:{port}/postgres?sslmode={mode}{}",
            roots.unwrap_or_default()
        )
    };
    for (url, encrypted) in [
        (of(&server, "disable", None), "false"),
        (of(&server, "prefer", None), "true"),
        (of(&server, "require", None), "true"),
        (of(&misnamed, "require", None), "true"),
        (of(&expired, "require", None), "true"),
        (of(&server, "require", Some(&authority)), "true"),
        (of(&server, "verify-ca", Some(&authority)), "true"),
        (of(&misnamed, "verify-ca", Some(&its_authority)), "true"),
        (of(&server, "verify-full", Some(&authority)), "true"),
    ] {
        let shown = asked(&settings(&url), IS_ENCRYPTED).await;
        assert_eq!(
            shown.unwrap_or_else(|error| panic!("{url}: {error}")),
            encrypted,
            "{url}"
        );
    }
    for (url, words) in [
        (of(&server, "require", Some(&its_authority)), "nobody who is trusted"),
        (of(&server, "verify-ca", None), "nobody who is trusted"),
        (of(&server, "verify-ca", Some(&its_authority)), "nobody who is trusted"),
        (of(&expired, "verify-ca", Some(&old_authority)), "has expired"),
        (of(&server, "verify-full", None), "nobody who is trusted"),
        (
            of(&server, "verify-full", Some(&its_authority)),
            "nobody who is trusted",
        ),
        (of(&misnamed, "verify-full", Some(&its_authority)), "for another name"),
        (of(&expired, "verify-full", Some(&old_authority)), "has expired"),
    ] {
        let error = refusal(&url).await;
        assert!(matches!(error, ConnectError::Tls { .. }), "{url}: {error:?}");
        assert!(error.to_string().contains(words), "{url}: {error}");
    }
    let missing = format!("{}&sslrootcert=/nonexistent/ca.pem", of(&server, "verify-full", None));
    assert!(matches!(refusal(&missing).await, ConnectError::TlsSetup(_)));
}

#[tokio::test]
async fn a_password_is_asked_for_over_tls_too() {
    let Some((server, authority)) = server_with_certificate("localhost", 2096) else {
        return;
    };
    let file = authority.file().display().to_string();
    let url = |password: &str| {
        let port = server.port();
        let place = format!("locked:{password}@localhost:{port}/postgres");
        settings(&format!("postgres://{place}?sslmode=verify-full&sslrootcert={file}"))
    };
    let shown = asked(&url("open%20sesame"), "SELECT current_user::text").await;
    assert_eq!(shown.unwrap(), "locked");
    let error = asked(&url("hush"), "SELECT ''").await.unwrap_err();
    assert!(matches!(error, ConnectError::Login { .. }), "{error:?}");
}

#[tokio::test]
async fn what_prefers_encryption_does_without_where_it_fails() {
    let Some((server, _authority)) = server_with_certificate("localhost", 2096) else {
        return;
    };
    server.set_access("local all all trust\nhostnossl all all all trust\n");
    let url = |mode: &str| format!("postgres://legwork@localhost:{}/postgres?sslmode={mode}", server.port());
    assert_eq!(asked(&settings(&url("prefer")), IS_ENCRYPTED).await.unwrap(), "false");
    assert!(matches!(refusal(&url("require")).await, ConnectError::Login { .. }));
}
