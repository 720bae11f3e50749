//! The report in JSON, and the lines of the log.

use serde_json::{Value, json};

use super::*;
use crate::telemetry::checked_log::CheckedLog;

/// A shutdown in which most things happen.
fn eventful() -> Shutdown {
    let actors = || async {
        let part = |name: &str, how| PartReport { name: name.into(), how };
        TaskOutput::from_iter([part("mailer", TaskEnd::StillRunning), part("keeper", TaskEnd::Done)])
    };
    Shutdown::new()
        .phase(
            Phase::new("http")
                .within(ms(100))
                .task("server", || tokio::time::sleep(ms(30)))
                .task("streams", std::future::pending::<()>),
        )
        .phase(Phase::new("actors").task("tree", actors))
        .phase(Phase::new("extra").only_if(|so_far| so_far.ran_out("actors")))
        .phase(
            Phase::new("store")
                .give_up_on_failure()
                .task("pool", || panics(ms(0), "no pool"))
                .task("files", || tokio::time::sleep(ms(7))),
        )
        .phase(Phase::new("last").task("word", || async {}))
}

#[tokio::test(start_paused = true)]
async fn the_report_tells_in_json_what_took_how_long_and_what_was_cut_off() {
    let report = serde_json::to_value(eventful().run().await).unwrap();
    let wanted = json!({
        "duration_ms": 107,
        "phases": [
            {"name": "http", "how": "out_of_time", "limit_ms": 100, "duration_ms": 100, "tasks": [
                {"name": "server", "how": "done", "duration_ms": 30},
                {"name": "streams", "how": "cut_off", "duration_ms": 100},
            ]},
            {"name": "actors", "how": "failed", "limit_ms": 5000, "duration_ms": 0, "tasks": [
                {"name": "tree", "how": "done", "duration_ms": 0, "parts": [
                    {"name": "mailer", "how": "still_running"},
                    {"name": "keeper", "how": "done"},
                ]},
            ]},
            {"name": "extra", "how": "skipped", "limit_ms": 5000, "duration_ms": 0, "tasks": []},
            {"name": "store", "how": "failed", "limit_ms": 5000, "duration_ms": 7, "tasks": [
                {"name": "pool", "how": "panicked", "duration_ms": 0, "error": "no pool"},
                {"name": "files", "how": "done", "duration_ms": 7},
            ]},
            {"name": "last", "how": "not_reached", "limit_ms": 5000, "duration_ms": 0, "tasks": [
                {"name": "word", "how": "not_begun", "duration_ms": 0},
            ]},
        ],
    });
    assert_eq!(report, wanted);
}

/// The lines of the log, without what every line has.
fn lines(log: &CheckedLog) -> Vec<Value> {
    let mut lines = log.lines();
    for line in &mut lines {
        let line = line.as_object_mut().unwrap();
        line.retain(|name, _| !["timestamp", "target", "message"].contains(&name.as_str()));
        assert_eq!(line.remove("event"), Some(json!("shutdown")));
    }
    lines
}

#[tokio::test(start_paused = true)]
async fn the_log_has_a_line_for_each_phase_that_began_and_one_for_the_whole() {
    let log = CheckedLog::begin();
    eventful().run().await;
    let wanted = [
        json!({"level": "WARN", "phase": "http", "duration_ms": 100, "limit_ms": 100, "cut_off": "streams"}),
        json!({"level": "WARN", "phase": "actors", "duration_ms": 0, "limit_ms": 5000, "cut_off": "tree/mailer"}),
        json!({"level": "WARN", "phase": "store", "duration_ms": 7, "limit_ms": 5000, "error": "pool: no pool"}),
        json!({"level": "WARN", "phase": "end", "duration_ms": 107, "cut_off": "http/streams, actors/tree/mailer",
            "not_reached": "last"}),
    ];
    assert_eq!(lines(&log), wanted);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_without_trouble_warns_of_nothing() {
    let log = CheckedLog::begin();
    Shutdown::new()
        .phase(Phase::new("http").task("server", || tokio::time::sleep(ms(30))))
        .run()
        .await;
    let wanted = [
        json!({"level": "INFO", "phase": "http", "duration_ms": 30}),
        json!({"level": "INFO", "phase": "end", "duration_ms": 30}),
    ];
    assert_eq!(lines(&log), wanted);
}
