//! Mails per second into Postfix' smtp-sink from a backlog, against Postfix' own smtp-source over as many connections.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::database;
use crate::machine;
use crate::round::load;
use crate::server::{Server, free_port};

const ROUNDS: usize = 3;
/// The backlog is what is accepted in this time.
const SECONDS: u32 = 2;
/// The size of a mail's text, as in the yardstick.
const BYTES: usize = 2048;
/// The size of each of its lines.
const LINE: usize = 64;

struct Sink {
    process: Child,
    address: String,
}

impl Sink {
    fn start() -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        // As root it insists on another user to become.
        let process = machine::command("smtp-sink")
            .args(["-u", "nobody", &address, "1024"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(300));
        Self { process, address }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // A failure means that it has ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

pub(crate) fn measure() {
    let line = format!("{}\r\n", "x".repeat(LINE - 2));
    let mail = json!({"to": "ada@example.com", "subject": "A figure", "text": line.repeat(BYTES / LINE)});
    for connections in [8_u32, 16, 32] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let sink = Sink::start();
            let home = tempfile::tempdir().unwrap();
            let url = format!("smtp://{}", sink.address);
            let slots = connections.to_string();
            let server = Server::start(
                home.path(),
                &[("LEGWORK_MAIL__URL", &url), ("LEGWORK_MAIL__CONCURRENCY", &slots)],
            );
            server.pause("mail");
            load(
                &format!("{}/v1/emails", server.base),
                &server.key,
                &mail.to_string(),
                64,
                SECONDS,
            );
            let backlog = database::count(home.path(), "SELECT count(*) FROM jobs WHERE state = 'available'");
            let start = Instant::now();
            server.resume("mail");
            server.wait_until_drained("mail");
            let rate = backlog as f64 / start.elapsed().as_secs_f64();
            let sent = database::count(home.path(), "SELECT count(*) FROM jobs WHERE state = 'completed'");
            assert!(sent >= backlog, "{sent} of {backlog} mails were sent");
            ours.push(rate);
            theirs.push(by_smtp_source(&sink.address, connections, backlog));
            println!(
                "{connections} connections: legwork {rate:.0}/s of {backlog}, smtp-source {:.0}/s",
                theirs.last().unwrap()
            );
        }
        ours.sort_by(f64::total_cmp);
        theirs.sort_by(f64::total_cmp);
        let (ours, theirs) = (ours[ROUNDS / 2], theirs[ROUNDS / 2]);
        println!(
            "{connections} connections: {ours:.0} mails/s, smtp-source {theirs:.0}/s, ratio {:.2}",
            ours / theirs
        );
    }
}

/// Mails per second of smtp-source, which keeps its connections.
fn by_smtp_source(address: &str, connections: u32, mails: u64) -> f64 {
    let start = Instant::now();
    let status = machine::command("smtp-source")
        .args(["-d", "-s", &connections.to_string(), "-m", &mails.to_string()])
        .args(["-l", &BYTES.to_string(), address])
        .status()
        .unwrap();
    assert!(status.success(), "smtp-source failed");
    mails as f64 / start.elapsed().as_secs_f64()
}
