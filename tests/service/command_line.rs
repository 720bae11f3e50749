//! The command line, beside a running service and without one.

use serde_json::json;

use legwork::clock::Clock;
use legwork::domain::totp::TotpSecret;

use crate::support::service::Home;

#[tokio::test]
async fn a_second_service_in_the_same_folder_is_refused_while_the_command_line_works_beside_the_first() {
    let home = Home::new();
    let service = home.serve();
    let second = home.run(&["serve"], "");
    assert_eq!(second.status.code(), Some(1));
    assert!(second.stderr.contains("already serving"), "{}", second.stderr);

    let key = home.operator();
    let id = service.probe(&key, &json!({ "steps": 0 })).await;
    service.job_when(&key, &id, |job| job["state"] == "completed").await;
    let again = home.run(
        &["account", "create", "--email", "OP@example.com", "--password-stdin"],
        "a good long password\n",
    );
    assert_eq!(again.status.code(), Some(1));
    assert!(again.stderr.contains("exists already"), "{}", again.stderr);
}

#[tokio::test]
async fn a_backup_of_a_running_service_serves_in_another_folder() {
    let home = Home::new();
    let key = home.operator();
    let service = home.serve();
    let mut ids = Vec::new();
    for _ in 0..50 {
        ids.push(service.probe(&key, &json!({ "steps": 0 })).await);
    }
    let copy = home.path().join("copy.db");
    let said = home.run(&["backup", copy.to_str().unwrap()], "");
    assert!(said.status.success(), "{}", said.stderr);
    let again = home.run(&["backup", copy.to_str().unwrap()], "");
    assert_eq!(again.status.code(), Some(1), "a file that exists is not written over");

    let other = Home::new().with("LEGWORK_DATABASE__URL", format!("sqlite:{}", copy.display()));
    let restored = other.serve();
    for id in ids {
        restored.job_when(&key, &id, |job| job["state"] == "completed").await;
    }
}

#[test]
fn a_backup_of_a_database_on_a_server_is_left_to_its_own_program() {
    let home = Home::new().with("LEGWORK_DATABASE__URL", "postgres://ada:hush@db.invalid/legwork");
    let said = home.run(&["backup", "copy.db"], "");
    assert_eq!(said.status.code(), Some(2));
    assert!(
        said.stderr.contains("pg_dump") && !said.stderr.contains("hush"),
        "{}",
        said.stderr
    );
}

#[test]
fn a_wrong_setting_ends_the_start_with_its_name_and_where_it_came_from() {
    let home = Home::new().with("LEGWORK_HTTP__WORKERS", "many");
    let said = home.run(&["serve"], "");
    assert_eq!(said.status.code(), Some(1));
    assert!(said.stderr.contains("LEGWORK_HTTP__WORKERS"), "{}", said.stderr);
    assert_eq!(
        Home::new().run(&["serv"], "").status.code(),
        Some(2),
        "a wrong command line has a code of its own"
    );
}

#[test]
fn a_bad_address_or_password_makes_no_account() {
    let home = Home::new();
    for (email, password) in [("nobody", "a good long password"), ("a@example.com", "short")] {
        let said = home.run(&["account", "create", "--email", email, "--password-stdin"], password);
        assert_eq!(said.status.code(), Some(1), "{}", said.stderr);
        assert!(!said.stderr.contains(password), "no password is shown");
    }
}

#[test]
fn migrating_twice_changes_nothing_and_makes_the_database() {
    let home = Home::new();
    for _ in 0..2 {
        let said = home.run(&["migrate"], "");
        assert!(said.status.success(), "{}", said.stderr);
    }
    assert!(home.database().exists());
}

#[tokio::test]
async fn a_start_that_cannot_listen_touches_no_job() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let home = Home::new();
    let key = home.operator();
    let service = home.serve();
    let id = service.probe(&key, &json!({ "steps": 1000, "step_ms": 1000 })).await;
    service.job_when(&key, &id, |job| job["state"] == "running").await;
    service.signal("KILL");
    service.wait();
    let home = home.with("LEGWORK_HTTP__BIND", taken.local_addr().unwrap().to_string());
    let refused = home.run(&["serve"], "");
    assert_eq!(refused.status.code(), Some(1));
    for done in ["job_rescued", "job_claimed", "\"event\":\"started\""] {
        assert!(!refused.stderr.contains(done), "{done} in {}", refused.stderr);
    }
    let home = home.with("LEGWORK_HTTP__BIND", "127.0.0.1:0");
    let service = home.serve();
    let again = service.job_when(&key, &id, |job| job["state"] == "running").await;
    assert_eq!(
        again["attempts"].as_array().unwrap().len(),
        2,
        "the kill is one, the start that failed none: {again}"
    );
}

#[tokio::test]
async fn the_description_of_the_api_is_printed_as_the_service_shows_it() {
    let home = Home::new();
    let said = home.run(&["openapi"], "");
    assert!(said.status.success(), "{}", said.stderr);
    let printed: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let (status, served) = home.serve().get("", "/openapi.json").await;
    assert_eq!((status, served), (200, printed));
}

#[tokio::test]
async fn a_second_factor_that_is_lost_is_turned_off_on_the_command_line_while_the_service_runs() {
    let home = Home::new();
    home.operator();
    let disable = |email: &str| home.run(&["account", "disable-second-factor", "--email", email], "");
    for (email, told) in [
        ("OP@example.com", "has no second factor"),
        ("nobody@example.com", "no account"),
    ] {
        let said = disable(email);
        assert_eq!(said.status.code(), Some(1));
        assert!(said.stderr.contains(told), "{}", said.stderr);
    }
    let service = home.serve();
    let login = json!({ "email": "op@example.com", "password": "a good long password" });
    let (status, session) = service.post_openly("/v1/sessions", &login).await;
    assert_eq!(status, 201, "{session}");
    let token = session["token"].as_str().unwrap();
    let uri = "/v1/accounts/me/second-factor";
    let (status, made) = service.post(token, uri, &json!({})).await;
    assert_eq!(status, 201, "{made}");
    let secret = totp_rs::Secret::try_from_base32(made["secret"].as_str().unwrap()).unwrap();
    let secret = TotpSecret::from_bytes(secret.as_bytes()).unwrap();
    let code = json!({ "code": secret.code_at(Clock::System.now()) });
    let (status, on) = service.post(token, &format!("{uri}/confirm"), &code).await;
    assert_eq!(status, 200, "{on}");
    let (status, problem) = service.post_openly("/v1/sessions", &login).await;
    assert_eq!(
        (status, problem["type"].as_str()),
        (401, Some("/problems/second-factor-required"))
    );

    let said = disable("op@example.com");
    assert!(said.status.success(), "{}", said.stderr);
    assert!(said.stdout.contains("ended: 1"), "{}", said.stdout);
    assert_eq!(service.post_openly("/v1/sessions", &login).await.0, 201);
}

#[tokio::test]
async fn a_password_is_set_and_an_account_deleted_beside_a_running_service_and_both_are_acts() {
    let home = Home::new();
    let service = home.serve();
    let key = home.operator();
    let made = home.run(
        &["account", "create", "--email", "ada@example.com", "--password-stdin"],
        "correct horse battery\n",
    );
    assert!(made.status.success(), "{}", made.stderr);
    let set = [
        "account",
        "set-password",
        "--email",
        "Ada@example.com",
        "--password-stdin",
    ];
    let weak = home.run(&set, "qwertyuiop[]\n");
    assert_eq!(weak.status.code(), Some(1));
    assert!(weak.stderr.contains("too easy to guess"), "{}", weak.stderr);
    let said = home.run(&set, "seven green kites at noon\n");
    assert!(said.status.success(), "{}", said.stderr);
    let login = json!({ "email": "ada@example.com", "password": "seven green kites at noon" });
    let (status, _) = service.post_openly("/v1/sessions", &login).await;
    assert_eq!(status, 201);

    let delete = |email: &'static str| home.run(&["account", "delete", "--email", email], "");
    let said = delete("ada@example.com");
    assert!(
        said.status.success() && said.stdout.contains("\"deletion_at\": \"2"),
        "{}",
        said.stderr
    );
    let unknown = delete("nobody@example.com");
    assert!(
        unknown.stderr.contains("no account has this address"),
        "{}",
        unknown.stderr
    );
    let last = delete("op@example.com");
    assert!(last.stderr.contains("last operator"), "{}", last.stderr);
    let (_, acts) = service.get(&key, "/v1/audit").await;
    let actions: Vec<_> = acts["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|act| act["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions[..2], ["account.delete", "account.set_password"]);
}
