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
        let mut line = Line::default();
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        line.put("timestamp", &time.into());
        line.put("level", &event.metadata().level().as_str().into());
        let mut fields = Fields::default();
        event.record(&mut fields);
        let target = fields.log_target.as_deref().unwrap_or(event.metadata().target());
        line.put("target", &target.into());
        line.put("message", &fields.message.unwrap_or_default().into());
        for (name, value) in fields.others {
            line.put(name, &value);
        }
        for span in ctx.event_scope().into_iter().flatten() {
            let extensions = span.extensions();
            let formatted = extensions.get::<FormattedFields<N>>();
            // What is no object has no names, and is left out.
            let object = formatted.and_then(|fields| serde_json::from_str::<Value>(&fields.fields).ok());
            if let Some(Value::Object(fields)) = object {
                for (name, value) in fields {
                    line.put(&name, &value);
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
    fn put(&mut self, name: &str, value: &Value) {
        if self.names.iter().any(|known| known == name) {
            return;
        }
        self.text.push(if self.names.is_empty() { '{' } else { ',' });
        // A `Value` is written as JSON by its `Display`, and a text as one is quoted and escaped.
        let written = write!(self.text, "{}:{value}", Value::from(name));
        debug_assert!(written.is_ok(), "writing to a String never fails");
        self.names.push(name.to_owned());
    }
}

/// The fields of one event.
#[derive(Default)]
struct Fields {
    message: Option<String>,
    /// Where a line of the `log` crate came from; its event has a target that says nothing.
    log_target: Option<String>,
    others: Vec<(&'static str, Value)>,
}

impl Fields {
    fn take(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = Some(text),
            ("log.target", Value::String(text)) => self.log_target = Some(text),
            (name, _) if name.starts_with("log.") => {}
            (name, value) => self.others.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.take(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.take(field, value.into());
    }
}
