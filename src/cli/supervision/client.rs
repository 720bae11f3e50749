//! The other end of the control socket.
//!
//! Guarantees: it waits at most [`PATIENCE`] for each step, but for events to come; a line is read up to a bound.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use legwork::control::{self, Request};
use serde_json::Value;

use super::Failure;

/// The longest for each step: the service answers mostly from memory, a backtrace takes a moment, and to count a hundred thousand
/// jobs takes some.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest answer in bytes; that of a tree of ten thousand actors takes some megabytes.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A connection.
pub(crate) struct Client {
    path: PathBuf,
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the service of this data folder.
    pub(crate) fn connect(data_dir: &Path) -> Result<Self, Failure> {
        Self::connect_to(control::socket_path(data_dir))
    }

    /// Ends this connection and makes another to the same service, for whoever has asked nothing for a while.
    pub(crate) fn connect_anew(&mut self) -> Result<(), Failure> {
        *self = Self::connect_to(self.path.clone())?;
        Ok(())
    }

    fn connect_to(path: PathBuf) -> Result<Self, Failure> {
        let shown = path.display();
        if SocketAddr::from_pathname(&path).is_err() {
            let text =
                format!("the path {shown} is longer than a socket's may be, so that no service can have one there");
            return Err(Failure::new(Failure::OTHER, text));
        }
        let stream = UnixStream::connect(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Failure::new(
                Failure::NO_SERVICE,
                format!("no service runs there, or it could not make its socket: {shown} is not there"),
            ),
            ErrorKind::ConnectionRefused => Failure::new(
                Failure::NO_SERVICE,
                format!("no service runs there: nobody listens at {shown}"),
            ),
            ErrorKind::PermissionDenied => Failure::new(
                Failure::OTHER,
                format!("you may not use {shown}; ask as the user that the service runs as, or as root"),
            ),
            _ => Failure::new(Failure::OTHER, format!("{shown} cannot be connected to: {error}")),
        })?;
        let client = Self {
            path,
            stream: BufReader::new(stream),
        };
        client.limit(Some(PATIENCE))?;
        Ok(client)
    }

    /// Asks, and answers the one line that comes back.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Value, Failure> {
        self.send(request)?;
        self.next()
    }

    /// Asks.
    pub(crate) fn send(&mut self, request: &Request) -> Result<(), Failure> {
        let sent = self.stream.get_mut().write_all(request.to_line().as_bytes());
        match sent {
            // Whoever is not let in, or finds no place, is told so before they ask.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(self.lost(&error)),
            _ => Ok(()),
        }
    }

    /// From now on, waits for the next line however long it takes.
    pub(crate) fn wait_forever(&self) -> Result<(), Failure> {
        self.limit(None)
    }

    /// The next line; an error that the service tells is one.
    pub(crate) fn next(&mut self) -> Result<Value, Failure> {
        let mut line = Vec::new();
        let read = (&mut self.stream).take(ANSWER_BYTES_MAX).read_until(b'\n', &mut line);
        read.map_err(|error| self.lost(&error))?;
        if line.last() != Some(&b'\n') {
            return Err(Failure::new(
                Failure::OTHER,
                "the service ended the connection without an answer",
            ));
        }
        let answer: Value = serde_json::from_slice(&line)
            .map_err(|error| Failure::new(Failure::OTHER, format!("the service's answer is no JSON: {error}")))?;
        match answer.get("answer").and_then(Value::as_str) {
            Some("error") => Err(refused(&answer)),
            Some(_) => Ok(answer),
            None => Err(Failure::new(Failure::OTHER, "what answered is no Legwork")),
        }
    }

    fn limit(&self, time: Option<Duration>) -> Result<(), Failure> {
        let stream = self.stream.get_ref();
        let limited = stream
            .set_read_timeout(time)
            .and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
        limited.map_err(|error| self.lost(&error))
    }

    fn lost(&self, error: &io::Error) -> Failure {
        let shown = self.path.display();
        let text = match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                format!("the service at {shown} does not answer within {} s", PATIENCE.as_secs())
            }
            _ => format!("the connection to {shown} was lost: {error}"),
        };
        Failure::new(Failure::OTHER, text)
    }
}

fn refused(answer: &Value) -> Failure {
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
    let code = match text("error") {
        "no_such_child" | "no_such_job" => Failure::NO_SUCH_ACTOR,
        "not_now" | "fault_injection_off" | "refused" => Failure::REFUSED,
        _ => Failure::OTHER,
    };
    let hint = match text("error") {
        "fault_injection_off" => "; `legwork serve --fault-injection` allows this",
        _ => "",
    };
    let detail = legwork::telemetry::harmless(text("detail"));
    Failure::new(code, format!("{detail}{hint}"))
}
