//! SIGTERM and SIGINT: down in order, nothing lost, and a way to insist.

use serde_json::{Value, json};

use crate::support::service::Home;

/// The phases, in the order in which they end.
pub(super) const PHASES: [&str; 10] = [
    "begin",
    "http",
    "claiming",
    "attempts",
    "attempts_ended",
    "lease",
    "actors",
    "given_back",
    "store",
    "end",
];

#[tokio::test]
async fn a_signal_during_work_ends_in_order_and_loses_none() {
    let home = Home::new().with("LEGWORK_SHUTDOWN__GRACE_MS", "300");
    let key = home.operator();
    let service = home.serve();
    let long = service.probe(&key, &json!({ "steps": 100, "step_ms": 1000 })).await;
    let mut short = Vec::new();
    for _ in 0..200 {
        short.push(service.probe(&key, &json!({ "steps": 1, "step_ms": 50 })).await);
    }
    service.job_when(&key, &long, |job| job["state"] == "running").await;
    service.signal("TERM");
    let (code, log) = service.wait();
    assert_eq!(code, Some(0), "{}", log.join("\n"));
    let lines: Vec<Value> = log.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let told: Vec<&Value> = lines.iter().filter(|line| line["event"] == "shutdown").collect();
    let phases: Vec<&str> = told.iter().filter_map(|line| line["phase"].as_str()).collect();
    assert_eq!(phases, PHASES, "{}", log.join("\n"));
    // The long one is told to end and does; of the rest nothing is left undone.
    assert_eq!(told[3]["cut_off"], "probes", "{}", told[3]);
    assert_eq!(told[3]["limit_ms"], 300);
    let end = told.last().unwrap();
    assert_eq!(end["cut_off"], "attempts/probes", "{end}");
    assert!(end["duration_ms"].as_u64() >= told[3]["duration_ms"].as_u64(), "{end}");

    let service = home.serve();
    for id in short {
        let done = service.job_when(&key, &id, |job| job["state"] == "completed").await;
        assert_eq!(done["attempt"], 1, "what was drained is not counted: {done}");
    }
    let again = service.job_when(&key, &long, |job| job["state"] == "running").await;
    assert_eq!(again["attempts"][0]["outcome"], "snoozed", "{again}");
    assert_eq!(again["attempt"], 1, "{again}");
    assert!(
        !service.log().iter().any(|line| line.contains("job_rescued")),
        "nothing was left running to take back"
    );
}

#[tokio::test]
async fn a_second_signal_ends_at_once_with_its_own_code() {
    let home = Home::new().with("LEGWORK_SHUTDOWN__GRACE_MS", "600000");
    let key = home.operator();
    let service = home.serve();
    let id = service.probe(&key, &json!({ "steps": 1000, "step_ms": 1000 })).await;
    service.job_when(&key, &id, |job| job["state"] == "running").await;
    service.signal("INT");
    service.log_line(|line| line["event"] == "shutdown" && line["phase"] == "claiming");
    service.signal("TERM");
    assert_eq!(service.wait().0, Some(143));
}

#[tokio::test]
async fn readiness_is_refused_and_new_work_too_once_the_service_goes_down() {
    let home = Home::new();
    let service = home.serve();
    assert_eq!(service.get("", "/health/ready").await.1["status"], "ok");
    service.signal("TERM");
    service.log_line(|line| line["event"] == "shutdown" && line["phase"] == "http");
    assert!(
        service.http.get(service.url("/health/live")).send().await.is_err(),
        "nobody listens any more"
    );
    let (code, log) = service.wait();
    assert_eq!(code, Some(0));
    assert!(
        !log.join("\n").contains("attempts_ended"),
        "nobody had to be told to end"
    );
    let end = log.iter().rfind(|line| line.contains("\"phase\":\"end\""));
    assert!(end.is_some_and(|line| line.contains("\"INFO\"")), "{}", log.join("\n"));
}
