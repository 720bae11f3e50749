//! `legwork supervision` and the control socket of a real service.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::service::{Home, PATIENCE, Said, Service};

fn socket(home: &Home) -> PathBuf {
    home.path().join("data/control.sock")
}

/// A connection of our own, for what the command line would not say.
fn connect(home: &Home) -> BufReader<UnixStream> {
    let stream = UnixStream::connect(socket(home)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    BufReader::new(stream)
}

/// The next line, as JSON; `None` at the end, also at an abrupt one.
fn next(stream: &mut BufReader<UnixStream>) -> Option<Value> {
    let mut line = String::new();
    match stream.read_line(&mut line) {
        Ok(0) => None,
        Ok(_) => Some(serde_json::from_str(&line).unwrap()),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
        Err(error) => panic!("{error}"),
    }
}

fn supervision(home: &Home, arguments: &[&str]) -> Said {
    let arguments: Vec<&str> = ["supervision"].iter().chain(arguments).copied().collect();
    home.run(&arguments, "")
}

#[track_caller]
fn is(said: &Said, code: i32, wanted: &str) {
    assert_eq!(said.status.code(), Some(code), "{}{}", said.stdout, said.stderr);
    let told = if code == 0 { &said.stdout } else { &said.stderr };
    assert!(told.contains(wanted), "{wanted} in {told}");
}

#[test]
fn the_socket_is_its_owners_only_and_is_gone_after_the_service_stopped() {
    let home = Home::new();
    let service = home.serve();
    let there = std::fs::symlink_metadata(socket(&home)).unwrap();
    assert!(there.file_type().is_socket());
    assert_eq!(there.permissions().mode() & 0o7777, 0o600);
    service.signal("TERM");
    assert_eq!(service.wait().0, Some(0));
    assert!(!socket(&home).exists());
}

#[test]
fn junk_and_long_lines_are_answered_with_an_error_and_closed() {
    let home = Home::new();
    let _service = home.serve();
    for line in ["junk\n".to_owned(), format!("{}\n", "a".repeat(100_000))] {
        let mut stream = connect(&home);
        // It may be closed before all is written.
        drop(stream.get_mut().write_all(line.as_bytes()));
        assert_eq!(next(&mut stream).unwrap()["error"], "bad_request");
        assert_eq!(next(&mut stream), None);
    }
    is(&supervision(&home, &[]), 0, "keeper");
}

#[test]
fn connections_beyond_the_bound_are_refused_and_one_that_ends_makes_room() {
    let home = Home::new();
    let _service = home.serve();
    let follow = |stream: &mut BufReader<UnixStream>| {
        stream
            .get_mut()
            .write_all(b"{\"v\":1,\"do\":\"events\",\"follow\":true}\n")
            .unwrap();
        assert_eq!(next(stream).unwrap()["answer"], "event");
    };
    let mut open: Vec<_> = (0..16).map(|_| connect(&home)).collect();
    open.iter_mut().for_each(follow);
    let mut beyond = connect(&home);
    assert_eq!(next(&mut beyond).unwrap()["error"], "busy");
    assert_eq!(next(&mut beyond), None);
    is(&supervision(&home, &[]), 1, "too many connections");
    open.pop();
    // Its place is free a moment after it ended.
    let deadline = std::time::Instant::now() + PATIENCE;
    while supervision(&home, &[]).status.code() != Some(0) {
        assert!(
            std::time::Instant::now() < deadline,
            "a connection that ended makes no room"
        );
    }
}

#[test]
fn the_tree_is_drawn_and_printed_as_json_and_one_actor_shown() {
    let home = Home::new();
    let _service = home.serve();
    let tree = supervision(&home, &[]);
    is(&tree, 0, "├── mailer");
    for name in [
        "root",
        "keeper",
        "prober",
        "reporter",
        "dispatcher",
        "scheduler",
        "control",
    ] {
        assert!(tree.stdout.contains(name), "{name} in {}", tree.stdout);
    }
    let printed: Value = serde_json::from_str(&supervision(&home, &["--json"]).stdout).unwrap();
    assert_eq!(printed["root"]["name"], "root");
    let shown = supervision(&home, &["show", "mailer", "--backtrace"]);
    is(&shown, 0, "mailer");
    assert!(shown.stdout.contains("no backtrace is known"), "{}", shown.stdout);
    let printed: Value = serde_json::from_str(&supervision(&home, &["show", "mailer", "--json"]).stdout).unwrap();
    assert_eq!(printed["node"]["mailbox"]["depth"], 0);
    let name = "\u{1b}[2J";
    let unknown = supervision(&home, &["show", name]);
    is(&unknown, 4, "no running child");
    assert!(!unknown.stderr.contains('\u{1b}'), "{:?}", unknown.stderr);
}

#[tokio::test]
async fn an_order_on_the_command_line_is_done_and_logged_with_the_user_who_gave_it() {
    let home = Home::new();
    let service = home.serve();
    is(
        &supervision(&home, &["restart", "mailer"]),
        0,
        "mailer: restart ordered",
    );
    let line = service.log_line(|line| line["event"] == "restart_ordered");
    assert_eq!(
        (&line["actor"], &line["by"]),
        (&"mailer".into(), &"control socket".into()),
        "{line}"
    );
    assert!(line["uid"].is_u64() && line.get("account").is_none(), "{line}");
    service.log_line(|line| line["event"] == "restarted" && line["actor"] == "mailer");
    is(&supervision(&home, &["restart", "nobody"]), 4, "no running child");
    is(&supervision(&home, &["panic", "mailer"]), 5, "--fault-injection");
    // It takes its own restart, and the next command is served.
    supervision(&home, &["restart", "control"]);
    service.log_line(|line| line["event"] == "restarted" && line["actor"] == "control");
    is(&supervision(&home, &[]), 0, "control");
}

#[test]
fn a_service_with_fault_injection_says_so_and_panics_on_order() {
    let home = Home::new();
    let service = home.serve_with(&["--fault-injection"]);
    assert_eq!(
        service.log_line(|line| line["event"] == "fault_injection")["level"],
        "WARN"
    );
    is(&supervision(&home, &["panic", "prober"]), 0, "prober: panic ordered");
    service.log_line(|line| line["event"] == "panic_ordered" && line["actor"] == "prober");
    service.log_line(|line| line["event"] == "panicked" && line["actor"] == "prober");
    service.log_line(|line| line["event"] == "restarted" && line["actor"] == "prober");
    is(&supervision(&home, &[]), 0, "last failure");
    let shown = supervision(&home, &["show", "prober", "--backtrace"]);
    is(&shown, 0, "supervision");
    assert!(shown.stdout.lines().count() > 10, "no backtrace: {}", shown.stdout);
}

#[tokio::test]
async fn a_suspended_worker_leaves_its_jobs_waiting_and_does_them_when_it_is_resumed() {
    let home = Home::new();
    let key = home.operator();
    let service = home.serve();
    is(&supervision(&home, &["resume", "prober"]), 5, "prober");
    is(
        &supervision(&home, &["suspend", "prober"]),
        0,
        "prober: suspend ordered",
    );
    service.log_line(|line| line["event"] == "suspend_ordered" && line["actor"] == "prober");
    is(&supervision(&home, &["show", "prober"]), 0, "suspended");
    let id = service.probe(&key, &json!({ "steps": 0 })).await;
    is(&supervision(&home, &["resume", "prober"]), 0, "prober: resume ordered");
    // Whoever suspends all can still be reached.
    is(&supervision(&home, &["suspend", "root"]), 0, "root: suspend ordered");
    is(&supervision(&home, &["show", "control"]), 0, "suspended");
    is(&supervision(&home, &["resume", "root"]), 0, "root: resume ordered");
    service.job_when(&key, &id, |job| job["state"] == "completed").await;
}

#[test]
fn without_a_service_each_command_says_so_and_what_a_killed_one_left_is_replaced() {
    let home = Home::new();
    is(&supervision(&home, &[]), 3, "no service runs");
    let service = home.serve();
    service.kill_9();
    assert!(socket(&home).exists(), "a killed service cannot remove it");
    is(&supervision(&home, &["restart", "mailer"]), 3, "no service runs");
    let _service = home.serve();
    is(&supervision(&home, &[]), 0, "mailer");
}

/// Begins to follow the events, and waits for the first.
fn follow(home: &Home) -> (std::process::Child, BufReader<std::process::ChildStdout>) {
    let mut following = Command::new(env!("CARGO_BIN_EXE_legwork"))
        .args(["supervision", "events", "--follow", "--json"])
        .current_dir(home.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut events = BufReader::new(following.stdout.take().unwrap());
    let mut line = String::new();
    events.read_line(&mut line).unwrap();
    let first: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(first["kind"], "started", "{line}");
    (following, events)
}

#[test]
fn following_ends_with_the_service_and_tells_whether_in_order() {
    let kill: fn(Service) = Service::kill_9;
    let stop: fn(Service) = |service| {
        service.signal("TERM");
        assert_eq!(service.wait().0, Some(0));
    };
    for (end, code) in [(stop, 0), (kill, 1)] {
        let home = Home::new();
        let service = home.serve();
        let (mut following, mut events) = follow(&home);
        end(service);
        let mut rest = String::new();
        events.read_to_string(&mut rest).unwrap();
        assert_eq!(following.wait().unwrap().code(), Some(code), "{rest}");
    }
}

#[test]
fn a_reader_who_has_seen_enough_is_no_failure() {
    let home = Home::new();
    let _service = home.serve();
    for arguments in [&["supervision"][..], &["supervision", "events"]] {
        let mut process = Command::new(env!("CARGO_BIN_EXE_legwork"))
            .args(arguments)
            .current_dir(home.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(process.stdout.take());
        let output = process.wait_with_output().unwrap();
        assert_eq!(
            (output.status.code(), output.stderr.as_slice()),
            (Some(0), &b""[..]),
            "{arguments:?}"
        );
    }
}

#[tokio::test]
async fn a_service_whose_socket_cannot_be_made_says_why_and_serves() {
    let home = Home::new();
    let deep = home.path().join("d".repeat(120));
    let home = home.with("LEGWORK_DATA_DIR", deep.display().to_string());
    let service = home.serve();
    let line = service.log_line(|line| line["event"] == "control_unbound");
    assert!(
        line["level"] == "WARN" && line["error"].as_str().unwrap().contains("longer"),
        "{line}"
    );
    assert_eq!(service.get("", "/health/ready").await.0, 200);
    is(&supervision(&home, &[]), 1, "longer than a socket's may be");
}
