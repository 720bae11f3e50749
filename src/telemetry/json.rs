//! A line for programs: one flat JSON object.
//!
//! Guarantees: `timestamp` (RFC 3339 in UTC), `level`, `target` and `message` come first and are always there; then the
//! event's own fields, then those of the spans it is in, innermost first, that the event does not have itself; no name comes
//! twice, and nothing is nested. Values are strings, numbers or booleans.

use std::fmt::{self, Debug, Write as _};

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::escape;

/// Formats events so; the fields of spans must be formatted as JSON (`JsonFields`).
pub(super) struct FlatJson;

impl<S, N> FormatEvent<S, N> for FlatJson
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let target = fields.log_target.as_deref().unwrap_or(event.metadata().target());
        let mut line = Line::default();
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        line.put_text("timestamp", &time);
        line.put_text("level", event.metadata().level().as_str());
        line.put_text("target", target);
        line.put_text("message", fields.message.as_deref().unwrap_or_default());
        for (name, value) in &fields.others {
            match value {
                Plain::Text(text) => line.put_text(name, text),
                Plain::Json(json) => line.put_json(name, json),
            }
        }
        for span in ctx.event_scope().into_iter().flatten() {
            let extensions = span.extensions();
            let formatted = extensions.get::<FormattedFields<N>>();
            // What is no object has no names, and is left out.
            let object = formatted.and_then(|fields| serde_json::from_str::<Value>(&fields.fields).ok());
            if let Some(Value::Object(fields)) = object {
                for (name, value) in fields {
                    line.put_json(&name, &value.to_string());
                }
            }
        }
        escape::write_json(&line.text, &mut writer)?;
        writer.write_str("}\n")
    }
}

/// An object that is being written, without its closing brace.
#[derive(Default)]
struct Line {
    text: String,
    names: Vec<String>,
}

impl Line {
    /// Adds a field, unless there is one of that name.
    fn put_text(&mut self, name: &str, value: &str) {
        if self.begin(name) {
            quote(value, &mut self.text);
        }
    }

    /// The same with a value that is JSON already.
    fn put_json(&mut self, name: &str, value: &str) {
        if self.begin(name) {
            self.text.push_str(value);
        }
    }

    fn begin(&mut self, name: &str) -> bool {
        if self.names.iter().any(|known| known == name) {
            return false;
        }
        self.text.push(if self.names.is_empty() { '{' } else { ',' });
        quote(name, &mut self.text);
        self.text.push(':');
        self.names.push(name.to_owned());
        true
    }
}

/// Appends a text as JSON. Nearly all of them need no escape, and then nothing but a copy.
fn quote(text: &str, out: &mut String) {
    if text
        .bytes()
        .all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\')
    {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        let written = write!(out, "{}", Value::from(text));
        debug_assert!(written.is_ok(), "writing to a String never fails");
    }
}

/// A value, as far as it is written.
enum Plain {
    /// A text, to be quoted.
    Text(String),
    /// A number or a truth value.
    Json(String),
}

/// The fields of one event.
#[derive(Default)]
struct Fields {
    message: Option<String>,
    /// Where a line of the `log` crate came from; its event has a target that says nothing.
    log_target: Option<String>,
    others: Vec<(&'static str, Plain)>,
}

impl Fields {
    fn take(&mut self, field: &Field, value: Plain) {
        match (field.name(), value) {
            ("message", Plain::Text(text)) => self.message = Some(text),
            ("log.target", Plain::Text(text)) => self.log_target = Some(text),
            (name, _) if name.starts_with("log.") => {}
            (name, value) => self.others.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.take(field, Plain::Text(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, Plain::Text(value.to_owned()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, Plain::Json(value.to_string()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, Plain::Json(value.to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, Plain::Json(value.to_string()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // What is no number is null.
        self.take(field, Plain::Json(Value::from(value).to_string()));
    }
}
