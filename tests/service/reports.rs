//! Reports from the order to the download, and what is left of them when they are cancelled, killed or expired.

use std::path::PathBuf;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::service::{Home, Service, breathe};

/// Rows of which a report takes a few seconds, so that there is a middle to stop in.
const MANY: u32 = 300_000;

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = Text)]
    word: String,
}

fn database(home: &Home) -> SqliteConnection {
    let mut connection = SqliteConnection::establish(&home.database().to_string_lossy()).unwrap();
    connection.batch_execute("PRAGMA busy_timeout = 60000").unwrap();
    connection
}

/// Enters finished probes of the operator's workspace, past the service.
// They ended just now, so that the keeper lets them be.
fn fill(home: &Home, count: u32) {
    let mut connection = database(home);
    let found: Word = diesel::sql_query("SELECT workspace_id AS word FROM accounts")
        .get_result(&mut connection)
        .unwrap();
    let workspace = found.word;
    connection
        .batch_execute(&format!(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count})
             INSERT INTO jobs (id, workspace_id, kind, queue, state, priority, rank, args, args_version, attempt,
                max_attempts, timeout_ms, run_at, created_at, started_at, finished_at, fence, worker_panics, deaths)
             SELECT printf('job_%012x7%03x8%015x', 1700000000000 + n, 0, n), '{workspace}', 'probe.run', 'probes',
                'completed', 0, 0, '{{}}', 1, 1, 3, 60000, t, t, t + 5, strftime('%s', 'now') * 1000000, 1, 0, 0
             FROM (SELECT n, (1700000000000 + n) * 1000 AS t FROM n)"
        ))
        .unwrap();
}

fn files(home: &Home) -> Vec<PathBuf> {
    let files = std::fs::read_dir(home.path().join("data/reports")).unwrap();
    files.map(|file| file.unwrap().path()).collect()
}

/// Orders a report; answers its job's id.
async fn order(service: &Service, key: &str, body: &Value) -> String {
    let (status, job) = service.post(key, "/v1/reports", body).await;
    assert_eq!(status, 202, "{job}");
    job["id"].as_str().unwrap().to_owned()
}

async fn built(service: &Service, key: &str, job: &str) -> Value {
    let done = service.job_when(key, job, |job| job["finished_at"].is_string()).await;
    assert_eq!(done["state"], "completed", "{done}");
    done["result"]["report"].clone()
}

async fn fetch(service: &Service, key: &str, report: &Value, headers: &[(&'static str, &str)]) -> reqwest::Response {
    let path = format!("/v1/reports/{}/file", report["id"].as_str().unwrap());
    let mut get = service.http.get(service.url(&path)).bearer_auth(key);
    for (name, value) in headers {
        get = get.header(*name, *value);
    }
    get.send().await.unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_report_of_many_probes_is_built_and_fetched_whole_in_parts_and_by_its_head() {
    let home = Home::new();
    let key = home.operator();
    let service = home.serve();
    let mut probes = Vec::new();
    for _ in 0..40 {
        probes.push(service.probe(&key, &json!({ "steps": 0 })).await);
    }
    for probe in &probes {
        service.job_when(&key, probe, |job| job["state"] == "completed").await;
    }
    let job = order(&service, &key, &json!({ "table": "jobs", "format": "csv" })).await;
    let report = built(&service, &key, &job).await;
    assert_eq!(report["rows"], 40);
    let whole = fetch(&service, &key, &report, &[]).await;
    assert_eq!(whole.status().as_u16(), 200);
    let etag = whole.headers()["etag"].to_str().unwrap().to_owned();
    let length = whole.headers()["content-length"].clone();
    let bytes = whole.bytes().await.unwrap();
    assert_eq!(report["sha256"], sha256(&bytes));
    assert_eq!(report["bytes"], bytes.len());
    assert_eq!(etag, format!("\"{}\"", sha256(&bytes)));
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(text.starts_with("id,kind,queue,state,"), "{text}");
    for probe in &probes {
        assert_eq!(text.matches(probe.as_str()).count(), 1, "{probe}");
    }

    let part = fetch(
        &service,
        &key,
        &report,
        &[("range", "bytes=100-299"), ("if-range", &etag)],
    )
    .await;
    assert_eq!(part.status().as_u16(), 206);
    assert_eq!(part.bytes().await.unwrap(), bytes[100..300]);
    let unchanged = fetch(&service, &key, &report, &[("if-none-match", &etag)]).await;
    assert_eq!(unchanged.status().as_u16(), 304);

    let url = service.url(&format!("/v1/reports/{}/file", report["id"].as_str().unwrap()));
    let head = service
        .http
        .head(&url)
        .bearer_auth(&key)
        .header("range", "bytes=0-1")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (head.status().as_u16(), &head.headers()["content-length"]),
        (200, &length)
    );
    assert_eq!(head.bytes().await.unwrap().len(), 0);
    // The connection is as good as before: the head was followed by nothing.
    let (status, _) = service.get(&key, "/v1/reports").await;
    assert_eq!(status, 200);
    service.log_line(|line| line["event"] == "report_built" && line["rows"] == 40);
}

#[tokio::test]
async fn a_report_of_sent_mail_shows_what_was_sent() {
    let home = Home::new();
    let key = home.operator();
    let service = home.serve();
    let mail = json!({ "to": "ada@example.com", "subject": "@SUM(1)", "text": "secret words" });
    let (status, sent) = service.post(&key, "/v1/emails", &mail).await;
    assert_eq!(status, 202, "{sent}");
    service
        .job_when(&key, sent["id"].as_str().unwrap(), |job| job["state"] == "completed")
        .await;
    let job = order(&service, &key, &json!({ "table": "mail", "format": "jsonl" })).await;
    let report = built(&service, &key, &job).await;
    let text = fetch(&service, &key, &report, &[]).await.text().await.unwrap();
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&line["job_id"], &line["subject"]), (&sent["id"], &json!("@SUM(1)")));
    assert_eq!(line["to"], json!(["ada@example.com"]));
    assert!(
        line["message_id"]
            .as_str()
            .unwrap()
            .starts_with(sent["id"].as_str().unwrap()),
        "{line}"
    );
    assert!(!text.contains("secret words"));
}

#[tokio::test]
async fn a_report_that_is_cancelled_in_the_middle_ends_at_once_and_leaves_no_file() {
    let home = Home::new();
    let key = home.operator();
    fill(&home, MANY);
    let service = home.serve();
    let job = order(&service, &key, &json!({ "table": "jobs", "format": "csv" })).await;
    let middle = service
        .job_when(&key, &job, |job| job["progress"]["done"].as_u64() > Some(0))
        .await;
    assert_eq!(middle["state"], "running", "{middle}");
    assert_eq!(files(&home).len(), 1);
    let (status, _) = service
        .post(&key, &format!("/v1/jobs/{job}/cancel"), &json!(null))
        .await;
    assert_eq!(status, 202);
    let done = service.job_when(&key, &job, |job| job["finished_at"].is_string()).await;
    assert_eq!(done["state"], "cancelled", "{done}");
    assert_eq!(files(&home), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_report_that_runs_out_of_its_time_is_tried_again_and_leaves_no_file() {
    let home = Home::new();
    let key = home.operator();
    fill(&home, MANY);
    let service = home.serve();
    let body = json!({ "table": "jobs", "format": "csv", "timeout_ms": 100, "max_attempts": 1 });
    let job = order(&service, &key, &body).await;
    let done = service.job_when(&key, &job, |job| job["finished_at"].is_string()).await;
    assert_eq!(
        (&done["state"], &done["attempts"][0]["outcome"]),
        (&json!("discarded"), &json!("timed_out")),
        "{done}"
    );
    assert_eq!(files(&home), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn killed_in_the_middle_a_report_is_built_anew_after_the_restart_and_nothing_is_left_over() {
    let home = Home::new();
    let key = home.operator();
    fill(&home, MANY);
    let service = home.serve();
    let job = order(&service, &key, &json!({ "table": "jobs", "format": "jsonl" })).await;
    service
        .job_when(&key, &job, |job| job["progress"]["done"].as_u64() > Some(0))
        .await;
    service.kill_9();
    assert_eq!(files(&home).len(), 1, "the kill came too late to prove anything");
    let left = files(&home).remove(0);
    assert!(left.to_string_lossy().ends_with(".1.part"), "{left:?}");

    let service = home.serve();
    let report = built(&service, &key, &job).await;
    assert_eq!(report["rows"], MANY);
    let bytes = fetch(&service, &key, &report, &[]).await.bytes().await.unwrap();
    assert_eq!(report["sha256"], sha256(&bytes));
    assert_eq!(
        bytes.iter().filter(|byte| **byte == b'\n').count(),
        usize::try_from(MANY).unwrap()
    );
    // The keeper sweeps when it starts.
    while files(&home).len() > 1 {
        breathe().await;
    }
    assert!(files(&home)[0].to_string_lossy().ends_with(".2.jsonl"));
}

#[tokio::test]
async fn a_report_that_has_expired_is_gone_with_its_file_and_one_without_a_row_is_swept() {
    let home = Home::new();
    let key = home.operator();
    let service = home.serve();
    let job = order(&service, &key, &json!({ "table": "jobs", "format": "csv" })).await;
    let report = built(&service, &key, &job).await;
    let name = files(&home).remove(0);
    service.kill_9();
    // What a kill between a file and its row leaves behind.
    let orphan = name.with_file_name(name.file_name().unwrap().to_string_lossy().replace(".1.", ".9."));
    std::fs::copy(&name, &orphan).unwrap();
    database(&home)
        .batch_execute("UPDATE reports SET expires_at = built_at + 1")
        .unwrap();

    let service = home.serve();
    service.log_line(|line| line["event"] == "report_expired" && line["report"] == report["id"]);
    while !files(&home).is_empty() {
        breathe().await;
    }
    let answer = fetch(&service, &key, &report, &[]).await;
    assert_eq!(answer.status().as_u16(), 410);
    let (_, shown) = service
        .get(&key, &format!("/v1/reports/{}", report["id"].as_str().unwrap()))
        .await;
    assert_eq!(shown["state"], "expired");
}
