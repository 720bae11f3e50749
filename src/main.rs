//! The command line of Legwork.
//!
//! Exit codes: 0 done, or stopped in order; 1 it failed, and stderr says why; 2 the command line is wrong; 128 plus its
//! number when a second signal ended the service at once (130 for SIGINT, 143 for SIGTERM).

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use legwork::app::account::{self, AccountOrder};
use legwork::app::{self, Ended};
use legwork::clock::Clock;
use legwork::config::{Config, ConfigArgs};
use legwork::store::{Store, StoreOptions};
use legwork::telemetry;
use legwork::telemetry::names::event;

/// Legwork answers at once and does the legwork later.
///
/// Without a command it serves: SQLite and an outbox for mail in the folder `data`, on http://127.0.0.1:8080. Settings come
/// from legwork.toml and from LEGWORK_… variables, such as LEGWORK_HTTP__BIND=127.0.0.1:9000.
#[derive(Parser)]
#[command(version, about, verbatim_doc_comment)]
struct CommandLine {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT; a second signal ends at once
    Serve,
    /// Bring the database's schema up to date and end
    Migrate,
    /// Write a consistent copy of the database, also while the service runs
    Backup {
        /// The file to write; it must not exist
        target: PathBuf,
    },
    /// Accounts
    #[command(subcommand)]
    Account(AccountCommand),
    /// Print the description of the API in OpenAPI 3.1, as JSON
    Openapi,
}

#[derive(Subcommand)]
enum AccountCommand {
    /// Make an account whose address is taken as verified, and print it as JSON; works beside a running service
    Create {
        /// Its address
        #[arg(long)]
        email: String,
        /// What the person is called
        #[arg(long, default_value = "Operator")]
        name: String,
        /// Let it see and steer the whole service
        #[arg(long)]
        operator: bool,
        /// Read the password from standard input, one line
        #[arg(long, required = true)]
        password_stdin: bool,
        /// Make an API key with it, shown this once
        #[arg(long)]
        api_key: bool,
    },
}

/// What a command ends with: a text for stderr if it failed.
type Outcome = Result<ExitCode, String>;

fn main() -> ExitCode {
    let line = CommandLine::parse();
    let outcome = Config::load(&line.config)
        .map_err(|error| telemetry::chain(&error))
        .and_then(|config| run(line, config));
    outcome.unwrap_or_else(|error| {
        complain(&error);
        ExitCode::FAILURE
    })
}

fn run(line: CommandLine, config: Config) -> Outcome {
    match line.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(config),
        Command::Migrate => {
            let options = StoreOptions {
                path: config.database.url.path().to_owned(),
                readers: 1,
                on_available: std::sync::Arc::new(|_| {}),
            };
            Store::open(&options).map_err(|error| telemetry::chain(&error))?;
            say(&format!("the schema of {} is up to date", config.database.url))
        }
        Command::Backup { target } => {
            let bytes = Store::backup(config.database.url.path(), &target).map_err(|error| telemetry::chain(&error))?;
            say(&format!("{} holds a copy of {bytes} bytes", target.display()))
        }
        Command::Openapi => {
            let document = legwork::api::openapi_document().to_pretty_json();
            say(&document.map_err(|error| telemetry::chain(&error))?)
        }
        Command::Account(AccountCommand::Create {
            email,
            name,
            operator,
            password_stdin: _,
            api_key,
        }) => {
            let password = read_password()?;
            let order = AccountOrder {
                email,
                name,
                password: password.into(),
                is_operator: operator,
                with_api_key: api_key,
            };
            let made = actix::System::new().block_on(account::create(&config, order, &Clock::System));
            let made = made.map_err(|error| telemetry::chain(&error))?;
            say(&serde_json::to_string_pretty(&made).map_err(|error| error.to_string())?)
        }
    }
}

fn serve(config: Config) -> Outcome {
    telemetry::init(config.log.format, &config.log.filter).map_err(|error| telemetry::chain(&error))?;
    match actix::System::new().block_on(app::serve(config)) {
        Ok(Ended::InOrder) => Ok(ExitCode::SUCCESS),
        Ok(Ended::BySecondSignal(number)) => {
            // Not by returning: that would wait for threads, and this is the answer to somebody who will not wait.
            std::process::exit(128_i32.saturating_add(number));
        }
        Err(error) => {
            tracing::error!(
                event = event::SERVICE_FAILED,
                error = telemetry::chain(&error),
                "the service cannot go on"
            );
            Ok(ExitCode::FAILURE)
        }
    }
}

/// One line of standard input, without its end.
fn read_password() -> Result<String, String> {
    /// Far beyond the longest password that is taken, and little to read from a pipe that does not end.
    const BYTES_MAX: u64 = 4096;
    let mut text = String::new();
    std::io::stdin()
        .take(BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|error| format!("the password cannot be read from standard input: {error}"))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// A line on standard output; a closed pipe is the reader's choice.
fn say(text: &str) -> Outcome {
    writeln!(std::io::stdout().lock(), "{text}").map_err(|error| format!("standard output: {error}"))?;
    Ok(ExitCode::SUCCESS)
}

fn complain(text: &str) {
    // If stderr is closed too, the exit code alone must do.
    if writeln!(std::io::stderr().lock(), "legwork: {text}").is_err() {}
}
