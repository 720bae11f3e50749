//! What an operator suspends, from a worker to all that there is: the others go on, whoever asks is told, and there is always
//! a way back.

use std::time::Instant;

use serde_json::{Value, json};

use crate::support::service::{Home, PATIENCE, Service, breathe};

/// Asks for so long until the service's readiness is as `wanted`.
async fn ready_when(service: &Service, wanted: impl Fn(u16, &Value) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, ready) = service.get("", "/health/ready").await;
        if wanted(status, &ready) {
            return;
        }
        assert!(Instant::now() < deadline, "readiness stays {status} {ready}");
        breathe().await;
    }
}

/// Whether readiness says, of the service or of each queue, that this actor was suspended.
fn says(ready: &Value, name: &str) -> bool {
    let reason = format!("the {name} was suspended by an operator");
    let is_said = |text: &Value| text.as_str().is_some_and(|text| text.contains(&reason));
    let queues = ready["queues"].as_array();
    is_said(&ready["detail"]) || queues.is_some_and(|all| all.iter().all(|queue| is_said(&queue["reason"])))
}

#[tokio::test]
async fn whatever_is_suspended_is_named_by_readiness_and_can_be_resumed_over_http_and_over_the_socket() {
    let home = Home::new();
    let key = home.operator();
    let service = home.serve();
    let is_well = |status: u16, ready: &Value| status == 200 && ready["status"] == "ok";
    for (name, told) in [
        ("keeper", Some((200, "keeper"))),
        ("dispatcher", Some((200, "dispatcher"))),
        ("control", None),
        ("writer", Some((503, "writer"))),
        ("jobs", Some((200, "dispatcher"))),
        ("root", Some((503, "writer"))),
    ] {
        for by_socket in [false, true] {
            let order = async |act: &str| {
                if by_socket {
                    let said = home.run(&["supervision", act, name], "");
                    assert_eq!(said.status.code(), Some(0), "{act} {name}: {}", said.stderr);
                } else {
                    let path = format!("/v1/supervision/{name}/{act}");
                    assert_eq!(service.post(&key, &path, &json!({})).await.0, 202, "{act} {name}");
                }
            };
            order("suspend").await;
            if let Some((wanted, actor)) = told {
                ready_when(&service, |status, ready| {
                    status == wanted && (says(ready, actor) || names_own(ready))
                })
                .await;
            }
            assert_eq!(service.get("", "/health/live").await.0, 200);
            order("resume").await;
            ready_when(&service, is_well).await;
            let id = service.probe(&key, &json!({ "steps": 0, "step_ms": 0 })).await;
            service.job_when(&key, &id, |job| job["state"] == "completed").await;
        }
    }
}

/// Whether each queue is degraded by its own worker, which comes before what all share.
fn names_own(ready: &Value) -> bool {
    let queues = ready["queues"].as_array();
    let worker = |queue: &Value| says(&json!({ "detail": queue["reason"] }), queue["worker"].as_str().unwrap());
    queues.is_some_and(|all| all.iter().all(worker))
}

#[tokio::test]
async fn a_service_whose_writer_is_suspended_goes_down_in_order_and_with_all_that_was_done_written() {
    let home = Home::new();
    let key = home.operator();
    let service = home.serve();
    let id = service.probe(&key, &json!({ "steps": 20, "step_ms": 50 })).await;
    service.job_when(&key, &id, |job| job["state"] == "running").await;
    let (status, _) = service.post(&key, "/v1/supervision/writer/suspend", &json!({})).await;
    assert_eq!(status, 202);
    service.signal("TERM");
    let (code, log) = service.wait();
    assert_eq!(code, Some(0), "{}", log.join("\n"));
    let lines: Vec<Value> = log.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let end = lines
        .iter()
        .find(|line| line["event"] == "shutdown" && line["phase"] == "end");
    assert_eq!(end.unwrap().get("cut_off"), None, "{}", log.join("\n"));
    let service = home.serve();
    let done = service.job_when(&key, &id, |job| job["state"] == "completed").await;
    assert_eq!(done["attempts"].as_array().unwrap().len(), 1, "{done}");
}
