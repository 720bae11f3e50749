//! The service in this process: how it comes to its end.

use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::telemetry::checked_log::CheckedLog;

/// Far more than a start and a shutdown of an idle service take.
const SOON: Duration = Duration::from_secs(60);

async fn started(folder: &tempfile::TempDir) -> Running {
    let variables = [
        ("LEGWORK_HTTP__BIND", "127.0.0.1:0".to_owned()),
        (
            "LEGWORK_DATA_DIR",
            folder.path().join("data").to_str().unwrap().to_owned(),
        ),
        (
            "LEGWORK_DATABASE__URL",
            format!("sqlite:{}", folder.path().join("legwork.db").display()),
        ),
    ];
    let config = Config::from_parts(None, variables.map(|(name, value)| (name.to_owned(), value))).unwrap();
    start(config, RunOptions::default()).await.unwrap()
}

fn phases(log: &CheckedLog) -> Vec<(String, String)> {
    let lines = log.lines().into_iter().filter(|line| line["event"] == "shutdown");
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    lines
        .map(|line| (text(&line, "phase"), text(&line, "cut_off")))
        .collect()
}

#[actix_web::test]
async fn an_http_server_that_ends_by_itself_brings_all_else_down_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let log = CheckedLog::begin();
    let running = started(&folder).await;
    let (http, tree) = (running.parts.http.clone(), running.parts.planted.tree.clone());
    let living = actix_web::rt::spawn(live(running, std::future::pending));
    http.stop(false).await;
    let ended = tokio::time::timeout(SOON, living)
        .await
        .expect("it does not end")
        .unwrap();
    assert!(matches!(ended, Err(AppError::ServerEnded(_))), "{ended:?}");
    let told = phases(&log);
    assert_eq!(told.first().map(|(phase, _)| phase.as_str()), Some("begin"), "{told:?}");
    assert_eq!(told.last(), Some(&("end".to_owned(), String::new())), "{told:?}");
    assert!(told.iter().any(|(phase, _)| phase == "lease"), "{told:?}");
    assert!(tree.inspect("writer").is_err(), "the writer still runs");
    // Neither the lock nor the socket is left.
    assert!(!folder.path().join("data/control.sock").exists());
    let again = started(&folder).await;
    assert!(!log.lines().iter().any(|line| line["event"] == "job_rescued"));
    shutdown::run(again.parts).await;
}
