//! What a report can be of, and how it can be written.

use super::named::named;

named! {
    /// What a report is of: rows that a workspace has.
    ReportTable {
        /// Its jobs, of every kind.
        Jobs = "jobs",
        /// The mails that it asked for.
        Mail = "mail",
    }
}

named! {
    /// How a report is written.
    ReportFormat {
        /// Comma-separated values (RFC 4180), the first line naming the columns.
        Csv = "csv",
        /// One JSON object a line.
        Jsonl = "jsonl",
    }
}
