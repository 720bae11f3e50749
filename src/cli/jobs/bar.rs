//! How far an order has come, as a line that is drawn anew on a terminal, and as lines now and then elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How wide the bar itself is, in characters.
const WIDTH: u64 = 30;

/// How often a line is written where nothing can be drawn anew.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// The line on standard error.
pub(super) struct Bar {
    is_drawn: bool,
    told_at: Option<Instant>,
}

impl Bar {
    /// Nothing is drawn yet.
    pub(super) fn new() -> Self {
        Self {
            is_drawn: io::stderr().is_terminal(),
            told_at: None,
        }
    }

    /// Shows how far the job is.
    pub(super) fn show(&mut self, job: &Value) {
        let line = line(job);
        if self.is_drawn {
            write(&format!("\r\u{1b}[K{line}"));
        } else if self.told_at.is_none_or(|told| told.elapsed() >= LINE_EVERY) {
            write(&format!("{line}\n"));
        } else {
            return;
        }
        self.told_at = Some(Instant::now());
    }

    /// Leaves the line as it is, and begins another.
    pub(super) fn end(&self) {
        if self.is_drawn && self.told_at.is_some() {
            write("\n");
        }
    }
}

/// A bar is worth no failure.
fn write(text: &str) {
    let mut out = io::stderr().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// How far the job is, in one line.
fn line(job: &Value) -> String {
    let progress = job.get("progress");
    let number = |name: &str| progress.and_then(|progress| progress.get(name)).and_then(Value::as_u64);
    let rate = progress
        .and_then(|progress| progress.get("rate_per_s"))
        .and_then(Value::as_f64);
    let done = number("done").unwrap_or(0);
    let mut parts = match number("total") {
        Some(total) if total > 0 => {
            let done = done.min(total);
            let filled = done * WIDTH / total;
            let bar: String = (0..WIDTH).map(|at| if at < filled { '#' } else { '.' }).collect();
            vec![format!("[{bar}] {done}/{total}"), format!("{} %", done * 100 / total)]
        }
        _ => vec![format!("{done} jobs")],
    };
    parts.extend(rate.map(|rate| format!("{rate:.0}/s")));
    parts.extend(number("remaining_s").map(|left| format!("{left} s left")));
    parts.join("  ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::line;

    #[test]
    fn a_line_says_how_far_of_how_many_and_how_fast() {
        let job =
            json!({ "progress": { "done": 50, "total": 200, "rate_per_s": 12.4, "remaining_s": 12, "note": null } });
        assert_eq!(
            line(&job),
            "[#######.......................] 50/200  25 %  12/s  12 s left"
        );
        assert_eq!(line(&json!({ "progress": { "done": 9, "total": null } })), "9 jobs");
        assert_eq!(line(&json!({ "progress": null })), "0 jobs");
        assert!(line(&json!({ "progress": { "done": 3, "total": 2 } })).contains("2/2  100 %"));
    }
}
