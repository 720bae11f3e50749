//! The way of a new user, as the README tells it: register, verify, log in, send, watch, cancel.

use serde_json::{Value, json};

use crate::support::service::{Home, Service, breathe};

/// The link in the mail to `address`, once it is in the outbox.
async fn mailed_token(home: &Home, address: &str) -> String {
    loop {
        for mail in home.outbox() {
            let text = mail.replace("=\r\n", "").replace("=3D", "=");
            if text.contains(&format!("To: {address}"))
                && let Some((_, rest)) = text.split_once("/verify?token=")
            {
                return rest
                    .chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
                    .collect();
            }
        }
        breathe().await;
    }
}

/// Registers, verifies and logs in; answers the session's token.
pub(super) async fn member(home: &Home, service: &Service, email: &str) -> String {
    let person = json!({ "email": email, "password": "a good long password", "name": "Ada" });
    let (status, body) = service.post_openly("/v1/accounts", &person).await;
    assert_eq!((status, body["message"].is_string()), (202, true), "{body}");
    let token = mailed_token(home, email).await;
    let (status, account) = service
        .post_openly("/v1/accounts/verify", &json!({ "token": token }))
        .await;
    assert_eq!((status, account["email"].as_str()), (200, Some(email)), "{account}");
    let (status, session) = service
        .post_openly(
            "/v1/sessions",
            &json!({ "email": email, "password": "a good long password" }),
        )
        .await;
    assert_eq!(status, 201, "{session}");
    session["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_person_registers_verifies_logs_in_sends_a_mail_and_logs_out() {
    let home = Home::new();
    let service = home.serve();
    let ada = member(&home, &service, "ada@example.com").await;

    let (status, current) = service.get(&ada, "/v1/sessions/current").await;
    assert_eq!(status, 200, "{current}");
    let (status, key) = service
        .post(&ada, "/v1/api-keys", &json!({ "name": "ci", "scopes": ["*"] }))
        .await;
    assert_eq!(status, 201, "{key}");
    let key = key["key"].as_str().unwrap();

    let mail = json!({ "to": "bob@example.com", "subject": "Hello", "text": "Are you well?" });
    let (status, job) = service.post(key, "/v1/emails", &mail).await;
    assert_eq!(
        (status, job["kind"].as_str(), job["queue"].as_str()),
        (202, Some("email.send"), Some("mail")),
        "{job}"
    );
    let done = service
        .job_when(key, job["id"].as_str().unwrap(), |job| job["state"] == "completed")
        .await;
    assert_eq!(done["attempts"][0]["outcome"], "completed", "{done}");
    assert!(
        home.outbox()
            .iter()
            .any(|mail| mail.contains("To: bob@example.com") && mail.contains("Are you well?"))
    );

    assert_eq!(service.delete(&ada, "/v1/sessions/current").await.0, 204);
    assert_eq!(service.get(&ada, "/v1/sessions/current").await.0, 401);
    assert_eq!(
        service.get(key, "/v1/jobs").await.0,
        200,
        "a key outlives the session it was made in"
    );
}

#[tokio::test]
async fn a_probe_shows_its_progress_and_is_cancelled_in_the_middle() {
    let home = Home::new();
    let service = home.serve();
    let ada = member(&home, &service, "ada@example.com").await;
    let id = service.probe(&ada, &json!({ "steps": 1000, "step_ms": 100 })).await;
    let running = service
        .job_when(&ada, &id, |job| job["progress"]["done"].as_u64() > Some(1))
        .await;
    assert_eq!(
        (running["state"].as_str(), running["progress"]["total"].as_u64()),
        (Some("running"), Some(1000))
    );

    let (status, asked) = service.post(&ada, &format!("/v1/jobs/{id}/cancel"), &Value::Null).await;
    assert!(matches!(status, 200 | 202), "{status} {asked}");
    let cancelled = service.job_when(&ada, &id, |job| job["state"] == "cancelled").await;
    assert_eq!(cancelled["attempts"][0]["outcome"], "cancelled", "{cancelled}");
    assert!(cancelled["finished_at"].is_string());
}

#[tokio::test]
async fn another_accounts_job_is_as_good_as_none() {
    let home = Home::new();
    let service = home.serve();
    let ada = member(&home, &service, "ada@example.com").await;
    let bob = member(&home, &service, "bob@example.com").await;
    let id = service.probe(&ada, &json!({ "steps": 100, "step_ms": 1000 })).await;
    assert_eq!(service.get(&bob, &format!("/v1/jobs/{id}")).await.0, 404);
    assert_eq!(
        service
            .post(&bob, &format!("/v1/jobs/{id}/cancel"), &Value::Null)
            .await
            .0,
        404
    );
    assert_eq!(
        service.post(&bob, &format!("/v1/jobs/{id}/retry"), &json!({})).await.0,
        404
    );
    assert_eq!(service.get(&bob, "/v1/jobs").await.1["data"], json!([]));
}

#[tokio::test]
async fn an_operator_sees_the_tree_and_a_worker_that_panicked_and_came_back() {
    let home = Home::new();
    let operator = home.operator();
    let service = home.serve();
    let id = service.probe(&operator, &json!({ "steps": 0, "panic": "actor" })).await;
    let given_up = service
        .job_when(&operator, &id, |job| job["state"] == "discarded")
        .await;
    assert_eq!(given_up["cause"], "quarantined", "{given_up}");
    assert_eq!(given_up["attempts"].as_array().unwrap().len(), 3, "{given_up}");

    // The job ends with the panic; the worker is back a backoff later.
    service.log_line(|line| line["event"] == "restarted" && line["actor"] == "prober" && line["restarts"] == 3);
    let (status, tree) = service.get(&operator, "/v1/supervision").await;
    assert_eq!(status, 200, "{tree}");
    let root = &tree["root"];
    assert_eq!(names(root), ["writer", "jobs", "guard", "control"], "{tree}");
    assert_eq!(
        names(&root["children"][1]),
        ["keeper", "workers", "dispatcher", "scheduler"],
        "{tree}"
    );
    let workers = &root["children"][1]["children"][1];
    assert_eq!(names(workers), ["mailer", "prober", "reporter", "operator"], "{tree}");
    let prober = &workers["children"][1];
    assert_eq!(prober["restarts"], 3, "{prober}");
    assert!(
        prober["last_failure"]["error"].as_str().unwrap().contains("probe"),
        "{prober}"
    );
    assert!(prober["mailbox"]["capacity"].is_u64(), "{prober}");

    // Its work goes on.
    let id = service.probe(&operator, &json!({ "steps": 1, "step_ms": 1 })).await;
    service
        .job_when(&operator, &id, |job| job["state"] == "completed")
        .await;
    let panicked = service.log_line(|line| line["event"] == "panicked" && line["actor"] == "prober");
    assert_eq!(panicked["level"], "ERROR", "{panicked}");
    service.log_line(|line| line["event"] == "restarted" && line["actor"] == "prober");
}

#[tokio::test]
async fn a_panicking_actor_in_the_middle_of_a_thousand_jobs_loses_none() {
    let home = Home::new();
    let operator = home.operator();
    let service = home.serve();
    let mut ids = Vec::new();
    for number in 0..1_000 {
        if number % 250 == 125 {
            service
                .probe(&operator, &json!({ "steps": 0, "panic": "actor", "max_attempts": 1 }))
                .await;
        }
        ids.push(service.probe(&operator, &json!({ "steps": 1, "step_ms": 5 })).await);
    }
    for id in ids {
        service
            .job_when(&operator, &id, |job| job["state"] == "completed")
            .await;
    }
    service.log_line(|line| line["event"] == "panicked" && line["restarts"].as_u64() >= Some(3));
}

/// The names of a node's children.
fn names(node: &Value) -> Vec<&str> {
    let children = node["children"].as_array().unwrap().iter();
    children.map(|child| child["name"].as_str().unwrap()).collect()
}
