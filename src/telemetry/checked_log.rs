//! The log of a test: what is written on its thread, down to trace, checked when the test ends.
//!
//! Guarantees: a line that does not keep to `docs/LOG.md`, or holds an address or a secret, fails the test, whatever the test
//! is about. Left out: what other threads write; the tests of the whole service see that.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tracing::Dispatch;
use tracing::subscriber::{DefaultGuard, NoSubscriber};

use super::leaks::leaks;
use super::log_table::LogTable;
use super::{LogFormat, subscriber};

/// A writer whose text a test can read.
#[derive(Clone, Default)]
pub(crate) struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    /// All that was written so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap()
    }
}

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The log of this thread for as long as this lives.
pub(crate) struct CheckedLog {
    written: Written,
    _here: DefaultGuard,
    /// While a process has one subscriber only, a line that is first written on a thread without it is switched off for all
    /// threads. With a second one, which wants nothing, that does not happen to lines that other tests write meanwhile.
    _second: Dispatch,
}

impl CheckedLog {
    /// Begins to keep what this thread logs.
    pub(crate) fn begin() -> Self {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = subscriber(LogFormat::Json, "trace", false, move || writer.clone()).unwrap();
        let second = Dispatch::new(NoSubscriber::default());
        Self {
            written,
            _here: tracing::subscriber::set_default(subscriber),
            _second: second,
        }
    }

    /// The lines of level info and above so far.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = self.written.text();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .filter(|line| !matches!(line["level"].as_str(), Some("DEBUG" | "TRACE")))
            .collect()
    }
}

impl Drop for CheckedLog {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let table = LogTable::read();
        for line in self.written.text().lines() {
            let mut wrong = table.objections(line);
            wrong.extend(leaks(line).into_iter().map(|leak| format!("it holds {leak}")));
            assert!(wrong.is_empty(), "{}: {line}", wrong.join("; "));
        }
    }
}
