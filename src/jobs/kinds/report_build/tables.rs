//! The tables of which there are reports: how a page of each is read, and what its columns are.
//!
//! Guarantees: the columns, their names and their order stay; new ones are added at the end.

use std::io::{self, Write};

use crate::clock::Timestamp;
use crate::reports::{Cell, Page, Renderer};
use crate::store::reports::{JobLine, MailLine, RowPage, Span, job_page, mail_page};
use crate::store::{Connection, StoreError};

/// Keys that one read of jobs looks at: a few milliseconds, and about a megabyte of rows.
const JOBS_A_PAGE: usize = 2_000;

/// Keys that one read of mails looks at. Fewer, since each mail's arguments are parsed, bodies and all, and a row may name a
/// hundred recipients.
const MAILS_A_PAGE: usize = 500;

/// Rows of a table, to be written.
pub(super) struct Rows<R>(pub(super) Vec<R>);

/// A row of a table of which there are reports.
pub(super) trait Table: Sized + Send + 'static {
    /// The names of the columns.
    const COLUMNS: &'static [&'static str];

    /// The next rows of the span.
    fn page(connection: &mut Connection, span: &Span) -> Result<RowPage<Self>, StoreError>;

    /// When the row was accepted.
    fn accepted_at(&self) -> Timestamp;

    /// Writes the row.
    fn write_to<W: Write>(&self, out: &mut Renderer<W>) -> io::Result<()>;
}

impl<R: Table> Page for Rows<R> {
    const COLUMNS: &'static [&'static str] = R::COLUMNS;

    fn write_to<W: Write>(&self, out: &mut Renderer<W>) -> io::Result<()> {
        self.0.iter().try_for_each(|row| row.write_to(out))
    }
}

impl Table for JobLine {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "kind",
        "queue",
        "state",
        "priority",
        "attempt",
        "max_attempts",
        "timeout_ms",
        "run_at",
        "created_at",
        "started_at",
        "finished_at",
        "cancel_requested_at",
        "cause",
        "request_id",
    ];

    fn page(connection: &mut Connection, span: &Span) -> Result<RowPage<Self>, StoreError> {
        job_page(connection, span, JOBS_A_PAGE)
    }

    fn accepted_at(&self) -> Timestamp {
        Self::accepted_at(self)
    }

    fn write_to<W: Write>(&self, out: &mut Renderer<W>) -> io::Result<()> {
        out.row(&[
            Cell::Ours(&self.id),
            Cell::Ours(&self.kind),
            Cell::Ours(&self.queue),
            Cell::Ours(&self.state),
            Cell::Number(self.priority),
            Cell::Number(self.attempt),
            Cell::Number(self.max_attempts),
            Cell::Number(self.timeout_ms),
            time(self.run_at),
            time(self.created_at),
            optional_time(self.started_at),
            optional_time(self.finished_at),
            optional_time(self.cancel_requested_at),
            Cell::ours(self.cause.as_deref()),
            // A client may have named its request.
            Cell::text(self.request_id.as_deref()),
        ])
    }
}

impl Table for MailLine {
    const COLUMNS: &'static [&'static str] = &[
        "job_id",
        "state",
        "to",
        "subject",
        "template",
        "attempt",
        "max_attempts",
        "run_at",
        "created_at",
        "started_at",
        "finished_at",
        "cause",
        "message_id",
        "reply",
    ];

    fn page(connection: &mut Connection, span: &Span) -> Result<RowPage<Self>, StoreError> {
        mail_page(connection, span, MAILS_A_PAGE)
    }

    fn accepted_at(&self) -> Timestamp {
        Self::accepted_at(self)
    }

    fn write_to<W: Write>(&self, out: &mut Renderer<W>) -> io::Result<()> {
        out.row(&[
            Cell::Ours(&self.job),
            Cell::Ours(&self.state),
            Cell::List(&self.to),
            Cell::text(self.subject.as_deref()),
            Cell::text(self.template.as_deref()),
            Cell::Number(self.attempt),
            Cell::Number(self.max_attempts),
            time(self.run_at),
            time(self.created_at),
            optional_time(self.started_at),
            optional_time(self.finished_at),
            Cell::ours(self.cause.as_deref()),
            Cell::text(self.message_id.as_deref()),
            Cell::text(self.reply.as_deref()),
        ])
    }
}

fn time(micros: i64) -> Cell<'static> {
    Cell::Time(Timestamp::from_micros(micros))
}

fn optional_time(micros: Option<i64>) -> Cell<'static> {
    micros.map_or(Cell::Empty, time)
}
