//! API keys of running services: revoked on the command line, by a person's hand, and at another node.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::postgres_server;
use crate::support::service::{Home, PATIENCE, Service, breathe};

/// Within which a revoked key is refused everywhere.
const REFUSED_WITHIN: Duration = Duration::from_secs(1);

async fn is_let_in(service: &Service, key: &str) -> bool {
    let (status, me) = service.get(key, "/v1/accounts/me").await;
    assert!(matches!(status, 200 | 401), "{me}");
    status == 200
}

/// Waits until a key is refused, and answers how long that took.
async fn until_refused(service: &Service, key: &str) -> Duration {
    let since = Instant::now();
    while is_let_in(service, key).await {
        assert!(since.elapsed() < PATIENCE, "it is never refused");
        breathe().await;
    }
    since.elapsed()
}

/// An account, and its key.
fn account(home: &Home, email: &str) -> String {
    let arguments = [
        "account",
        "create",
        "--operator",
        "--email",
        email,
        "--password-stdin",
        "--api-key",
    ];
    let said = home.run(&arguments, "a good long password\n");
    assert!(said.status.success(), "{}", said.stderr);
    let made: Value = serde_json::from_str(&said.stdout).unwrap();
    made["api_key"].as_str().unwrap().to_owned()
}

fn revoke(home: &Home, which: &str) -> (Option<i32>, String, String) {
    let said = home.run(&["keys", "revoke", which], "");
    (said.status.code(), said.stdout, said.stderr)
}

#[tokio::test]
async fn a_key_that_the_command_line_revokes_is_refused_by_the_running_service_within_a_second() {
    let home = Home::new();
    let (key, other) = (account(&home, "op@example.com"), account(&home, "other@example.com"));
    let service = home.serve();
    assert!(is_let_in(&service, &key).await && is_let_in(&service, &other).await);

    let listed = home.run(&["keys", "list", "--email", "OP@example.com", "--json"], "");
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1, "{listed}");
    let id = listed["data"][0]["id"].as_str().unwrap();
    assert_eq!(
        (&listed["data"][0]["prefix"], &listed["data"][0]["scopes"]),
        (&json!(key[..12]), &json!(["*"]))
    );
    let table = home.run(&["keys", "list"], "").stdout;
    assert!(
        table.contains(&key[..12]) && table.contains(&other[..12]) && !table.contains(&key[..13]),
        "{table}"
    );

    for (wrong, hint) in [
        (key.as_str(), "at most 12 characters"),
        (&key[..11], "not by fewer"),
        ("lwk_00000000", "no API key"),
        ("key_00000000000000000000000000000000", "no API key"),
        ("nonsense", "the same four characters"),
    ] {
        let (code, _, told) = revoke(&home, wrong);
        assert!(code == Some(1) && told.contains(hint), "{wrong}: {told}");
        assert!(!told.contains(&key[..13]), "{told}");
    }
    assert!(is_let_in(&service, &key).await);

    let (code, said, told) = revoke(&home, &key[..12]);
    assert!(code == Some(0) && said.contains(id), "{said}{told}");
    let took = until_refused(&service, &key).await;
    assert!(took < REFUSED_WITHIN, "{took:?}");
    assert_eq!(revoke(&home, id).0, Some(1), "a second time");
    let (_, acts) = service.get(&other, "/v1/audit?action=api_key.revoke").await;
    let act = &acts["data"][0];
    assert_eq!(
        (&act["subject"], &act["via"]),
        (&json!(id), &json!("command_line")),
        "{acts}"
    );
}

#[tokio::test]
async fn a_key_that_one_node_or_the_command_line_revokes_is_refused_at_once_there_and_elsewhere_within_a_second() {
    let Some(server) = postgres_server::shared() else {
        return;
    };
    let url = server.create_database();
    let home = || Home::new().with("LEGWORK_DATABASE__URL", &url);
    let (first_home, second_home) = (home(), home());
    let keys = ["a@example.com", "b@example.com"].map(|email| account(&first_home, email));
    let (first, second) = (first_home.serve(), second_home.serve());
    for (service, key) in [
        (&first, &keys[0]),
        (&second, &keys[0]),
        (&first, &keys[1]),
        (&second, &keys[1]),
    ] {
        assert!(is_let_in(service, key).await);
    }

    let login = json!({ "email": "a@example.com", "password": "a good long password" });
    let (_, session) = first.post_openly("/v1/sessions", &login).await;
    let token = session["token"].as_str().unwrap();
    let (_, listed) = first.get(token, "/v1/api-keys").await;
    let uri = format!("/v1/api-keys/{}", listed["data"][0]["id"].as_str().unwrap());
    assert_eq!(first.delete(token, &uri).await.0, 204);
    assert!(!is_let_in(&first, &keys[0]).await, "at once");
    let took = until_refused(&second, &keys[0]).await;
    assert!(took < REFUSED_WITHIN, "{took:?}");

    assert_eq!(revoke(&second_home, &keys[1][..12]).0, Some(0));
    for service in [&first, &second] {
        let took = until_refused(service, &keys[1]).await;
        assert!(took < REFUSED_WITHIN, "{took:?}");
    }
}
