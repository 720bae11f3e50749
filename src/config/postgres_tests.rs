//! Addresses of PostgreSQL databases: what is understood, what is refused, and what is never said.

use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;

fn parsed(text: &str) -> PostgresSettings {
    PostgresSettings::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> String {
    PostgresSettings::parse(text).unwrap_err().to_string()
}

fn tcp(host: &str, port: u16) -> PostgresHost {
    PostgresHost::Tcp(host.into(), port)
}

#[test]
fn every_part_of_an_address_is_understood() {
    let text = "postgresql://ada:p%40ss%2F%3F@db.example:6543/leg%20work?sslmode=verify-full&sslrootcert=/etc/ca.pem\
                &application_name=mine&connect_timeout=7&target_session_attrs=read-write";
    let settings = parsed(text);
    assert_eq!(settings.hosts, [tcp("db.example", 6543)]);
    assert_eq!(settings.user.as_deref(), Some("ada"));
    assert_eq!(settings.password.as_ref().unwrap().expose_secret(), "p@ss/?");
    assert_eq!(settings.database.as_deref(), Some("leg work"));
    assert_eq!(settings.tls, SslMode::VerifyFull);
    assert_eq!(settings.root_certificates, Some("/etc/ca.pem".into()));
    assert_eq!(
        (settings.application_name.as_str(), settings.only_writable),
        ("mine", true)
    );
    assert_eq!(settings.connect_timeout, Duration::from_secs(7));
    assert_eq!(settings.to_string(), "postgres://ada@db.example:6543/leg work");
}

#[test]
fn what_is_left_out_has_the_usual_value() {
    let settings = parsed("postgres://db");
    assert_eq!(
        (&settings.user, &settings.database, settings.tls),
        (&None, &None, SslMode::Prefer)
    );
    assert!(settings.password.is_none() && !settings.only_writable && settings.root_certificates.is_none());
    assert_eq!(settings.hosts, [tcp("db", 5432)]);
    assert_eq!(settings.application_name, "legwork");
    assert_eq!(settings.connect_timeout, Duration::from_secs(5));
    assert_eq!(settings.statement_timeout, Duration::from_secs(10));
}

#[test]
fn a_host_may_be_an_address_a_socket_or_one_of_several() {
    let unix = |folder: &str, port| PostgresHost::Unix(folder.into(), port);
    for (text, hosts) in [
        ("postgres://[::1]:1/d", vec![tcp("::1", 1)]),
        (
            "postgres://u@a:1,b,[::2]:3/d",
            vec![tcp("a", 1), tcp("b", 5432), tcp("::2", 3)],
        ),
        ("postgres:///d?host=/run/pg&port=7", vec![unix("/run/pg", 7)]),
        ("postgres://u@%2Frun%2Fpg/d", vec![unix("/run/pg", 5432)]),
        ("postgres:///d?host=a,b&port=1,2", vec![tcp("a", 1), tcp("b", 2)]),
        (
            "postgres:///d?host=a,/run/pg&port=9",
            vec![tcp("a", 9), unix("/run/pg", 9)],
        ),
    ] {
        assert_eq!(parsed(text).hosts, hosts, "{text}");
    }
}

#[test]
fn what_is_not_understood_is_refused_and_never_skipped() {
    for (text, words) in [
        ("postgres:db", "must start with"),
        ("postgres:///d", "must name a host"),
        ("postgres://a:0/d", "must name a host"),
        ("postgres://a:x/d", "port from 1 to 65535"),
        ("postgres://a/d?host=b", "names hosts twice"),
        ("postgres:///d?host=a,b&port=1,2,3", "one port for all"),
        ("postgres://a/d?sslmode=on", "as sslmode"),
        ("postgres://a/d?sslmode=disable&sslmode=require", "a parameter twice"),
        ("postgres://a/d?connect_timeout=0", "1 to 600 seconds"),
        (
            "postgres://a/d?sslcert=x",
            "has the parameter sslcert, which means nothing here",
        ),
        ("postgres://u:p@a/d?options=-c%20fsync=off", "has the parameter options"),
        ("postgres://a/d?sslrootcert=/ca.pem", "of no use"),
        (
            "postgres://a/d?target_session_attrs=standby",
            "any, read-write or primary",
        ),
        ("postgres://a/d/e", "in the name of the database"),
        ("postgres://a%zz/d", "must name a host"),
        ("postgres://u%zz@a/d", "has a % that"),
        ("postgres://a/d%00", "control character"),
    ] {
        let message = refused(text);
        assert!(message.contains(words), "{text}: {message}");
    }
    assert!(
        parsed("postgres://a/d?sslmode=verify-full&sslrootcert=system")
            .root_certificates
            .is_none()
    );
}

#[test]
fn a_password_that_was_not_encoded_is_not_said() {
    for text in [
        "postgres://u:hush?hush@h/d",
        "postgres://u:1?hush",
        "postgres://u:1/hush@h/d",
        "postgres://u:hush/d",
        "postgres://u:hu%sh@h/d",
        "postgres://u:hush@h/d?hush",
        "postgres://u:hush@h/d?sslmode=hush",
        "postgres://u:1?hush=1",
        "postgres://hush",
    ] {
        match PostgresSettings::parse(text) {
            // A name that stands where parameters do is none of the login's.
            Err(PostgresUrlError::Parameter(name)) if text.contains("@h/d?hush") => assert_eq!(name, "hush"),
            Err(error) => assert!(!format!("{error} {error:?}").contains("hush"), "{text}: {error}"),
            Ok(settings) => assert_eq!(settings.hosts, [tcp("hush", 5432)]),
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_encoded_comes_back_and_the_password_stays_hidden(
        user in "[^\\p{Cc}]{1,12}", password in "[^\\p{Cc}]{8,20}", database in "[^\\p{Cc}]{1,12}",
    ) {
        let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
        let text = format!("postgres://{}:{}@h/{}", encoded(&user), encoded(&password), encoded(&database));
        let settings = PostgresSettings::parse(&text).unwrap();
        prop_assert_eq!(settings.user.as_ref(), Some(&user));
        prop_assert_eq!(settings.database.as_ref(), Some(&database));
        prop_assert_eq!(settings.password.as_ref().unwrap().expose_secret(), password.as_str());
        if !user.contains(&password) && !database.contains(&password) {
            let shown = format!("{settings} {settings:?}");
            prop_assert!(!shown.contains(&password));
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "postgres://[ -~]{0,60}") {
        drop(PostgresSettings::parse(&text));
    }
}
