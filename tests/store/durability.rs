//! That a job is on the disk before its 202 is sent, as the system calls of the service show it.

use serde_json::json;

use crate::support::required;
use crate::support::service::Home;

/// What a line of the trace is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Request,
    /// A call that brings the log to the disk begins.
    SyncBegins,
    /// It has ended well.
    SyncEnds,
    Answer,
}

/// The steps in a trace of `strace -f -y`, in the order in which they happened, each with its thread.
fn steps(trace: &str) -> Vec<(&str, Step)> {
    let mut steps = Vec::new();
    for line in trace.lines() {
        let (thread, call) = line.split_once(' ').unwrap_or((line, ""));
        let call = call.trim_start();
        let is_sync = call.starts_with("fdatasync(") || call.starts_with("fsync(");
        if is_sync && call.contains("-wal>") {
            steps.push((thread, Step::SyncBegins));
            if call.ends_with(" = 0") {
                steps.push((thread, Step::SyncEnds));
            }
        } else if call.starts_with("<... f") && call.contains("sync resumed") && call.ends_with(" = 0") {
            // Counts only if this thread's call was one on the log.
            let own = steps.iter().rev().find(|(other, _)| *other == thread);
            if own.is_some_and(|(_, step)| *step == Step::SyncBegins) {
                steps.push((thread, Step::SyncEnds));
            }
        } else if call.contains("\"POST /v1/probes ") {
            steps.push((thread, Step::Request));
        } else if call.contains("\"HTTP/1.1 202 ") {
            steps.push((thread, Step::Answer));
        }
    }
    steps
}

/// How many answers were sent, each after a sync that began after its request had come and ended before the answer.
fn durable_answers(steps: &[(&str, Step)]) -> Result<usize, String> {
    let mut answers = 0;
    // The threads whose syncs began since the request, and whether one of them has ended.
    let mut since: Option<(Vec<&str>, bool)> = None;
    for (thread, step) in steps {
        match (step, &mut since) {
            (Step::Request, since) => *since = Some((Vec::new(), false)),
            (Step::SyncBegins, Some((begun, _))) => begun.push(thread),
            (Step::SyncEnds, Some((begun, ended))) => *ended |= begun.contains(thread),
            (Step::Answer, Some((_, true))) => {
                answers += 1;
                since = None;
            }
            (Step::Answer, _) => return Err(format!("an answer without a sync before it, after {answers} with one")),
            (Step::SyncBegins | Step::SyncEnds, None) => {}
        }
    }
    Ok(answers)
}

#[tokio::test]
async fn a_job_is_on_the_disk_before_it_is_called_accepted() {
    /// One after the other, so that what stands between a request and its answer is this request's.
    const PROBES: usize = 20;
    if required::program("strace", "strace").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trace");
    let home = Home::new();
    let key = home.operator();
    // The service is the direct child, and the tracer its own.
    let calls = "trace=read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,fdatasync,fsync";
    let tracer = [
        "strace",
        "-D",
        "-f",
        "-y",
        "-s",
        "32",
        "-e",
        calls,
        "-o",
        file.to_str().unwrap(),
    ];
    let service = home.serve_under(&tracer);
    for _ in 0..PROBES {
        // Not due, so that no claim and no end of an attempt is written between.
        let later = json!({ "steps": 0, "run_at": "2099-01-01T00:00:00Z" });
        service.probe(&key, &later).await;
    }
    service.signal("TERM");
    assert_eq!(service.wait().0, Some(0));
    let trace = std::fs::read_to_string(&file).unwrap();
    assert_eq!(durable_answers(&steps(&trace)), Ok(PROBES), "{trace}");
}

#[test]
fn an_answer_before_its_sync_is_found() {
    let request = "7  read(9<TCP:[1]>, \"POST /v1/probes HTTP/1.1\\r\\nauthor\"..., 4096) = 200";
    let answer = "7  write(9<TCP:[1]>, \"HTTP/1.1 202 Accepted\\r\\ncontent-l\"..., 500) = 500";
    let sync = "8  fdatasync(5</tmp/a/legwork.db-wal>) = 0";
    let (begins, ends) = (
        "8  fdatasync(5</tmp/a/legwork.db-wal> <unfinished ...>",
        "8  <... fdatasync resumed>) = 0",
    );
    let failed = "8  fdatasync(5</tmp/a/legwork.db-wal>) = -1 EIO (Input/output error)";
    let other = "8  fdatasync(6</tmp/a/keys>) = 0";
    let count = |lines: &[&str]| durable_answers(&steps(&lines.join("\n")));
    assert_eq!(count(&[request, sync, answer]), Ok(1));
    assert_eq!(count(&[request, begins, ends, answer]), Ok(1));
    for lines in [
        [request, answer, sync].as_slice(),
        &[sync, request, answer],
        &[begins, request, ends, answer],
        &[request, begins, answer, ends],
        &[request, failed, answer],
        &[request, other, answer],
        &[request, sync, answer, request, answer],
    ] {
        assert!(count(lines).is_err(), "{lines:?}");
    }
}
