//! Mails per second into Postfix' smtp-sink from a backlog for ten sites, against those who keep nothing: Postfix' own
//! smtp-source over as many connections, nodemailer with its pool, and Python's smtplib over one connection.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::json;

use crate::machine;
use crate::place::Place;
use crate::round::{Request, load, middle};
use crate::scale::Scale;
use crate::server::now_micros;
use crate::sink::Sink;
use crate::table::Row;

/// The backlog is what is accepted in this time.
const SECONDS: u32 = 2;
/// The size of a mail's text, as in the yardsticks.
const BYTES: usize = 2048;
/// The size of each of its lines.
const LINE: usize = 64;
/// How many mails the slow yardsticks send.
const FEW: u64 = 4_000;

/// The body of a request for one mail to one of ten sites.
pub(crate) fn mail() -> String {
    let line = format!("{}\r\n", "x".repeat(LINE - 2));
    json!({"to": "ada@site-{site}.example", "subject": "A figure", "text": line.repeat(BYTES / LINE)}).to_string()
}

/// nodemailer in a folder of its own.
struct Nodemailer(tempfile::TempDir);

impl Nodemailer {
    /// None, and said aloud, where it cannot be had.
    fn install() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let missing = || println!("nodemailer could not be installed: the figures against it are MISSING");
        if !machine::has("node") || !machine::has("npm") {
            missing();
            return None;
        }
        let installed = machine::command("npm")
            .args(["install", "--no-audit", "--no-fund", "nodemailer"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        if !installed.status.success() {
            missing();
            return None;
        }
        Some(Self(folder))
    }

    /// Mails per second by its pool.
    fn rate(&self, sink: &Sink, connections: u32, mails: u64) -> f64 {
        let (host, port) = sink.address.split_once(':').unwrap();
        let mut command = machine::command("node");
        command
            .arg(yardstick("nodemailer.cjs"))
            .args([
                host,
                port,
                &connections.to_string(),
                &mails.to_string(),
                &BYTES.to_string(),
            ])
            .current_dir(self.0.path());
        said(command)
    }
}

pub(crate) fn measure(scale: Scale) -> Vec<Row> {
    println!("a backlog for ten sites, each claim and end on disk; the yardsticks keep nothing");
    let nodemailer = Nodemailer::install();
    let mut rows = vec![one_by_one(scale)];
    for connections in [8_u32, 32] {
        rows.extend(over(connections, nodemailer.as_ref(), scale));
    }
    rows
}

/// One connection, against smtplib's.
fn one_by_one(scale: Scale) -> Row {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..scale.rounds {
        let sink = Sink::start();
        let (rate, backlog) = round(&sink, 1, scale);
        ours.push(rate);
        theirs.push(by_smtplib(&sink, scale.jobs(FEW)));
        println!(
            "1 connection: legwork {rate:.0}/s of {backlog}, smtplib {:.0}/s",
            theirs.last().unwrap()
        );
    }
    let (ours, theirs) = (middle(ours), middle(theirs));
    Row {
        figure: "mails into smtp-sink from a backlog, SQLite, one connection".to_owned(),
        value: format!("{ours:.0}/s"),
        yardstick: format!("Python's smtplib, one connection, keeps nothing: {theirs:.0}/s"),
        ratio: Some(ours / theirs),
        reach: "1",
        aim: "1.3",
    }
}

fn over(connections: u32, nodemailer: Option<&Nodemailer>, scale: Scale) -> Vec<Row> {
    let (mut ours, mut source, mut pool) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..scale.rounds {
        let sink = Sink::start();
        let (rate, backlog) = round(&sink, connections, scale);
        ours.push(rate);
        source.push(by_smtp_source(&sink.address, connections, backlog));
        pool.extend(nodemailer.map(|nodemailer| nodemailer.rate(&sink, connections, scale.jobs(FEW))));
        println!(
            "{connections} connections: legwork {rate:.0}/s of {backlog}, smtp-source {:.0}/s, nodemailer {:?}",
            source.last().unwrap(),
            pool.last(),
        );
    }
    let (ours, source) = (middle(ours), middle(source));
    let figure = format!("mails into smtp-sink from a backlog, SQLite, {connections} connections");
    let row = |yardstick: String, by: f64, reach, aim| Row {
        figure: figure.clone(),
        value: format!("{ours:.0}/s"),
        yardstick,
        ratio: Some(ours / by),
        reach,
        aim,
    };
    let mut rows = vec![row(
        format!("smtp-source, keeps nothing: {source:.0}/s"),
        source,
        "0.35",
        "0.7",
    )];
    if !pool.is_empty() {
        let pool = middle(pool);
        let yardstick = format!("nodemailer with its pool, keeps nothing: {pool:.0}/s");
        rows.push(row(yardstick, pool, "3", "6"));
    }
    rows
}

/// Mails per second of the service over so many connections, and how many there were.
fn round(sink: &Sink, connections: u32, scale: Scale) -> (f64, u64) {
    let place = Place::new(None);
    let server = place.start(&[
        ("LEGWORK_MAIL__URL", &sink.url()),
        ("LEGWORK_MAIL__CONCURRENCY", &connections.to_string()),
    ]);
    server.pause("mail");
    let url = format!("{}/v1/emails", server.base);
    load(
        &Request::post(&url, &server.key, &mail()),
        64,
        SECONDS.min(scale.seconds),
    );
    let backlog = place.count("SELECT count(*) FROM jobs WHERE state = 'available'");
    let start = now_micros();
    server.resume("mail");
    server.wait_until_idle("mail");
    let sent = place.count("SELECT count(*) FROM jobs WHERE state = 'completed'");
    assert!(sent >= backlog, "{sent} of {backlog} mails were sent");
    let end = place.count("SELECT max(finished_at) FROM jobs");
    (backlog as f64 / (end - start) as f64 * 1e6, backlog)
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

fn by_smtplib(sink: &Sink, mails: u64) -> f64 {
    let (host, port) = sink.address.split_once(':').unwrap();
    let mut command = machine::command("python3");
    command
        .arg(yardstick("smtplib_mails.py"))
        .args([host, port, &mails.to_string(), &BYTES.to_string()]);
    said(command)
}

fn yardstick(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("benches/yardsticks")
        .join(name)
}

/// The number that a yardstick says.
fn said(mut command: Command) -> f64 {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .parse()
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}
