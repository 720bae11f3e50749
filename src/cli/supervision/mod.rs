//! `legwork supervision`: the running service's actors, over the control socket in its data folder.
//!
//! Guarantees: it touches neither the database nor the network; what the service says is shown with nothing in it that could
//! steer a terminal; each way to fail has an exit code of its own ([`Failure`]).

mod client;
mod drawing;
mod told;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use legwork::control::{Act, Request};
use legwork::telemetry::{harmless, harmless_json};
use serde_json::Value;

pub(crate) use self::client::Client;
use super::help;

/// What of the tree is asked for; the whole tree if nothing is.
#[derive(clap::Args)]
pub(crate) struct SupervisionArgs {
    /// Print the tree as JSON
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<SupervisionCommand>,
}

#[derive(clap::Subcommand)]
enum SupervisionCommand {
    /// Print one actor with what is beneath it
    #[command(after_help = help::SUPERVISION_SHOW)]
    Show {
        /// Its name in the tree
        name: String,
        /// Add where its last failure came from
        #[arg(long)]
        backtrace: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Restart an actor now, also one that is degraded or waits after a failure
    #[command(after_help = help::SUPERVISION_RESTART)]
    Restart(Named),
    /// Let an actor handle nothing until it is resumed; what is sent to it waits
    #[command(after_help = help::SUPERVISION_SUSPEND)]
    Suspend(Named),
    /// Let a suspended actor go on
    #[command(after_help = help::SUPERVISION_RESUME)]
    Resume(Named),
    /// Make an actor panic; only a service that runs with --fault-injection does it
    #[command(after_help = help::SUPERVISION_PANIC)]
    Panic(Named),
    /// Print what happened to the actors
    #[command(after_help = help::SUPERVISION_EVENTS)]
    Events {
        /// Go on with what happens, until the service stops
        #[arg(long)]
        follow: bool,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
}

#[derive(clap::Args)]
struct Named {
    /// Its name in the tree
    name: String,
}

/// Why it was not done.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code: 1 to 5, as `legwork help supervision` tells.
    pub(crate) code: u8,
    /// For people.
    pub(crate) text: String,
}

impl Failure {
    /// It failed in a way that no script needs to tell apart.
    pub(crate) const OTHER: u8 = 1;
    /// No service runs on the data folder.
    pub(crate) const NO_SERVICE: u8 = 3;
    /// No actor has that name, or no job that id.
    pub(crate) const NO_SUCH_ACTOR: u8 = 4;
    /// The service does not do that, or not now.
    pub(crate) const REFUSED: u8 = 5;

    pub(crate) fn new(code: u8, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { code, text }
    }
}

/// Where the lines of a command go, and how they end: a reader who has seen enough is no failure.
pub(crate) enum Printing {
    GoOn,
    NobodyReads,
}

/// Does what is asked for.
pub(crate) fn run(args: SupervisionArgs, data_dir: &Path) -> Result<ExitCode, Failure> {
    let mut client = Client::connect(data_dir)?;
    match args.command {
        None => {
            let answer = client.ask(&Request::Tree)?;
            let root = answer.get("root");
            print(&if args.json {
                pretty(&answer, &["root"])
            } else {
                drawing::draw(root)?
            })?;
        }
        Some(SupervisionCommand::Show { name, backtrace, json }) => {
            let answer = client.ask(&Request::Inspect { name, backtrace })?;
            print(&if json {
                pretty(&answer, &["node", "backtrace"])
            } else {
                shown(&answer, backtrace)?
            })?;
        }
        Some(SupervisionCommand::Restart(of)) => order(&mut client, Act::Restart, of)?,
        Some(SupervisionCommand::Suspend(of)) => order(&mut client, Act::Suspend, of)?,
        Some(SupervisionCommand::Resume(of)) => order(&mut client, Act::Resume, of)?,
        Some(SupervisionCommand::Panic(of)) => order(&mut client, Act::Panic, of)?,
        Some(SupervisionCommand::Events { follow, json }) => tell_events(client, follow, json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn order(client: &mut Client, act: Act, of: Named) -> Result<(), Failure> {
    let ordered = format!("{}: {} ordered", harmless(&of.name), act.as_str());
    client.ask(&Request::Order { act, name: of.name })?;
    print(&ordered).map(drop)
}

fn tell_events(mut client: Client, follow: bool, json: bool) -> Result<(), Failure> {
    client.send(&Request::Events { follow })?;
    if follow {
        client.wait_forever()?;
    }
    loop {
        let answer = client.next()?;
        let text = match answer.get("answer").and_then(Value::as_str) {
            Some("end") => return Ok(()),
            Some("missed") if json => pretty_line(&answer, &["missed"]),
            Some("missed") => format!("… {} events were missed", answer.get("missed").unwrap_or(&Value::Null)),
            Some("event") if json => harmless_json(&answer.get("event").unwrap_or(&Value::Null).to_string()),
            Some("event") => told::event(answer.get("event"))?,
            // Of a later version, which says more than this one knows.
            _ => continue,
        };
        if matches!(print(&text)?, Printing::NobodyReads) {
            return Ok(());
        }
    }
}

fn shown(answer: &Value, backtrace: bool) -> Result<String, Failure> {
    let mut text = drawing::draw(answer.get("node"))?;
    match answer.get("backtrace").and_then(Value::as_str) {
        Some(trace) => {
            for line in trace.lines() {
                text.push('\n');
                text.push_str(&harmless(line));
            }
        }
        None if backtrace => text.push_str("\nno backtrace is known"),
        None => {}
    }
    Ok(text)
}

/// Some fields of an answer, as JSON for people and programs.
fn pretty(answer: &Value, names: &[&str]) -> String {
    // A Value always serializes.
    harmless_json(&serde_json::to_string_pretty(&picked(answer, names)).unwrap_or_default())
}

fn pretty_line(answer: &Value, names: &[&str]) -> String {
    harmless_json(&picked(answer, names).to_string())
}

fn picked(answer: &Value, names: &[&str]) -> Value {
    let fields = names
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), answer.get(name)?.clone())));
    Value::Object(fields.collect())
}

pub(crate) fn print(text: &str) -> Result<Printing, Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(Printing::GoOn),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Printing::NobodyReads),
        Err(error) => Err(Failure::new(Failure::OTHER, format!("standard output: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_keeps_its_meaning_and_has_nothing_that_steers_a_terminal() {
        let text = "\u{9b}2J\u{1b}\n\r\u{202e}\u{85}\u{7f} ä";
        let answer = json!({ "node": { "last_failure": { "error": text } }, "backtrace": text, "missed": text });
        for printed in [
            pretty(&answer, &["node", "backtrace"]),
            pretty_line(&answer, &["node", "backtrace"]),
        ] {
            let steers = |char: char| (char.is_control() && char != '\n') || char == '\u{202e}';
            assert!(!printed.contains(steers), "{printed:?}");
            let read: Value = serde_json::from_str(&printed).unwrap();
            assert_eq!(
                (&read["node"], &read["backtrace"]),
                (&answer["node"], &answer["backtrace"])
            );
        }
    }
}
