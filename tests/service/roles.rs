//! Operators, made and unmade on the command line beside a running service.

use serde_json::{Value, json};

use super::first_steps::member;
use crate::support::service::{Home, Service, breathe};

/// Waits until this is answered so.
async fn answered(service: &Service, token: &str, path: &str, status: u16) {
    while service.get(token, path).await.0 != status {
        breathe().await;
    }
}

#[tokio::test]
async fn an_operator_is_made_and_unmade_while_the_service_runs_and_the_last_one_stays() {
    let home = Home::new();
    let service = home.serve();
    let ada = member(&home, &service, "ada@example.com").await;
    let (_, key) = service
        .post(&ada, "/v1/api-keys", &json!({ "name": "ci", "scopes": ["*"] }))
        .await;
    let key = key["key"].as_str().unwrap();
    let role = async || service.get(key, "/v1/accounts/me").await.1["role"].clone();
    assert_eq!(
        (service.get(key, "/v1/queues").await.0, role().await),
        (403, json!("member"))
    );
    let set = |order: &str, email: &str| home.run(&["account", order, "--email", email], "");
    let said = set("grant-operator", "Ada@example.com");
    assert!(said.status.success(), "{}", said.stderr);
    let printed: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(
        (&printed["is_operator"], &printed["changed"]),
        (&json!(true), &json!(true))
    );
    answered(&service, key, "/v1/queues", 200).await;
    assert_eq!(role().await, "operator");
    // What was a member's login is nobody's.
    answered(&service, &ada, "/v1/accounts/me", 401).await;
    for (order, email, told) in [
        ("revoke-operator", "ada@example.com", "the last operator"),
        ("grant-operator", "eve@example.com", "no account has this address"),
        ("grant-operator", "eve", "the address cannot be used"),
    ] {
        let refused = set(order, email);
        assert_eq!(refused.status.code(), Some(1), "{}", refused.stdout);
        assert!(refused.stderr.contains(told), "{}", refused.stderr);
    }
    member(&home, &service, "bob@example.com").await;
    for _ in 0..2 {
        assert!(set("grant-operator", "bob@example.com").status.success());
    }
    let (_, acts) = service.get(key, "/v1/audit?action=account.grant_operator").await;
    assert_eq!(acts["data"].as_array().unwrap().len(), 2, "{acts}");
    assert!(set("revoke-operator", "ada@example.com").status.success());
    answered(&service, key, "/v1/queues", 403).await;
    assert_eq!(role().await, "member");
}
