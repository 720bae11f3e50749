//! The log: what is written, in which form, and the names that operators may rely on.
//!
//! Guarantees: one line (pretty) or one flat JSON object a line, to stderr, which no other part of the service writes to, and
//! no text within makes two of it; event names are those of [`names`]; a panic is logged once, with its place; below info only
//! our own lines are written, whatever the filter says, since nobody here can promise what a library puts into its own.
//!
//! Left out: metrics and traces for collectors; writing to files and rotating them, which the service manager does.

mod escape;
mod format;
mod json;
pub mod names;
mod panic;
mod pretty;
mod writer;

use std::error::Error;
use std::fmt::Write as _;
use std::io;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{JsonFields, debug_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry};

pub use format::{LogFormat, ParseLogFormatError};
pub use writer::LogWriter;

/// The HTTP library calls a client's malformed request an error, with a line for each, and the pool of connections says of a
/// database that is away what a line of ours says: not what an operator must act on. A filter that names these targets goes
/// before it.
const NOT_OURS: &str = "actix_http::h1=off,r2d2=off";

/// What the targets of our own lines are, or start with.
const OURS: &str = "legwork";

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not a level or a list of directives. Holds what the parser said, whose own causes repeat it.
    #[error("log.filter is not a level such as info, or directives such as info,legwork::store=debug: {0}")]
    Filter(String),
    /// The thread that writes the log cannot be started.
    #[error("the log's thread cannot be started")]
    Thread(#[source] io::Error),
    /// This process already has a log.
    #[error("the log was set up twice")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// Sets up the log of this process on stderr, and the hook that logs panics. Answers what is to be ended when the process is,
/// or its last lines may be lost.
///
/// # Errors
///
/// If `filter` cannot be read, or the process already has a log.
pub fn init(format: LogFormat, filter: &str) -> Result<LogWriter, TelemetryError> {
    let colours = io::IsTerminal::is_terminal(&io::stderr());
    let writer = LogWriter::start(io::stderr()).map_err(TelemetryError::Thread)?;
    subscriber(format, filter, colours, writer.clone())?
        .try_init()
        .map_err(TelemetryError::Twice)?;
    panic::install_hook();
    Ok(writer)
}

/// What writes the log to `writer`; for tests that read what is logged, with `tracing::subscriber::with_default`.
///
/// # Errors
///
/// If `filter` cannot be read.
pub fn subscriber<W>(
    format: LogFormat,
    filter: &str,
    colours: bool,
    writer: W,
) -> Result<impl Subscriber + Send + Sync, TelemetryError>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let filter = format!("{NOT_OURS},{filter}");
    let filter = EnvFilter::builder().parse(filter);
    let filter = filter.map_err(|error| TelemetryError::Filter(error.to_string()))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match format {
        LogFormat::Pretty => lines
            .with_target(false)
            .with_ansi(colours)
            .fmt_fields(debug_fn(pretty::field).delimited(" "))
            .boxed(),
        LogFormat::Json => lines.fmt_fields(JsonFields::new()).event_format(json::FlatJson).boxed(),
    };
    Ok(Registry::default()
        .with(filter)
        .with(filter_fn(may_be_written))
        .with(lines))
}

/// Whether a line may be written if the filter wants it: our own always, those of libraries from info on. Theirs below that
/// are for their developers, and may hold heads of requests or the words of a dialogue, passwords included.
fn may_be_written(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let is_ours = target == OURS || target.strip_prefix(OURS).is_some_and(|rest| rest.starts_with("::"));
    is_ours || *metadata.level() <= Level::INFO
}

/// `text` with whatever could end a line, steer a terminal or turn the order of writing around escaped, as in the log; for
/// texts of others that are shown to people.
#[must_use]
pub fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let written = escape::Escaping(&mut out).write_str(text);
    debug_assert!(written.is_ok(), "a String takes all that is written to it");
    out
}

/// JSON that may be laid out in lines, with the same characters within its texts escaped as JSON escapes them.
#[must_use]
pub fn harmless_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    // JSON escapes the line ends within its texts, so that those that stand in it are its layout.
    for (at, line) in json.split('\n').enumerate() {
        if at > 0 {
            out.push('\n');
        }
        let written = escape::write_json(line, &mut out);
        debug_assert!(written.is_ok(), "a String takes all that is written to it");
    }
    out
}

/// `error` and its causes, joined by `: `; for the one log line where the error is handled.
#[must_use]
pub fn chain(error: &(dyn Error + '_)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
pub(crate) mod checked_log;
// What the tests of the whole service hold its log against, they hold against those of its parts.
#[cfg(test)]
#[path = "../../tests/support/leaks.rs"]
mod leaks;
#[cfg(test)]
#[path = "../../tests/support/log_table.rs"]
mod log_table;
#[cfg(test)]
mod tests;
