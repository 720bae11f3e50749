//! The settings as a whole: defaults, layers, and what is said about a bad one.

use proptest::prelude::*;

use super::*;
use crate::telemetry;

fn load(file: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_parts(Some((Path::new("legwork.toml"), file)), variables)
}

fn refused(file: &str, variables: &[(&str, &str)]) -> String {
    load(file, variables).unwrap_err().to_string()
}

#[test]
fn the_defaults_need_nothing_but_the_binary() {
    let config = Config::from_parts(None, []).unwrap();
    assert_eq!(config.data_dir, Path::new("data"));
    assert_eq!(config.http.bind.to_string(), "127.0.0.1:8080");
    assert_eq!(config.http.max_body_bytes, 1024 * 1024);
    assert_eq!(config.http.request_timeout, Duration::from_secs(30));
    assert_eq!(config.database.url.to_string(), "sqlite:data/legwork.db");
    assert_eq!((config.database.readers, config.database.writers), (4, 4));
    assert_eq!(config.mail.url.to_string(), "file:data/outbox");
    assert_eq!(config.passwords.cost, PasswordCost::OWASP);
    assert_eq!(config.mail.dot_timeout, Duration::from_secs(600));
    assert_eq!(config.mail.uncertain_wait, Duration::from_secs(10));
    assert_eq!(config.passwords.waiting, 64);
    assert_eq!(config.reports.ttl, Duration::from_secs(7 * 24 * 3600));
    assert_eq!(
        (config.reports.max_rows, config.reports.max_bytes),
        (5_000_000, 2 << 30)
    );
    assert_eq!(config.session.ttl, Duration::from_secs(14 * 24 * 3600));
    assert_eq!(config.shutdown.grace, Duration::from_secs(10));
    assert!(config.secret_keys.is_none());
}

#[test]
fn a_time_has_its_unit_in_the_file_and_in_a_variable() {
    let file = "[mail]\ndot_timeout = '5m'\nuncertain_wait = '2m'";
    let config = load(file, &[("LEGWORK_MAIL__UNCERTAIN_WAIT", "1500ms")]).unwrap();
    assert_eq!(config.mail.dot_timeout, Duration::from_secs(300));
    assert_eq!(config.mail.uncertain_wait, Duration::from_millis(1_500));
    assert_eq!(
        refused("[mail]\ndot_timeout = 600", &[]),
        "mail.dot_timeout must be a time from 1s to 30m with its unit; 600 could be 600s or 600m; legwork.toml sets it to 600"
    );
    assert_eq!(
        refused("", &[("LEGWORK_MAIL__DOT_TIMEOUT", "31m")]),
        "mail.dot_timeout must be a time from 1s to 30m; LEGWORK_MAIL__DOT_TIMEOUT sets it to \"31m\""
    );
}

#[test]
fn a_variable_wins_over_the_file_and_the_file_over_the_defaults() {
    let file = "data_dir = '/var/legwork'\n[http]\nworkers = 3\nmax_connections = 10\n[log]\nformat = 'json'";
    let config = load(
        file,
        &[
            ("LEGWORK_HTTP__WORKERS", "4"),
            ("LEGWORK_DATABASE__URL", "sqlite:/fast/l.db"),
        ],
    )
    .unwrap();
    assert_eq!((config.http.workers, config.http.max_connections), (4, 10));
    assert_eq!(config.http.connections_per_worker(), 2);
    assert_eq!(config.database.url.sqlite_path(), Some(Path::new("/fast/l.db")));
    assert_eq!(
        config.mail.url.to_string(),
        "file:/var/legwork/outbox",
        "derived from data_dir"
    );
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn a_text_that_looks_like_a_number_is_still_a_text_and_an_empty_variable_is_none() {
    let config = load("", &[("LEGWORK_DATA_DIR", "123"), ("LEGWORK_LOG__FILTER", "")]).unwrap();
    assert_eq!(
        (config.data_dir.as_path(), config.log.filter.as_str()),
        (Path::new("123"), "info")
    );
}

#[test]
fn a_bad_setting_is_named_with_its_value_and_its_origin() {
    assert_eq!(
        refused("", &[("LEGWORK_HTTP__WORKERS", "many")]),
        "http.workers must be a whole number from 1 to 256; LEGWORK_HTTP__WORKERS sets it to \"many\""
    );
    assert_eq!(
        refused("[http]\nworkers = 0", &[]),
        "http.workers must be a whole number from 1 to 256; legwork.toml sets it to 0"
    );
    assert_eq!(
        refused("data_dir = 5", &[]),
        "data_dir must be a string; legwork.toml sets it to 5"
    );
    for (variable, value, expected) in [
        (
            "LEGWORK_HTTP__BIND",
            "localhost:80",
            "http.bind must be an IP address and a port",
        ),
        (
            "LEGWORK_PUBLIC_URL",
            "legwork.example",
            "public_url must be http:// or https:// and a host",
        ),
        ("LEGWORK_LOG__FORMAT", "xml", "log.format must be pretty or json"),
        (
            "LEGWORK_MAIL__FROM",
            "a@b\r\nBcc: c@d",
            "mail.from must be an e-mail address",
        ),
        (
            "LEGWORK_PASSWORDS__LANES",
            "17",
            "passwords.lanes must be a whole number from 1 to 16",
        ),
        (
            "LEGWORK_SHUTDOWN__GRACE_MS",
            "-1",
            "shutdown.grace_ms must be a whole number from 0 to 3600000",
        ),
    ] {
        let message = refused("", &[(variable, value)]);
        assert!(message.starts_with(expected) && message.contains(variable), "{message}");
    }
}

#[test]
fn a_file_that_is_not_toml_is_told_with_its_line_on_one_line() {
    let message = refused("data_dir = \"x\"\n[http", &[]);
    assert!(message.starts_with("legwork.toml, line 2, is not TOML: "), "{message}");
    assert!(!message.contains('\n'), "{message}");
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let message = refused("[passwords]\nmemory_kib = 8\nlanes = 2", &[]);
    assert!(
        message.starts_with("passwords.memory_kib must be at least 8 for each lane"),
        "{message}"
    );
}

#[test]
fn an_unknown_setting_is_refused_in_the_file_and_in_the_environment() {
    let message = refused("[http]\nbinds = '127.0.0.1:80'", &[]);
    assert!(
        message.starts_with("legwork.toml sets http.binds, which is no setting; there are http.bind, "),
        "{message}"
    );
    let message = refused("", &[("LEGWORK_HTTP_BIND", "127.0.0.1:80")]);
    assert!(
        message.contains("two underscores") && message.ends_with("write LEGWORK_HTTP__BIND"),
        "{message}"
    );
    let message = refused("", &[("LEGWORK_BIND", "127.0.0.1:80")]);
    assert!(
        message.starts_with("LEGWORK_BIND sets bind, which is no setting; there are data_dir, "),
        "{message}"
    );
    assert!(refused("[htpp]\nbind = 'x'", &[]).contains("htpp.bind"));
    assert!(refused("http = 3", &[]).contains("sets http, which is no setting"));
    assert!(
        load("", &[("LEGWORK_TEST_DATABASE_URL", "postgres://x")]).is_ok(),
        "what tests are told is no setting"
    );
}

#[test]
fn no_secret_is_shown_in_an_error_or_by_debug() {
    for (variable, value) in [
        ("LEGWORK_DATABASE__URL", "postgres://legwork:hush@db/leg/work"),
        ("LEGWORK_DATABASE__URL", "postgres://legwork:hu?hush@db/legwork"),
        ("LEGWORK_MAIL__URL", "smtps://legwork:hush@mail?tls=none"),
        ("LEGWORK_MAIL__URL", "hush"),
        ("LEGWORK_MAIL__URL", "smtp://legwork:hush@mail/inbox"),
        ("LEGWORK_MAIL__PASSWORD", "hush"),
    ] {
        let message = refused("", &[(variable, value)]);
        assert!(!message.contains("hush") && message.contains(variable), "{message}");
    }
    let message = refused("[mail]\nurl = \"smtp://legwork:hush@mail\"x", &[]);
    assert!(
        !message.contains("hush") && message.contains("legwork.toml, line 2"),
        "{message}"
    );
    for variables in [
        vec![("LEGWORK_SECRET_KEYS", "a:hush")],
        vec![("LEGWORK_DATABASE__URL", "postgres://legwork:hush@db/legwork")],
        vec![("LEGWORK_MAIL__URL", "smtps://legwork:hush@mail")],
        vec![
            ("LEGWORK_MAIL__URL", "smtps://ada@mail"),
            ("LEGWORK_MAIL__PASSWORD", "hush"),
        ],
    ] {
        let config = load("", &variables).unwrap();
        assert!(!format!("{config:?} {} {}", config.mail.url, config.database.url).contains("hush"));
    }
}

#[test]
fn a_server_of_databases_is_told_how_long_a_statement_may_take() {
    let url = ("LEGWORK_DATABASE__URL", "postgres://db/legwork");
    let config = load("[database]\nwriters = 2\nstatement_timeout_ms = 1500", &[url]).unwrap();
    let DatabaseUrl::Postgres(server) = &config.database.url else {
        panic!("{}", config.database.url)
    };
    assert_eq!(
        (server.statement_timeout.as_millis(), config.database.writers),
        (1500, 2)
    );
    assert!(refused("[database]\nwriters = 0", &[]).starts_with("database.writers must be"));
    let after = |text: &str| load(text, &[]).unwrap().database.contract_after;
    assert_eq!(after(""), Duration::from_secs(3600));
    assert_eq!(after("[database]\ncontract_after_minutes = 0"), Duration::ZERO);
    assert!(
        refused("[database]\ncontract_after_minutes = 43201", &[])
            .starts_with("database.contract_after_minutes must be")
    );
}

#[test]
fn a_login_for_mail_is_of_use_only_with_a_relay() {
    for variable in ["LEGWORK_MAIL__USERNAME", "LEGWORK_MAIL__PASSWORD"] {
        assert!(refused("", &[(variable, "x")]).contains("is of no use without a relay"));
    }
    let apart = [
        ("LEGWORK_MAIL__URL", "smtp://relay.example"),
        ("LEGWORK_MAIL__USERNAME", "ada"),
        ("LEGWORK_MAIL__PASSWORD", "12345"),
        ("LEGWORK_MAIL__CA_FILE", "/etc/ca.pem"),
    ];
    let config = load("", &apart).unwrap();
    assert_eq!(config.mail.url.to_string(), "smtp://relay.example:587?tls=required");
    assert_eq!(config.mail.ca_file.as_deref(), Some(Path::new("/etc/ca.pem")));
}

fn by_files(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::read(&Settings::new(
        None,
        environment::with_files(&variables.collect::<Vec<_>>())?,
    )?)
}

#[test]
fn an_authority_that_nobody_would_ask_is_refused() {
    let given = |url| {
        let file = "[mail]\nca_file = '/etc/ca.pem'";
        load(file, &[("LEGWORK_MAIL__URL", url)])
    };
    for url in [
        "smtps://relay",
        "smtp://relay?tls=required",
        "smtp://ada:sesame@relay",
        "file:outbox",
    ] {
        assert!(given(url).is_ok(), "{url}");
    }
    for url in ["smtp://relay", "smtp://127.0.0.1", "smtp://ada:sesame@relay?tls=none"] {
        let message = given(url).unwrap_err().to_string();
        assert!(message.starts_with("mail.ca_file is of no use"), "{url}: {message}");
    }
}

#[test]
fn any_setting_can_be_given_by_a_file_that_holds_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (url, workers) = (file("url", "smtp://relay:2525\n"), file("workers", "many\r\n"));
    let config = by_files(&[("LEGWORK_MAIL__URL_FILE", &url), ("LEGWORK_MAIL__URL", "")]).unwrap();
    assert_eq!(config.mail.url.to_string(), "smtp://relay:2525?tls=opportunistic");
    assert_eq!(
        by_files(&[("LEGWORK_HTTP__WORKERS_FILE", &workers)])
            .unwrap_err()
            .to_string(),
        format!(
            "http.workers must be a whole number from 1 to 256; LEGWORK_HTTP__WORKERS_FILE, the file {workers}, sets it to \"many\""
        )
    );
    let secret = file("secret", "smtp://legwork:hush@mail:port");
    let message = by_files(&[("LEGWORK_MAIL__URL_FILE", &secret)])
        .unwrap_err()
        .to_string();
    assert!(!message.contains("hush") && message.contains(&secret), "{message}");
    let wrong = |variables: &[(&str, &str)]| telemetry::chain(&by_files(variables).unwrap_err());
    assert_eq!(
        wrong(&[("LEGWORK_MAIL__URL_FILE", &url), ("LEGWORK_MAIL__URL", "smtp://other")]),
        "LEGWORK_MAIL__URL and LEGWORK_MAIL__URL_FILE are both set; leave one out"
    );
    let message = wrong(&[("LEGWORK_SECRET_KEYS_FILE", "/nonexistent/keys")]);
    assert!(
        message.starts_with("LEGWORK_SECRET_KEYS_FILE names /nonexistent/keys, which cannot be read: "),
        "{message}"
    );
    for nothing in ["", "\n", "\r\n"] {
        let message = wrong(&[("LEGWORK_MAIL__URL_FILE", &file("empty", nothing))]);
        assert!(
            message.ends_with("empty, which cannot be read: it is empty"),
            "mail must not go to the default instead: {message}"
        );
    }
    let long = file("long", &"x".repeat(64 * 1024 + 1));
    assert!(wrong(&[("LEGWORK_MAIL__FROM_FILE", &long)]).contains("over 65536 bytes"));
    assert!(
        wrong(&[("LEGWORK_HTTP__BINDS_FILE", &url)]).contains("is no setting"),
        "a file of no setting is not read"
    );
}

#[test]
fn a_named_file_must_exist() {
    let args = ConfigArgs {
        config: Some("/nonexistent/legwork.toml".into()),
    };
    let message = Config::load(&args).unwrap_err().to_string();
    assert_eq!(message, "cannot read the settings file /nonexistent/legwork.toml");
}

#[test]
fn every_setting_is_read() {
    for name in source::names().unwrap() {
        // A list of lists is what no setting may be, so one that is read refuses it.
        let (section, key) = name.rsplit_once('.').unwrap_or(("", &name));
        let section = if section.is_empty() {
            String::new()
        } else {
            format!("[{section}]\n")
        };
        let message = refused(&format!("{section}{key} = [[]]"), &[]);
        assert!(message.starts_with(&name), "{name}: {message}");
    }
}

/// Settings of which each is a number within a range.
const NUMBERS: &[&str] = &[
    "http.workers",
    "http.max_body_bytes",
    "http.request_timeout_ms",
    "http.header_timeout_ms",
    "http.max_connections",
    "database.readers",
    "passwords.memory_kib",
    "passwords.passes",
    "passwords.lanes",
    "passwords.waiting",
    "registration.ttl_hours",
    "session.ttl_hours",
    "session.idle_hours",
    "limits.mails_burst",
    "limits.entries_per_minute",
    "retention.completed_days",
    "shutdown.grace_ms",
];

proptest! {
    #[test]
    fn no_value_is_a_fault_and_one_that_is_refused_is_told_with_its_setting(
        setting in prop::sample::select(NUMBERS),
        value in "-?[0-9]{1,25}|\\PC{0,20}|[0-9.eExX+_-]{1,8}|(inf|nan|true|\\[\\]|\\{\\})",
    ) {
        let variable = format!("LEGWORK_{}", setting.to_uppercase().replace('.', "__"));
        if let Err(error) = load("", &[(&variable, &value)]) {
            prop_assert!(error.to_string().contains(setting), "{error}");
        }
        // In a file the same, whatever it makes of the file's form.
        let (table, name) = setting.split_once('.').unwrap();
        drop(load(&format!("[{table}]\n{name} = {value}"), &[]));
    }

    #[test]
    fn a_name_of_no_setting_is_refused_and_its_value_not_told(name in "X[A-Z]{0,6}(__[A-Z]{1,12})?", file in "x[a-z]{0,12}") {
        let message = refused("", &[(&format!("LEGWORK_{name}"), "hush")]);
        prop_assert!(!message.contains("hush"), "{message}");
        let message = refused(&format!("{file} = 'hush'"), &[]);
        prop_assert!(message.contains(&file) && !message.contains("hush"), "{message}");
    }

    #[test]
    fn no_file_is_a_fault(text in "\\PC{0,60}|(\\[?(http|database|mail|limits|queues)\\]?[\n=.]|workers|url|max_waiting|[ 0-9'\"{}=\n]){0,12}") {
        drop(load(&text, &[]));
    }
}
