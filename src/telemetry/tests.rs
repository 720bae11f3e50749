//! The log as it is written.

use super::checked_log::Written;
use super::*;
use proptest::prelude::*;

fn logged(format: LogFormat, filter: &str, work: impl FnOnce()) -> String {
    logged_in(false, format, filter, work)
}

fn logged_in(colours: bool, format: LogFormat, filter: &str, work: impl FnOnce()) -> String {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = subscriber(format, filter, colours, move || writer.clone()).unwrap();
    // Another test's subscriber must not make this thread's lines unwanted.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    tracing::subscriber::with_default(subscriber, work);
    written.text()
}

#[test]
fn json_is_one_flat_object_a_line_with_the_fields_of_the_spans_it_is_in() {
    let text = logged(LogFormat::Json, "info", || {
        let outer = tracing::info_span!("request", request_id = "r1", status = 500);
        let none: Option<&str> = None;
        outer.in_scope(|| {
            let inner = tracing::info_span!("inside", is_here = true);
            let _entered = inner.enter();
            tracing::info!(
                event = names::event::REQUEST,
                status = 200,
                none,
                "answered\nin two lines"
            );
        });
    });
    assert_eq!(text.lines().count(), 1, "{text}");
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&line["level"], &line["event"], &line["status"]),
        (&"INFO".into(), &"request".into(), &200.into())
    );
    assert_eq!(line["message"], "answered\nin two lines");
    assert_eq!(
        (&line["request_id"], &line["is_here"]),
        (&"r1".into(), &true.into()),
        "spans' fields, and the event's own where both have one"
    );
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z') && line["target"].is_string());
    assert!(text.starts_with("{\"timestamp\":\"20"), "{text}");
    let object = line.as_object().unwrap();
    assert_eq!(object.len(), 8, "an absent field has no name: {text}");
    assert!(
        !object
            .values()
            .any(|value| value.is_object() || value.is_array() || value.is_null())
    );
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
    let text = chain(&Outer(TelemetryError::Filter(error.to_string())));
    assert!(
        text.starts_with("cannot send the mail: log.filter is not a level"),
        "{text}"
    );
    assert_eq!(text.matches(": ").count(), 2, "{text}");
}

#[test]
fn text_from_outside_cannot_forge_a_line_or_steer_a_terminal() {
    let evil = "x\nERROR forged event=\"panic\"\r\u{1b}[2J\u{9b}31m\u{2028}\u{202e}\u{61c}\u{85}\u{7f}y";
    for (format, colours) in [(LogFormat::Pretty, false), (LogFormat::Json, false)] {
        let text = logged_in(colours, format, "trace", || {
            let span = tracing::info_span!("request", request_id = evil, other = %evil);
            span.in_scope(|| tracing::info!(debug = ?evil, display = %evil, text = evil, "{evil}"));
        });
        assert!(text.ends_with('\n') && text.matches('\n').count() == 1, "{text:?}");
        let line = text.trim_end_matches('\n');
        assert!(!line.chars().any(escape::is_unsafe), "{line:?}");
        assert!(!line.contains(['\u{61c}', '\u{202e}']), "{line:?}");
        if format == LogFormat::Json {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            for name in ["message", "text", "display", "request_id", "other"] {
                assert_eq!(line[name], evil, "a reader gets back what was given");
            }
        }
    }
}

proptest! {
    #[test]
    fn any_text_stays_on_its_line_in_both_forms(text in "\\PC*|[\\x00-\\x1f\\x7f-\\x9f a\"]*", is_json in any::<bool>()) {
        let format = if is_json { LogFormat::Json } else { LogFormat::Pretty };
        let written = logged(format, "trace", || tracing::info!(display = %text, text = text.as_str(), "{text}"));
        prop_assert_eq!(written.matches(|char| char == '\n' || escape::is_unsafe(char)).count(), 1, "{:?}", written);
        if is_json {
            let line: serde_json::Value = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(line["text"].as_str(), Some(text.as_str()));
        }
    }
}

#[test]
fn a_terminal_gets_names_in_italics_and_nothing_else_of_its_language() {
    let text = logged_in(true, LogFormat::Pretty, "info", || {
        tracing::info!(actor = "mail\u{1b}[2Jer", "up");
    });
    assert!(
        text.contains("\u{1b}[3mactor\u{1b}[0m=\"mail\\u{1b}[2Jer\""),
        "{text:?}"
    );
}

#[test]
fn libraries_are_not_heard_below_info_whatever_the_filter_says() {
    for filter in ["trace", "debug,lettre=trace,actix_http=trace", "legwork_other=trace"] {
        let text = logged(LogFormat::Json, filter, || {
            tracing::debug!(target: "lettre::transport", "AUTH PLAIN abc");
            tracing::trace!(target: "actix_http::h1", "Authorization: Bearer abc");
            tracing::trace!(target: "legwork_other", "not ours either");
            tracing::info!(target: "actix_server::builder", "starting");
        });
        assert!(!text.contains("abc") && !text.contains("not ours"), "{filter}: {text}");
        assert_eq!(text.contains("starting"), filter != "legwork_other=trace");
    }
    let ours = logged(LogFormat::Json, "trace", || {
        tracing::trace!(target: "legwork", "one");
        tracing::trace!(target: "legwork::store", "two");
    });
    assert_eq!(ours.lines().count(), 2, "{ours}");
}
