//! Looking on while an order is carried out.
//!
//! Guarantees: whoever interrupts it hears under which id the order goes on, and nothing else happens.

use std::process::ExitCode;
use std::time::Duration;

use legwork::control::JobAsk;
use legwork::telemetry::harmless;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::ask;
use super::bar::Bar;
use crate::cli::supervision::{Client, Failure, print};

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The exit code for whoever was interrupted, as shells have it.
const INTERRUPTED: u8 = 130;

/// Looks on until the order has ended.
pub(super) fn follow(client: &mut Client, id: &str) -> Result<ExitCode, Failure> {
    let other = |error: std::io::Error| Failure::new(Failure::OTHER, format!("cannot wait: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(other)?;
    let mut interrupt = {
        let _entered = runtime.enter();
        signal(SignalKind::interrupt()).map_err(other)?
    };
    let mut bar = Bar::new();
    loop {
        let job = ask(client, JobAsk::Show, json!({ "id": id }))?;
        bar.show(&job);
        if job.get("finished_at").is_some_and(|at| !at.is_null()) {
            bar.end();
            return ended(id, &job);
        }
        let is_interrupted = runtime.block_on(async {
            tokio::select! {
                biased;
                _ = interrupt.recv() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            }
        });
        if is_interrupted {
            bar.end();
            print(&format!(
                "the order goes on as {id}; legwork jobs show {id} looks at it, legwork jobs cancel {id} stops it"
            ))?;
            return Ok(ExitCode::from(INTERRUPTED));
        }
    }
}

/// Says what came of it.
fn ended(id: &str, job: &Value) -> Result<ExitCode, Failure> {
    let of = |name: &str| job.get("result").and_then(|result| result.get(name));
    let count = |name: &str| of(name).and_then(Value::as_u64).unwrap_or(0);
    let refused = of("refused").and_then(Value::as_object).into_iter().flatten();
    let refused: Vec<String> = refused
        .map(|(reason, count)| format!("{} {count}", harmless(reason)))
        .collect();
    let mut text = format!("{} of {} jobs changed", count("changed"), count("matched"));
    if !refused.is_empty() {
        text.push_str(&format!("; refused: {}", refused.join(", ")));
    }
    print(&text)?;
    match job.get("state").and_then(Value::as_str) {
        Some("completed") => Ok(ExitCode::SUCCESS),
        other => {
            let state = harmless(other.unwrap_or("in no state"));
            Err(Failure::new(Failure::OTHER, format!("the order {id} ended as {state}")))
        }
    }
}
