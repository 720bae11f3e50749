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
        let mut line = String::with_capacity(fields.text.len().saturating_add(HEAD_BYTES));
        line.push_str("{\"timestamp\":\"");
        SystemTime.format_time(&mut Writer::new(&mut line))?;
        line.push_str("\",\"level\":");
        quote(event.metadata().level().as_str(), &mut line);
        line.push_str(",\"target\":");
        quote(target, &mut line);
        line.push_str(",\"message\":");
        quote(fields.message.as_deref().unwrap_or_default(), &mut line);
        line.push_str(&fields.text);
        let mut outer: Vec<String> = Vec::new();
        for span in ctx.event_scope().into_iter().flatten() {
            let extensions = span.extensions();
            let formatted = extensions.get::<FormattedFields<N>>();
            // What is no object has no names, and is left out.
            let object = formatted.and_then(|fields| serde_json::from_str::<Value>(&fields.fields).ok());
            if let Some(Value::Object(of_span)) = object {
                for (name, value) in of_span {
                    if fields.has(&name) || outer.contains(&name) {
                        continue;
                    }
                    begin(&name, &mut line);
                    line.push_str(&value.to_string());
                    outer.push(name);
                }
            }
        }
        escape::write_json(&line, &mut writer)?;
        writer.write_str("}\n")
    }
}

/// Room for what is in each line beside its own fields.
const HEAD_BYTES: usize = 256;

/// The names that each line has.
const ALWAYS: [&str; 4] = ["timestamp", "level", "target", "message"];

/// Appends a name, and what is before and behind it.
fn begin(name: &str, out: &mut String) {
    out.push(',');
    quote(name, out);
    out.push(':');
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

/// The fields of one event: what is in each line, and the others as JSON, a comma before each.
#[derive(Default)]
struct Fields {
    message: Option<String>,
    /// Where a line of the `log` crate came from; its event has a target that says nothing.
    log_target: Option<String>,
    names: Vec<&'static str>,
    text: String,
}

impl Fields {
    fn has(&self, name: &str) -> bool {
        ALWAYS.contains(&name) || self.names.contains(&name)
    }

    /// Begins a field, unless it is none of a line, or there is one of that name.
    fn begin(&mut self, field: &Field) -> bool {
        let name = field.name();
        if name.starts_with("log.") || self.has(name) {
            return false;
        }
        self.names.push(name);
        begin(name, &mut self.text);
        true
    }

    fn take_text(&mut self, field: &Field, text: &str) {
        match field.name() {
            "message" => self.message = Some(text.to_owned()),
            "log.target" => self.log_target = Some(text.to_owned()),
            _ => {
                if self.begin(field) {
                    quote(text, &mut self.text);
                }
            }
        }
    }

    /// The same with a value that is JSON as it is shown.
    fn take_json(&mut self, field: &Field, value: impl fmt::Display) {
        if self.begin(field) {
            let written = write!(self.text, "{value}");
            debug_assert!(written.is_ok(), "writing to a String never fails");
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.take_text(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take_text(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take_json(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take_json(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take_json(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // What is no number is null.
        self.take_json(field, Value::from(value));
    }
}
