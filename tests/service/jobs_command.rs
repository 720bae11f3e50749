//! `legwork jobs`: seeing jobs of a real service, and ordering many at once.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use legwork::control::REQUEST_MAX;
use serde_json::{Value, json};

use crate::support::postgres_server;
use crate::support::service::{Home, Said, Service, breathe};

fn jobs(home: &Home, arguments: &[&str], stdin: &str) -> Said {
    let arguments: Vec<&str> = ["jobs"].iter().chain(arguments).copied().collect();
    home.run(&arguments, stdin)
}

#[track_caller]
fn is(said: &Said, code: i32, wanted: &str) {
    assert_eq!(said.status.code(), Some(code), "{}{}", said.stdout, said.stderr);
    let told = if code == 0 { &said.stdout } else { &said.stderr };
    assert!(told.contains(wanted), "{wanted} in {told}");
}

/// So many probes that were given up.
async fn given_up(service: &Service, key: &str, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(service.probe(key, &json!({ "steps": 0, "fail": "permanent" })).await);
    }
    for id in &ids {
        service.job_when(key, id, |job| job["state"] == "discarded").await;
    }
    ids
}

/// Waits until each of them has been tried so often.
async fn tried(service: &Service, key: &str, ids: &[String], attempts: usize) {
    for id in ids {
        let is_so = |job: &Value| job["state"] == "discarded" && job["attempts"].as_array().unwrap().len() == attempts;
        service.job_when(key, id, is_so).await;
    }
}

/// What an operator does about what was given up, on whichever database it is.
async fn they_are_found_by_their_cause_and_run_again(home: &Home) {
    let key = home.operator();
    let service = home.serve();
    let ids = given_up(&service, &key, 5).await;

    let causes = jobs(home, &["causes"], "");
    is(&causes, 0, "the probe was told to fail for good");
    assert!(
        causes.stdout.contains("probe.run") && causes.stdout.contains("permanent"),
        "{}",
        causes.stdout
    );
    let causes: Value = serde_json::from_str(&jobs(home, &["causes", "--json"], "").stdout).unwrap();
    assert_eq!(
        (&causes["data"][0]["count"], causes["data"].as_array().unwrap().len()),
        (&5.into(), 1)
    );
    let error = causes["data"][0]["error"].as_str().unwrap();

    let listed: Value =
        serde_json::from_str(&jobs(home, &["list", "--state", "discarded", "--json"], "").stdout).unwrap();
    assert_eq!(listed["data"].as_array().unwrap().len(), 5);
    is(&jobs(home, &["list", "--limit", "2"], ""), 0, "… more: --cursor");
    is(
        &jobs(home, &["show", &ids[0]], ""),
        0,
        "the probe was told to fail for good",
    );

    let declined = jobs(home, &["retry", "--error", error], "n\n");
    is(&declined, 1, "nothing was done");
    assert!(declined.stdout.contains("retry: 5 jobs"), "{}", declined.stdout);
    is(&jobs(home, &["retry", "--error", error], ""), 1, "nothing was done");
    tried(&service, &key, &ids, 1).await;

    let done = jobs(home, &["retry", "--error", error, "--rate", "1000"], "y\n");
    is(&done, 0, "5 of 5 jobs changed");
    tried(&service, &key, &ids, 2).await;
    is(
        &jobs(home, &["retry", &ids[0], &ids[1], "--yes"], ""),
        0,
        "2 of 2 jobs changed",
    );
    tried(&service, &key, &ids[..2], 3).await;

    let (_, acts) = service.get(&key, "/v1/audit?action=jobs.retry").await;
    let acts = acts["data"].as_array().unwrap();
    assert_eq!(acts.len(), 2, "{acts:?}");
    assert_eq!(
        (&acts[1]["via"], &acts[1]["account_id"]),
        (&"command_line".into(), &Value::Null)
    );
    assert!(
        acts[1]["detail"]["uid"].is_u64() && acts[1]["detail"]["filter"]["error"] == error,
        "{acts:?}"
    );
}

#[tokio::test]
async fn jobs_that_were_given_up_are_found_by_their_cause_and_run_again_from_the_shell() {
    they_are_found_by_their_cause_and_run_again(&Home::new()).await;
}

#[tokio::test]
async fn the_same_goes_for_jobs_on_postgresql() {
    let Some(server) = postgres_server::shared() else {
        return;
    };
    let home = Home::new().with("LEGWORK_DATABASE__URL", server.create_database());
    they_are_found_by_their_cause_and_run_again(&home).await;
}

#[tokio::test]
async fn waiting_and_running_jobs_are_cancelled_and_other_arguments_come_from_a_file() {
    let home = Home::new();
    let key = home.operator();
    let service = home.serve();
    let running = service.probe(&key, &json!({ "steps": 1000, "step_ms": 1000 })).await;
    service.job_when(&key, &running, |job| job["state"] == "running").await;
    let waiting = service
        .probe(&key, &json!({ "steps": 1, "run_at": "2099-01-01T00:00:00Z" }))
        .await;
    is(
        &jobs(&home, &["cancel", "--queue", "probes", "--yes"], ""),
        0,
        "2 of 2 jobs changed",
    );
    for id in [&running, &waiting] {
        service.job_when(&key, id, |job| job["state"] == "cancelled").await;
    }
    std::fs::write(home.path().join("args.json"), r#"{"steps":3}"#).unwrap();
    let retry = ["retry", &running, "--kind", "probe.run", "--args", "args.json", "--yes"];
    is(&jobs(&home, &retry, ""), 0, "1 of 1 jobs changed");
    let done = service
        .job_when(&key, &running, |job| job["state"] == "completed")
        .await;
    assert_eq!(done["result"]["steps"], 3, "{done}");
    std::fs::write(home.path().join("args.json"), "{").unwrap();
    is(&jobs(&home, &retry, ""), 1, "is no JSON");
    std::fs::write(home.path().join("args.json"), " ".repeat(40_000)).unwrap();
    is(&jobs(&home, &retry, ""), 1, "has more than 32768 bytes");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_a_code_and_a_word() {
    let home = Home::new();
    is(&jobs(&home, &["list"], ""), 3, "no service runs");
    let key = home.operator();
    let service = home.serve();
    let nobody = "job_0193a0f2b1c47d3e8f90a1b2c3d4e5f6";
    is(&jobs(&home, &["show", nobody], ""), 4, "no such job");
    is(&jobs(&home, &["cancel"], ""), 5, "must say something");
    is(
        &jobs(&home, &["cancel", "--state", "completed"], ""),
        5,
        "/filter/state",
    );
    is(
        &jobs(&home, &["cancel", "--queue", "\u{1b}[2J"], ""),
        5,
        "unknown variant",
    );
    is(&jobs(&home, &["list", "--state", "gone"], ""), 5, "gone");
    is(&jobs(&home, &["cancel", nobody], ""), 0, "no job is meant");
    assert_eq!(jobs(&home, &["retry", "--rate", "0"], "").status.code(), Some(2));
    let (_, acts) = service.get(&key, "/v1/audit?action=jobs.cancel").await;
    assert_eq!(acts["data"], json!([]), "what was not done is no act");
}

#[tokio::test]
async fn whoever_takes_longer_to_say_yes_than_the_service_waits_for_a_request_is_heard_all_the_same() {
    let home = Home::new();
    let key = home.operator();
    let service = home.serve();
    let waiting = service
        .probe(&key, &json!({ "steps": 1, "run_at": "2099-01-01T00:00:00Z" }))
        .await;
    let mut asking = Command::new(env!("CARGO_BIN_EXE_legwork"))
        .args(["jobs", "cancel", &waiting])
        .current_dir(home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut question = Vec::new();
    let mut stderr = BufReader::new(asking.stderr.take().unwrap());
    stderr.read_until(b'?', &mut question).unwrap();
    // What is tested is that this time goes by.
    let asked_at = Instant::now();
    while asked_at.elapsed() <= REQUEST_MAX + Duration::from_millis(500) {
        breathe().await;
    }
    asking.stdin.take().unwrap().write_all(b"yes\n").unwrap();
    let mut said = String::new();
    asking.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    let mut complaint = String::new();
    stderr.read_to_string(&mut complaint).unwrap();
    assert_eq!(asking.wait().unwrap().code(), Some(0), "{said}{complaint}");
    assert!(said.contains("1 of 1 jobs changed"), "{said}");
}

#[tokio::test]
async fn whoever_stops_looking_on_hears_that_the_order_goes_on_and_it_does() {
    let home = Home::new();
    let key = home.operator();
    let service = home.serve();
    let ids = given_up(&service, &key, 4).await;
    let mut looking = Command::new(env!("CARGO_BIN_EXE_legwork"))
        .args(["jobs", "retry", "--queue", "probes", "--rate", "1", "--yes"])
        .current_dir(home.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The first line of progress: from then on it looks on.
    let mut progress = BufReader::new(looking.stderr.take().unwrap());
    let mut line = String::new();
    progress.read_line(&mut line).unwrap();
    assert!(line.contains("jobs") || line.contains("/4"), "{line}");
    let interrupted = Command::new("kill")
        .args(["-INT", &looking.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupted.success());
    let mut said = String::new();
    looking.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(looking.wait().unwrap().code(), Some(130), "{said}");
    let id = said.split_once("ordered as ").unwrap().1.lines().next().unwrap();
    assert!(said.contains(&format!("the order goes on as {id}")), "{said}");
    let done = service.job_when(&key, id, |job| job["state"] == "completed").await;
    assert_eq!(done["result"]["changed"], 4, "{done}");
    tried(&service, &key, &ids, 2).await;
    let left = home.run(&["jobs", "retry", &ids[0], "--yes", "--no-wait"], "");
    is(&left, 0, "ordered as job_");
}
