//! A line for people: time, level, message, then `name=value` for each field.
//!
//! Guarantees: one line an event, whatever text is in its fields or its message.

use std::fmt::{self, Debug, Write as _};

use tracing::field::Field;
use tracing_subscriber::fmt::format::Writer;

use super::escape::Escaping;

/// Writes one field. Names are in italics on a terminal that shows colours.
pub(super) fn field(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    match field.name() {
        // The place of a line of the `log` crate, which its target says already.
        name if name.starts_with("log.") => return Ok(()),
        "message" => {}
        name if writer.has_ansi_escapes() => write!(writer, "\u{1b}[3m{name}\u{1b}[0m=")?,
        name => write!(writer, "{name}=")?,
    }
    write!(Escaping(writer), "{value:?}")
}
