//! `legwork jobs`: jobs of the running service, over the control socket in its data folder.
//!
//! Guarantees: it touches neither the database nor the network; an order for jobs is shown with its count before anything is
//! done, and done only if somebody says yes or said so before (`--yes`); once given, it is the service's: whoever stops
//! looking stops nothing. What the service says is shown with nothing in it that could steer a terminal.

mod bar;
mod following;
mod order;
pub(super) mod tables;

use std::path::Path;
use std::process::ExitCode;

use legwork::control::{JobAsk, Request};
use legwork::telemetry::harmless_json;
use serde_json::{Map, Value, json};

use self::order::OrderArgs;
use super::help;
use super::supervision::{Client, Failure, print};

/// What is asked for.
#[derive(clap::Subcommand)]
pub(crate) enum JobsCommand {
    /// Print jobs, the newest first
    #[command(after_help = help::JOBS_LIST)]
    List {
        #[command(flatten)]
        which: WhichArgs,
        /// Go on where an earlier list ended
        #[arg(long)]
        cursor: Option<String>,
        /// How many at most
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=100))]
        limit: u64,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print one job with its attempts
    #[command(after_help = help::JOBS_SHOW)]
    Show {
        /// Its id
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print why jobs were given up, those of one cause and one fault together
    #[command(after_help = help::JOBS_CAUSES)]
    Causes {
        #[command(flatten)]
        which: WhichArgs,
        /// Only jobs that ended at this time or later, such as 2026-01-31T08:00:00Z
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Cancel jobs: named ones, or all that fit
    #[command(after_help = help::JOBS_CANCEL)]
    Cancel(OrderArgs),
    /// Have jobs run again: named ones, or all that fit
    #[command(after_help = help::JOBS_RETRY)]
    Retry {
        #[command(flatten)]
        order: OrderArgs,
        /// A file with other arguments, as JSON, for jobs of one --kind
        #[arg(long, value_name = "FILE")]
        args: Option<std::path::PathBuf>,
    },
    /// Say what became of an uncertain job, such as a mail that may have gone out
    #[command(after_help = help::JOBS_RESOLVE)]
    Resolve {
        /// Its id
        id: String,
        /// completed if its effect has happened, discarded if it has not and is not wanted any more
        #[arg(long = "as", value_name = "STATE", value_parser = ["completed", "discarded"])]
        resolution: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Which jobs.
#[derive(clap::Args)]
pub(crate) struct WhichArgs {
    /// Only jobs in this state, such as discarded
    #[arg(long)]
    state: Option<String>,
    /// Only jobs of this queue, such as mail
    #[arg(long)]
    queue: Option<String>,
    /// Only jobs of this kind, such as email.send
    #[arg(long)]
    kind: Option<String>,
    /// Only jobs of this workspace
    #[arg(long, value_name = "ID")]
    workspace: Option<String>,
}

impl WhichArgs {
    /// As words of a request: what is not given is left out.
    fn words(self) -> Map<String, Value> {
        let all = [
            ("state", self.state),
            ("queue", self.queue),
            ("kind", self.kind),
            ("workspace", self.workspace),
        ];
        words(all)
    }
}

/// Texts that are given, by name.
fn words(all: impl IntoIterator<Item = (&'static str, Option<String>)>) -> Map<String, Value> {
    let given = all
        .into_iter()
        .filter_map(|(name, text)| Some((name.to_owned(), text?.into())));
    given.collect()
}

/// Does what is asked for.
pub(crate) fn run(command: JobsCommand, data_dir: &Path) -> Result<ExitCode, Failure> {
    let mut client = Client::connect(data_dir)?;
    match command {
        JobsCommand::List {
            which,
            cursor,
            limit,
            json,
        } => {
            let mut words = which.words();
            words.insert("limit".to_owned(), limit.into());
            if let Some(cursor) = cursor {
                words.insert("cursor".to_owned(), cursor.into());
            }
            let told = ask(&mut client, JobAsk::List, words.into())?;
            say(&told, json, tables::jobs)
        }
        JobsCommand::Show { id, json } => {
            let told = ask(&mut client, JobAsk::Show, json!({ "id": id }))?;
            say(&told, json, tables::job)
        }
        JobsCommand::Causes { which, since, json } => {
            let mut asked = which.words();
            asked.extend(words([("since", since)]));
            let told = ask(&mut client, JobAsk::Causes, asked.into())?;
            say(&told, json, tables::causes)
        }
        JobsCommand::Cancel(order) => order::give(&mut client, "cancel", order, None),
        JobsCommand::Resolve { id, resolution, json } => {
            let words = json!({ "id": id, "as": resolution });
            let told = ask(&mut client, JobAsk::Resolve, words)?;
            say(&told, json, tables::job)
        }
        JobsCommand::Retry { order, args } => order::give(&mut client, "retry", order, args.as_deref()),
    }
}

/// Asks, and answers what is told.
fn ask(client: &mut Client, ask: JobAsk, words: Value) -> Result<Value, Failure> {
    let answer = client.ask(&Request::Jobs { ask, words })?;
    Ok(answer.get("told").cloned().unwrap_or_default())
}

fn say(told: &Value, is_json: bool, drawn: fn(&Value) -> String) -> Result<ExitCode, Failure> {
    let text = if is_json {
        // A Value always serializes.
        harmless_json(&serde_json::to_string_pretty(told).unwrap_or_default())
    } else {
        drawn(told)
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
