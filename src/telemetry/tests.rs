//! The log as it is written.

use super::*;
use std::sync::{Arc, Mutex, PoisonError};

/// A writer whose text a test can read.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn text(&self) -> String {
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

fn logged(format: LogFormat, filter: &str, work: impl FnOnce()) -> String {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = subscriber(format, filter, false, move || writer.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, work);
    written.text()
}

#[test]
fn json_is_one_flat_object_a_line_with_the_spans_it_is_in() {
    let text = logged(LogFormat::Json, "info", || {
        let span = tracing::info_span!("request", request_id = "r1");
        span.in_scope(|| tracing::info!(event = names::event::REQUEST, status = 200, "answered\nin two lines"));
    });
    assert_eq!(text.lines().count(), 1, "{text}");
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&line["level"], &line["event"], &line["status"]),
        (&"INFO".into(), &"request".into(), &200.into())
    );
    assert_eq!(line["message"], "answered\nin two lines");
    assert_eq!(line["spans"][0]["request_id"], "r1");
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z') && line["target"].is_string());
}

#[test]
fn pretty_is_one_line_with_level_message_and_fields() {
    let text = logged(LogFormat::Pretty, "info", || {
        tracing::warn!(event = "stuck", actor = "mailer", "no progress");
    });
    assert!(
        text.contains(" WARN ") && text.contains("no progress event=\"stuck\" actor=\"mailer\"\n"),
        "{text}"
    );
}

#[test]
fn the_filter_decides_what_is_logged_and_a_garbled_one_is_refused() {
    let text = logged(LogFormat::Pretty, "warn", || {
        tracing::info!("quiet");
    });
    assert_eq!(text, "");
    assert!(subscriber(LogFormat::Json, "info,=,=", false, io::sink).is_err());
}

#[test]
fn a_panic_is_logged_once_with_its_place() {
    let text = logged(LogFormat::Json, "info", || {
        let standard = std::panic::take_hook();
        std::panic::set_hook(Box::new(panic::log_panic));
        let outcome = std::panic::catch_unwind(|| panic!("on purpose"));
        std::panic::set_hook(standard);
        assert!(outcome.is_err());
    });
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&line["event"], &line["error"]),
        (&"panic".into(), &"on purpose".into())
    );
    assert!(line["location"].as_str().unwrap().contains("telemetry/tests.rs:"));
}

#[test]
fn a_chain_joins_the_causes_in_order() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot send the mail")]
    struct Outer(#[source] TelemetryError);
    let error = EnvFilter::builder().parse("=,=").unwrap_err();
    let text = chain(&Outer(TelemetryError::Filter(error)));
    assert!(
        text.starts_with("cannot send the mail: log.filter is not a level"),
        "{text}"
    );
    assert_eq!(text.matches(": ").count(), 2, "{text}");
}
