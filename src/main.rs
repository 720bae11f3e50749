//! The command line of Legwork.
//!
//! Exit codes: 0 done, or stopped in order; 1 it failed, and stderr says why; 2 the command line is wrong; 3, 4 and 5 of
//! `legwork supervision` and `legwork jobs` alone (no service runs, no actor of that name or no such job, the order was refused);
//! 128 plus its number when a second signal ended the service at once (130 for SIGINT, 143 for SIGTERM), and 130 for who stops
//! looking on at `legwork jobs`.

mod cli;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use cli::jobs::JobsCommand;
use cli::keys::KeysCommand;
use cli::sandbox::SandboxArgs;
use cli::settings::SettingsArgs;
use cli::supervision::SupervisionArgs;
use cli::templates::TemplatesCommand;
use cli::{health, help, jobs, keys, sandbox, settings, supervision, templates};
use legwork::app::account::{self, AccountError, AccountOrder};
use legwork::app::account_orders::{self, ChangedAccount};
use legwork::app::account_roles;
use legwork::app::{self, Ended, RunOptions, second_factor};
use legwork::clock::Clock;
use legwork::config::{Config, ConfigArgs};
use legwork::store::{Contracted, Database, Store};
use legwork::telemetry;
use legwork::telemetry::names::event;

/// A request makes and drops some two hundred small things; with the C library's allocator that is a sixth of its cost.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Legwork answers at once and does the legwork later.
///
/// Without a command it serves: SQLite and an outbox for mail in the folder `data`, on http://127.0.0.1:8080. Settings come
/// from legwork.toml and from LEGWORK_… variables, such as LEGWORK_HTTP__BIND=127.0.0.1:9000.
#[derive(Parser)]
#[command(name = "legwork", about, verbatim_doc_comment, after_help = help::LEGWORK)]
struct CommandLine {
    /// Print the version, and what it was built from and for
    #[arg(short = 'V', long)]
    version: bool,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT; a second signal ends at once
    #[command(after_help = help::SERVE)]
    Serve(ServeArgs),
    /// See and steer the actors of the running service, over a socket in its data folder
    #[command(after_help = help::SUPERVISION, args_conflicts_with_subcommands = true)]
    Supervision(SupervisionArgs),
    /// See jobs of the running service, cancel them and have them run again, over the same socket
    #[command(subcommand, after_help = help::JOBS)]
    Jobs(Box<JobsCommand>),
    /// Run a mail server for tests: it shows what it takes, sends nothing on, and fails when told
    #[command(after_help = help::SANDBOX)]
    Sandbox(Box<SandboxArgs>),
    /// Bring the database's schema up to date and end
    #[command(after_help = help::MIGRATE)]
    Migrate(MigrateArgs),
    /// Write a consistent copy of the database, also while the service runs
    #[command(after_help = help::BACKUP)]
    Backup {
        /// The file to write; it must not exist
        target: PathBuf,
    },
    /// Make accounts and operators, set their passwords, have them deleted, turn second factors off
    #[command(subcommand, after_help = help::ACCOUNT)]
    Account(AccountCommand),
    /// See API keys of any account, and revoke one; works beside a running service
    #[command(subcommand, after_help = help::KEYS)]
    Keys(KeysCommand),
    /// Check templates of mails that are kept in files
    #[command(subcommand, after_help = help::TEMPLATES)]
    Templates(TemplatesCommand),
    /// Print the description of the API in OpenAPI 3.1, as JSON
    #[command(after_help = help::OPENAPI)]
    Openapi,
    /// Print every setting, its value and where it came from; also when one is wrong
    #[command(after_help = help::CONFIG)]
    Config(SettingsArgs),
    /// Ask the running service whether it is ready
    #[command(after_help = help::HEALTH)]
    Health {
        /// Where it listens [default: http.bind]
        #[arg(long, value_name = "ADDRESS:PORT")]
        at: Option<SocketAddr>,
    },
}

#[derive(Clone, Copy, Default, clap::Args)]
struct ServeArgs {
    /// Let operators make its actors panic, to see what that does; not for a service that people rely on
    #[arg(long)]
    fault_injection: bool,
}

#[derive(Clone, Copy, clap::Args)]
struct MigrateArgs {
    /// Take out what only older versions use, too, at once; refused while one of their nodes is alive
    #[arg(long)]
    contract: bool,
}

#[derive(Subcommand)]
enum AccountCommand {
    /// Make an account whose address is taken as verified, and print it as JSON; works beside a running service
    #[command(after_help = help::ACCOUNT_CREATE)]
    Create(CreateArgs),
    /// Let an account see and steer the whole service; its logins end
    #[command(after_help = help::ACCOUNT_GRANT)]
    GrantOperator(WhichAccount),
    /// Make an operator's account an ordinary one; its logins end
    #[command(after_help = help::ACCOUNT_REVOKE)]
    RevokeOperator(WhichAccount),
    /// Turn an account's second factor off, for somebody who has lost it, and end its logins
    #[command(after_help = help::ACCOUNT_DISABLE_SECOND_FACTOR)]
    DisableSecondFactor {
        /// The address of the account
        #[arg(long)]
        email: String,
    },
    /// Set the password of an account and end all its logins; its owner is told by mail
    #[command(after_help = help::ACCOUNT_SET_PASSWORD)]
    SetPassword(SetPasswordArgs),
    /// Have an account deleted with all that is its workspace's; its owner is told by mail
    #[command(after_help = help::ACCOUNT_DELETE)]
    Delete(DeleteArgs),
}

#[derive(clap::Args)]
struct WhichAccount {
    /// Its address
    #[arg(long)]
    email: String,
}

#[derive(clap::Args)]
struct SetPasswordArgs {
    /// The address of the account
    #[arg(long)]
    email: String,
    /// Read the password from standard input, one line
    #[arg(long, required = true)]
    password_stdin: bool,
}

#[derive(clap::Args)]
struct DeleteArgs {
    /// The address of the account
    #[arg(long)]
    email: String,
    /// Without the time of grace of accounts.deletion_grace_days
    #[arg(long)]
    at_once: bool,
}

#[derive(clap::Args)]
struct CreateArgs {
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
}

/// The exit code for a command that makes no sense as it is given, as clap has it.
const BAD_USE: u8 = 2;

/// What a command ends with: a text for stderr if it failed.
type Outcome = Result<ExitCode, String>;

fn main() -> ExitCode {
    let line = CommandLine::parse();
    let outcome = if line.version {
        say(&cli::version())
    } else {
        run(
            line.command.unwrap_or_else(|| Command::Serve(ServeArgs::default())),
            &line.config,
        )
    };
    outcome.unwrap_or_else(|error| {
        complain(&error);
        ExitCode::FAILURE
    })
}

fn run(command: Command, settings: &ConfigArgs) -> Outcome {
    let config = || Config::load(settings).map_err(|error| telemetry::chain(&error));
    match command {
        Command::Serve(args) => serve(config()?, args),
        Command::Supervision(args) => supervise(args, &config()?),
        Command::Jobs(command) => order_jobs(*command, &config()?),
        // A server of its own: it needs no settings.
        Command::Sandbox(args) => sandbox::run(*args, |text| say(text).map(|_| ())).map(|()| ExitCode::SUCCESS),
        Command::Migrate(args) => migrate(&config()?, args),
        Command::Backup { target } => backup(&config()?, &target),
        Command::Account(AccountCommand::Create(order)) => create_account(&config()?, order),
        Command::Account(AccountCommand::GrantOperator(which)) => set_operator(&config()?, &which.email, true),
        Command::Account(AccountCommand::RevokeOperator(which)) => set_operator(&config()?, &which.email, false),
        Command::Account(AccountCommand::DisableSecondFactor { email }) => disable_second_factor(&config()?, &email),
        Command::Account(AccountCommand::SetPassword(order)) => set_password(&config()?, &order),
        Command::Account(AccountCommand::Delete(order)) => delete_account(&config()?, &order),
        Command::Keys(command) => say(&keys::run(&command, &config()?)?),
        Command::Templates(command) => say(&templates::run(&command)?),
        Command::Openapi => describe_api(),
        // Also with settings that are wrong.
        Command::Config(args) => list_settings(args, settings),
        Command::Health { at: Some(address) } => say(&health::ask(address)?),
        Command::Health { at: None } => say(&health::ask(config()?.http.bind)?),
    }
}

fn migrate(config: &Config, args: MigrateArgs) -> Outcome {
    let database = Database::from(&config.database.url);
    Store::migrate(&database).map_err(|error| telemetry::chain(&error))?;
    if args.contract {
        contract(&database)?;
    }
    say(&format!("the schema of {} is up to date", config.database.url))
}

fn contract(database: &Database) -> Result<(), String> {
    let done = Store::contract(database, Clock::System.now()).map_err(|error| telemetry::chain(&error))?;
    let Contracted::WaitsFor(nodes) = done else {
        return Ok(());
    };
    let names: Vec<String> = nodes
        .iter()
        .map(|node| format!("{} of version {}", node.id, node.version))
        .collect();
    Err(format!(
        "the schema is up to date, and still has what older versions use, since nodes of them are alive: {}",
        names.join(", ")
    ))
}

fn backup(config: &Config, target: &Path) -> Outcome {
    let Some(path) = config.database.url.sqlite_path() else {
        complain(&format!(
            "the database is {}, which `legwork backup` does not copy; use pg_dump, which comes with PostgreSQL",
            config.database.url
        ));
        return Ok(ExitCode::from(BAD_USE));
    };
    let bytes = Store::backup(path, target).map_err(|error| telemetry::chain(&error))?;
    say(&format!("{} holds a copy of {bytes} bytes", target.display()))
}

fn create_account(config: &Config, order: CreateArgs) -> Outcome {
    let order = AccountOrder {
        email: order.email,
        name: order.name,
        password: read_password()?.into(),
        is_operator: order.operator,
        with_api_key: order.api_key,
    };
    let made = actix::System::new().block_on(account::create(config, order, &Clock::System));
    let made = made.map_err(|error| telemetry::chain(&error))?;
    say(&serde_json::to_string_pretty(&made).map_err(|error| error.to_string())?)
}

fn set_operator(config: &Config, email: &str, is_operator: bool) -> Outcome {
    let set = account_roles::set_operator(config, email, is_operator, &Clock::System);
    let set = actix::System::new().block_on(set);
    let set = set.map_err(|error| telemetry::chain(&error))?;
    say(&serde_json::to_string_pretty(&set).map_err(|error| error.to_string())?)
}

fn disable_second_factor(config: &Config, email: &str) -> Outcome {
    let ended = actix::System::new().block_on(second_factor::disable(config, email, &Clock::System));
    let ended = ended.map_err(|error| telemetry::chain(&error))?;
    say(&format!("the second factor is off; logins that have ended: {ended}"))
}

fn set_password(config: &Config, order: &SetPasswordArgs) -> Outcome {
    let password = read_password()?.into();
    let changed = account_orders::change_password(config, &order.email, &password, &Clock::System);
    show_account(actix::System::new().block_on(changed))
}

fn delete_account(config: &Config, order: &DeleteArgs) -> Outcome {
    let changed = account_orders::delete(config, &order.email, order.at_once, &Clock::System);
    show_account(actix::System::new().block_on(changed))
}

fn show_account(changed: Result<ChangedAccount, AccountError>) -> Outcome {
    let changed = changed.map_err(|error| telemetry::chain(&error))?;
    say(&serde_json::to_string_pretty(&changed).map_err(|error| error.to_string())?)
}

fn describe_api() -> Outcome {
    let document = legwork::api::openapi_document().to_pretty_json();
    say(&document.map_err(|error| telemetry::chain(&error))?)
}

fn list_settings(args: SettingsArgs, config: &ConfigArgs) -> Outcome {
    let shown = settings::show(args, config)?;
    let said = say(&shown.text);
    shown.problem.map_or(said, Err)
}

fn supervise(args: SupervisionArgs, config: &Config) -> Outcome {
    supervision::run(args, &config.data_dir).or_else(|failure| {
        complain(&failure.text);
        Ok(ExitCode::from(failure.code))
    })
}

fn order_jobs(command: JobsCommand, config: &Config) -> Outcome {
    jobs::run(command, &config.data_dir).or_else(|failure| {
        complain(&failure.text);
        Ok(ExitCode::from(failure.code))
    })
}

fn serve(config: Config, args: ServeArgs) -> Outcome {
    let log = telemetry::init(config.log.format, &config.log.filter).map_err(|error| telemetry::chain(&error))?;
    // After the log's hook, which it adds to.
    legwork::supervision::capture_backtraces();
    let options = RunOptions {
        fault_injection: args.fault_injection,
    };
    let ended = actix::System::new().block_on(app::serve(config, options));
    log.end();
    match ended {
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

/// A line on standard output; a closed pipe is the reader's choice, and no failure.
fn say(text: &str) -> Outcome {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn complain(text: &str) {
    // If stderr is closed too, the exit code alone must do.
    if writeln!(std::io::stderr().lock(), "legwork: {text}").is_err() {}
}
