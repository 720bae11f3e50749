//! Writing lines to stderr without a system call for each.
//!
//! Guarantees: lines are written whole and in their order. One of a warning or an error is written, with all before it, before
//! the code that logs it goes on; others within [`GATHER`], or once there are [`HELD_MAX`] bytes of them, by whoever logs the
//! next. What waits is written by [`LogWriter::flush`], which the end of the process calls: only a process that is killed loses
//! it.
//!
//! Left out: a reader of stderr that stands still holds up whoever logs, as it does without this.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long a line may wait for others: too short for a person to notice, and long enough that a busy service writes a hundred
/// lines at once.
const GATHER: Duration = Duration::from_millis(5);

/// The bytes of lines that may wait.
const HELD_MAX: usize = 256 * 1024;

/// Gathers lines and writes them; clones gather together.
#[derive(Clone)]
pub struct LogWriter {
    shared: Arc<Shared>,
}

struct Shared {
    held: Mutex<Held>,
    /// Told when lines come where none were, and of the end.
    some: Condvar,
    /// Held while writing, and taken before what is to be written is, so that lines stay in their order.
    out: Mutex<Box<dyn Write + Send>>,
}

#[derive(Default)]
struct Held {
    lines: Vec<u8>,
    has_ended: bool,
}

impl LogWriter {
    /// Starts the thread that writes what waits to `out`. It ends with [`LogWriter::end`].
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            held: Mutex::default(),
            some: Condvar::new(),
            out: Mutex::new(Box::new(out)),
        });
        let theirs = Arc::clone(&shared);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || theirs.work())?;
        Ok(Self { shared })
    }

    /// Writes what waits.
    pub fn flush(&self) {
        self.shared.flush();
    }

    /// Writes what waits, and ends the thread; later lines wait until they are many, or urgent.
    pub fn end(&self) {
        self.shared.held().has_ended = true;
        self.shared.some.notify_all();
        self.flush();
    }
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        loop {
            let mut held = self.held();
            while held.lines.is_empty() && !held.has_ended {
                held = self.some.wait(held).unwrap_or_else(PoisonError::into_inner);
            }
            let has_ended = held.has_ended;
            drop(held);
            if has_ended {
                return;
            }
            thread::sleep(GATHER);
            self.flush();
        }
    }

    fn flush(&self) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = std::mem::take(&mut self.held().lines);
        // There is no other place to say that the log cannot be written.
        if out.write_all(&lines).and_then(|()| out.flush()).is_err() {}
    }

    fn add(&self, line: &[u8]) -> usize {
        let mut held = self.held();
        let was_empty = held.lines.is_empty();
        held.lines.extend_from_slice(line);
        let waiting = held.lines.len();
        drop(held);
        if was_empty {
            self.some.notify_one();
        }
        waiting
    }
}

/// Where one line goes.
pub struct LineWriter<'a> {
    shared: &'a Shared,
    is_urgent: bool,
}

impl Write for LineWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let waiting = self.shared.add(line);
        if self.is_urgent || waiting >= HELD_MAX {
            self.shared.flush();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> LineWriter<'a> {
        LineWriter {
            shared: &self.shared,
            is_urgent: true,
        }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> LineWriter<'a> {
        LineWriter {
            shared: &self.shared,
            is_urgent: *metadata.level() <= Level::WARN,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Passes on what is written at once.
    struct Told(mpsc::Sender<String>);

    impl Write for Told {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if !bytes.is_empty() {
                self.0.send(String::from_utf8(bytes.to_vec()).unwrap()).unwrap();
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn started() -> (LogWriter, mpsc::Receiver<String>) {
        let (tell, told) = mpsc::channel();
        (LogWriter::start(Told(tell)).unwrap(), told)
    }

    fn line(writer: &LogWriter, text: &str, is_urgent: bool) {
        let shared = &writer.shared;
        LineWriter { shared, is_urgent }.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn a_line_is_written_a_moment_later_without_another() {
        let (writer, told) = started();
        line(&writer, "one\n", false);
        assert_eq!(told.recv_timeout(Duration::from_secs(10)).unwrap(), "one\n");
        writer.end();
    }

    #[test]
    fn an_urgent_line_is_written_before_its_code_goes_on_and_after_those_before_it() {
        let (writer, told) = started();
        // Without the thread, so that nothing else writes.
        writer.end();
        line(&writer, "one\n", false);
        assert!(told.try_recv().is_err());
        line(&writer, "two\n", true);
        assert_eq!(told.try_recv().unwrap(), "one\ntwo\n");
    }

    #[test]
    fn no_more_wait_than_may_and_the_end_writes_what_does() {
        let (writer, told) = started();
        writer.end();
        let long = "x".repeat(HELD_MAX / 2);
        line(&writer, &long, false);
        assert!(told.try_recv().is_err());
        line(&writer, &long, false);
        assert_eq!(told.try_recv().unwrap().len(), HELD_MAX);
        line(&writer, "last\n", false);
        writer.flush();
        assert_eq!(told.try_recv().unwrap(), "last\n");
    }
}
