//! `legwork jobs cancel` and `retry`: previewed, asked about, given, and looked on.

use std::io::{self, BufRead, Write};
use std::path::Path;
use std::process::ExitCode;

use legwork::control::JobAsk;
use legwork::telemetry::harmless;
use serde_json::{Map, Value, json};

use super::{WhichArgs, ask, following, words};
use crate::cli::supervision::{Client, Failure, print};

/// The largest file of arguments, in bytes: what fits into a request.
const ARGS_BYTES_MAX: u64 = 32 * 1024;

/// Which jobs, and how.
#[derive(clap::Args)]
pub(crate) struct OrderArgs {
    /// Jobs by their ids
    ids: Vec<String>,
    #[command(flatten)]
    which: WhichArgs,
    /// Only jobs with this cause, such as attempts_spent
    #[arg(long)]
    cause: Option<String>,
    /// Only jobs whose latest attempt told of this fault, as `legwork jobs causes` prints it
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
    /// Only jobs that were accepted before this time
    #[arg(long, value_name = "TIME")]
    created_before: Option<String>,
    /// Only jobs that were accepted at this time or later
    #[arg(long, value_name = "TIME")]
    created_after: Option<String>,
    /// So many a second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    rate: Option<u64>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Do not look on: print the order's id and end
    #[arg(long)]
    no_wait: bool,
}

/// Gives the order, if there is anything to do and nobody objects.
pub(super) fn give(
    client: &mut Client,
    action: &str,
    order: OrderArgs,
    args: Option<&Path>,
) -> Result<ExitCode, Failure> {
    let (is_agreed, is_left_alone) = (order.yes, order.no_wait);
    let mut body = body(action, order, args)?;
    let found = ask(client, JobAsk::Preview, body.clone().into())?;
    let count = found.get("count").and_then(Value::as_u64).unwrap_or(0);
    let is_capped = found.get("is_capped").and_then(Value::as_bool).unwrap_or(false);
    // None may have been found yet among more jobs than a preview looks at.
    if count == 0 && !is_capped {
        print("no job is meant; nothing was done")?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&told(action, count, is_capped, &found))?;
    if !is_agreed {
        if !agreed()? {
            return Err(Failure::new(Failure::OTHER, "nothing was done"));
        }
        // The service waits for no person: it has ended the connection meanwhile.
        client.connect_anew()?;
    }
    if !is_capped {
        body.insert("expect".to_owned(), count.into());
    }
    let job = ask(client, JobAsk::Order, body.into())?;
    let id = job.get("id").and_then(Value::as_str).unwrap_or_default();
    print(&format!("ordered as {}", harmless(id)))?;
    if is_left_alone {
        return Ok(ExitCode::SUCCESS);
    }
    following::follow(client, id)
}

/// The order as it is sent.
fn body(action: &str, order: OrderArgs, args: Option<&Path>) -> Result<Map<String, Value>, Failure> {
    let mut filter = order.which.words();
    filter.extend(words([
        ("cause", order.cause),
        ("error", order.error),
        ("created_before", order.created_before),
        ("created_after", order.created_after),
    ]));
    if !order.ids.is_empty() {
        filter.insert("ids".to_owned(), json!(order.ids));
    }
    let mut body = Map::new();
    body.insert("action".to_owned(), action.into());
    body.insert("filter".to_owned(), filter.into());
    if let Some(rate) = order.rate {
        body.insert("rate_per_s".to_owned(), rate.into());
    }
    if let Some(path) = args {
        body.insert("args".to_owned(), read(path)?);
    }
    Ok(body)
}

fn read(path: &Path) -> Result<Value, Failure> {
    let failed = |text: String| Failure::new(Failure::OTHER, format!("{}: {text}", path.display()));
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| failed(error.to_string()))?;
    // One more than fits tells that it does not.
    let read = io::Read::read_to_string(&mut io::Read::take(file, ARGS_BYTES_MAX + 1), &mut text);
    let read = read.map_err(|error| failed(error.to_string()))?;
    if u64::try_from(read).unwrap_or(u64::MAX) > ARGS_BYTES_MAX {
        return Err(failed(format!("has more than {ARGS_BYTES_MAX} bytes")));
    }
    serde_json::from_str(&text).map_err(|error| failed(format!("is no JSON: {error}")))
}

/// What would be done.
fn told(action: &str, count: u64, is_capped: bool, found: &Value) -> String {
    let over = if is_capped { "over " } else { "" };
    if count == 0 {
        return format!("{action}: none among the jobs that a preview looks at; there may be some among the rest");
    }
    let samples = found.get("samples").and_then(Value::as_array).into_iter().flatten();
    let samples: Vec<String> = samples.take(3).filter_map(|id| id.as_str().map(harmless)).collect();
    let more = if count > 3 { ", …" } else { "" };
    let jobs = if count == 1 { "job" } else { "jobs" };
    format!("{action}: {over}{count} {jobs} ({}{more})", samples.join(", "))
}

/// Asks, and reads a line: nothing but `y` or `yes` is a yes.
fn agreed() -> Result<bool, Failure> {
    let failed = |error: io::Error| Failure::new(Failure::OTHER, format!("cannot ask: {error}; --yes does not"));
    let mut out = io::stderr().lock();
    write!(out, "go on? [y/N] ")
        .and_then(|()| out.flush())
        .map_err(failed)?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(failed)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_done_is_told_with_its_count_and_some_of_the_jobs() {
        let found = json!({ "samples": ["job_1", "job_2", "job_3", "job_4"] });
        assert_eq!(
            told("retry", 4, false, &found),
            "retry: 4 jobs (job_1, job_2, job_3, …)"
        );
        assert_eq!(
            told("cancel", 100_000, true, &found),
            "cancel: over 100000 jobs (job_1, job_2, job_3, …)"
        );
        assert_eq!(
            told("cancel", 0, true, &json!({ "samples": [] })),
            "cancel: none among the jobs that a preview looks at; there may be some among the rest"
        );
        assert_eq!(
            told("cancel", 1, false, &json!({ "samples": ["job_1"] })),
            "cancel: 1 job (job_1)"
        );
    }
}
