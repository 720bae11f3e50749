//! `legwork config`: what a service would start with, and why.

use serde_json::Value;

use crate::support::service::Home;

#[test]
fn every_setting_is_printed_with_its_value_and_where_it_came_from() {
    let home = Home::new();
    std::fs::write(home.path().join("legwork.toml"), "[session]\nttl_hours = 24\n").unwrap();
    std::fs::write(home.path().join("relay"), "smtp://relay.example:2525\n").unwrap();
    let home = home
        .with("LEGWORK_MAIL__URL_FILE", "relay")
        .with("LEGWORK_HTTP__TRUSTED_PROXIES", "10.0.0.0/8,::1");
    let said = home.run(&["config"], "");
    assert!(said.status.success(), "{}", said.stderr);
    let line = |start: &str| {
        let line = said.stdout.lines().find(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("no {start} in\n{}", said.stdout))
            .split_once("  # ")
            .unwrap()
    };
    for (setting, value, origin) in [
        ("session.ttl_hours", "24", "legwork.toml"),
        (
            "mail.url",
            "\"smtp://relay.example:2525\"",
            "LEGWORK_MAIL__URL_FILE, the file relay",
        ),
        ("http.bind", "\"127.0.0.1:0\"", "LEGWORK_HTTP__BIND"),
        (
            "http.trusted_proxies",
            "\"10.0.0.0/8,::1\"",
            "LEGWORK_HTTP__TRUSTED_PROXIES",
        ),
        ("http.cors_origins", "[]", "default"),
        ("limits.logins_per_minute_address", "30", "default"),
        ("retention.security_days", "365", "default"),
        ("probes.concurrency", "256", "default"),
        ("mail.site_concurrency", "8", "derived"),
        ("mail.message_bytes_max", "20971520", "default"),
        ("uploads.max_bytes", "14680064", "default"),
        ("uploads.kept_hours", "72", "default"),
        ("database.url", "\"sqlite:data/legwork.db\"", "derived"),
    ] {
        let (shown, from) = line(&format!("{setting} = "));
        assert_eq!(
            (shown.trim_end(), from),
            (format!("{setting} = {value}").as_str(), origin)
        );
    }
    assert_eq!(line("# secret_keys").1, "not set");
    assert!(!home.path().join("data").exists(), "to look changes nothing");

    let json: Vec<Value> = serde_json::from_str(&home.run(&["config", "--json"], "").stdout).unwrap();
    let relay = json.iter().find(|row| row["setting"] == "mail.url").unwrap();
    assert_eq!(
        (&relay["variable"], &relay["value"]),
        (&"LEGWORK_MAIL__URL".into(), &"\"smtp://relay.example:2525\"".into())
    );
    assert_eq!(json.len(), said.stdout.lines().count());
}

#[test]
fn the_defaults_are_printed_as_a_file_that_changes_nothing() {
    let home = Home::new();
    let defaults = home.run(&["config", "--defaults"], "").stdout;
    let before = home.run(&["config"], "").stdout;
    std::fs::write(home.path().join("legwork.toml"), &defaults).unwrap();
    let after = home.run(&["config"], "").stdout;
    let values = |text: &str| {
        text.lines()
            .map(|line| line.split("  # ").next().unwrap().trim_end().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(values(&before), values(&after));
}

#[test]
fn no_secret_is_printed_and_a_wrong_setting_is_named_beside_all_others() {
    let home = Home::new()
        .with("LEGWORK_SECRET_KEYS", "k1:aHVzaGh1c2g=")
        .with(
            "LEGWORK_MAIL__URL",
            "smtp://legwork:hushhush@relay.example?auth=hushhush",
        )
        .with("LEGWORK_HTTP__WORKERS", "0");
    for arguments in [&["config"][..], &["config", "--json"]] {
        let said = home.run(arguments, "");
        assert_eq!(said.status.code(), Some(1), "{}", said.stdout);
        assert!(said.stderr.contains("LEGWORK_"), "{}", said.stderr);
        assert!(
            said.stdout.contains("http.workers") && said.stdout.contains("log.filter"),
            "{}",
            said.stdout
        );
        for text in [&said.stdout, &said.stderr] {
            assert!(!text.contains("hush") && !text.contains("aHVz"), "{text}");
        }
        assert!(said.stdout.contains("smtp://***@relay.example?***"), "{}", said.stdout);
    }
    let said = Home::new().with("LEGWORK_HTP__BIND", "x").run(&["config"], "");
    assert_eq!(said.status.code(), Some(1));
    assert!(said.stderr.contains("LEGWORK_HTP__BIND"), "{}", said.stderr);
}
