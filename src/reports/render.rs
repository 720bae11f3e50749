//! Rows as text: CSV as RFC 4180 says it, or one JSON object a line.
//!
//! Guarantees: the columns stand in the order that was given, in both forms under the same names; what a row says is
//! escaped, so that a reader gets it back exactly, but for the apostrophes of the guard; nothing is kept of a row that was
//! written.

use std::io::{self, BufWriter, Write};

use csv::{Terminator, WriterBuilder};

use super::cell::{Cell, push_guarded};
use super::times::{Times, show_number};
use crate::domain::report::ReportFormat;

/// Bytes that are gathered before they are written: beyond this, a larger buffer saves nothing that can be measured.
const BUFFER_BYTES: usize = 64 * 1024;

/// What stands between the members of a list in one field. A mail address may hold a comma in quotes, as a field may.
const BETWEEN: &str = "; ";

/// Writes rows into `W`.
pub struct Renderer<W: Write> {
    form: Form<W>,
    columns: &'static [&'static str],
    rows: u64,
    times: Times,
    scratch: String,
}

enum Form<W: Write> {
    // Boxed: it is ten times as large as the other.
    Csv {
        writer: Box<csv::Writer<W>>,
        is_guarded: bool,
    },
    Jsonl(BufWriter<W>),
}

impl<W: Write> Renderer<W> {
    /// Writes rows of these columns into `out`; CSV begins with their names. `is_guarded` is for CSV alone: nothing takes
    /// JSON for a formula.
    ///
    /// # Errors
    /// What `out` answers.
    pub fn new(out: W, format: ReportFormat, is_guarded: bool, columns: &'static [&'static str]) -> io::Result<Self> {
        let form = match format {
            ReportFormat::Csv => {
                let mut writer = WriterBuilder::new()
                    .terminator(Terminator::CRLF)
                    .buffer_capacity(BUFFER_BYTES)
                    .from_writer(out);
                writer.write_record(columns)?;
                Form::Csv {
                    writer: Box::new(writer),
                    is_guarded,
                }
            }
            ReportFormat::Jsonl => Form::Jsonl(BufWriter::with_capacity(BUFFER_BYTES, out)),
        };
        Ok(Self {
            form,
            columns,
            rows: 0,
            times: Times::default(),
            scratch: String::new(),
        })
    }

    /// Writes one row: a cell for each column, in their order.
    ///
    /// # Errors
    /// What `W` answers; or that there is not one cell for each column.
    pub fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        if cells.len() != self.columns.len() {
            return Err(io::Error::other("a row has other columns than its report"));
        }
        let (times, scratch) = (&mut self.times, &mut self.scratch);
        match &mut self.form {
            Form::Csv { writer, is_guarded } => csv_row(writer, *is_guarded, cells, times, scratch)?,
            Form::Jsonl(out) => json_row(out, self.columns, cells, times)?,
        }
        self.rows += 1;
        Ok(())
    }

    /// Rows written so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// What is written into; a part of what was written may not have reached it yet.
    #[must_use]
    pub fn get_ref(&self) -> &W {
        match &self.form {
            Form::Csv { writer, .. } => writer.get_ref(),
            Form::Jsonl(out) => out.get_ref(),
        }
    }

    /// Ends the writing: all of it has reached `W`.
    ///
    /// # Errors
    /// What `W` answers.
    pub fn finish(self) -> io::Result<W> {
        match self.form {
            Form::Csv { writer, .. } => writer.into_inner().map_err(csv::IntoInnerError::into_error),
            Form::Jsonl(out) => out.into_inner().map_err(io::IntoInnerError::into_error),
        }
    }
}

fn csv_row<W: Write>(
    writer: &mut csv::Writer<W>,
    is_guarded: bool,
    cells: &[Cell<'_>],
    times: &mut Times,
    scratch: &mut String,
) -> io::Result<()> {
    for cell in cells {
        match *cell {
            Cell::Empty => writer.write_field("")?,
            Cell::Ours(text) => writer.write_field(text)?,
            Cell::Number(number) => writer.write_field(show_number(number, scratch))?,
            Cell::Time(at) => writer.write_field(times.show(at))?,
            Cell::Text(text) if is_guarded => {
                scratch.clear();
                push_guarded(text, scratch);
                writer.write_field(&*scratch)?;
            }
            Cell::Text(text) => writer.write_field(text)?,
            Cell::List(texts) => {
                scratch.clear();
                for (index, text) in texts.iter().enumerate() {
                    scratch.push_str(if index == 0 { "" } else { BETWEEN });
                    if is_guarded {
                        push_guarded(text, scratch);
                    } else {
                        scratch.push_str(text);
                    }
                }
                writer.write_field(&*scratch)?;
            }
        }
    }
    // Ends the record.
    writer.write_record(None::<&[u8]>)?;
    Ok(())
}

fn json_row<W: Write>(
    out: &mut BufWriter<W>,
    columns: &[&'static str],
    cells: &[Cell<'_>],
    times: &mut Times,
) -> io::Result<()> {
    for (index, (column, cell)) in columns.iter().zip(cells).enumerate() {
        out.write_all(if index == 0 { b"{\"" } else { b",\"" })?;
        out.write_all(column.as_bytes())?;
        out.write_all(b"\":")?;
        match *cell {
            Cell::Empty => out.write_all(b"null")?,
            Cell::Ours(text) | Cell::Text(text) => serde_json::to_writer(&mut *out, text)?,
            Cell::List(texts) => serde_json::to_writer(&mut *out, texts)?,
            Cell::Number(number) => write!(out, "{number}")?,
            Cell::Time(at) => write!(out, "\"{}\"", times.show(at))?,
        }
    }
    out.write_all(b"}\n")
}
