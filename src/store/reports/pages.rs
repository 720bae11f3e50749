//! The rows that a report is made of, a page at a time.
//!
//! Guarantees: a read looks at no more rows than its limit, however few of them belong into the report, so that it is short
//! and holds up no checkpoint of the log. Pages follow the key (workspace, id): a row is on one page at most, and on one
//! exactly if it was there before the first page was read. What a row says is what it said when its page was read.
//!
//! Ids sort by the time at which they were made, so the bounds in time are bounds of the key too, with [`SLACK`] to either
//! side; within those each row's own time decides.

use std::time::Duration;

use crate::store::dialect::prelude::*;
use diesel::dsl::sql;
use diesel::sql_types::BigInt;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::domain::id::{JobId, WorkspaceId};
use crate::store::dialect::JsonText;
use crate::store::jobs::{JOINED_ARGS, SHOWN_RUN_AT};
use crate::store::schema::{job_args, jobs};
use crate::store::text::{number, time};
use crate::store::{Connection, StoreError};

/// How far the time in an id may be from that of its row. They are read a moment apart; but ids never go back, and so run
/// ahead while a clock that was set back catches up. A day is more than any daylight or time-zone mistake.
const SLACK: Duration = Duration::from_secs(24 * 3600);

/// The kind whose jobs are the mails that a workspace asked for.
const MAIL_KIND: &str = "email.send";

/// What is still to be read.
#[derive(Clone, Debug)]
pub struct Span {
    workspace: WorkspaceId,
    from: Timestamp,
    to: Timestamp,
    /// Behind this key.
    after: JobId,
    /// Up to this one.
    end: JobId,
}

impl Span {
    /// The rows of `workspace` that were accepted at or after `from`, if it is given, and before `to`.
    #[must_use]
    pub fn new(workspace: WorkspaceId, from: Option<Timestamp>, to: Timestamp) -> Self {
        Self {
            workspace,
            from: from.unwrap_or(Timestamp::from_micros(i64::MIN)),
            to,
            after: from.map_or(JobId::from_bits(0), |from| JobId::floor_at(from.minus(SLACK))),
            end: JobId::floor_at(to.plus(SLACK)),
        }
    }

    /// The same from behind this key on.
    #[must_use]
    pub fn behind(self, after: JobId) -> Self {
        Self { after, ..self }
    }
}

/// Some rows, and where the next ones begin.
#[derive(Debug)]
pub struct RowPage<T> {
    /// The rows, in the order of their keys.
    pub rows: Vec<T>,
    /// The key behind which the next page begins; none if this is the last one.
    pub next: Option<JobId>,
}

/// A job, as a report shows it. Times are microseconds since the epoch.
#[derive(Debug, Queryable)]
pub struct JobLine {
    /// Its id.
    pub id: String,
    /// What sort of work.
    pub kind: String,
    /// Its lane.
    pub queue: String,
    /// Where it is.
    pub state: String,
    /// Its priority.
    pub priority: i64,
    /// Attempts spent.
    pub attempt: i64,
    /// Attempts it may spend.
    pub max_attempts: i64,
    /// How long one attempt may run, in milliseconds.
    pub timeout_ms: i64,
    /// From when it may run.
    pub run_at: i64,
    /// When it was accepted.
    pub created_at: i64,
    /// When its latest attempt began.
    pub started_at: Option<i64>,
    /// When it ended.
    pub finished_at: Option<i64>,
    /// When a cancel was asked for.
    pub cancel_requested_at: Option<i64>,
    /// Why it ended, where the state alone does not say it.
    pub cause: Option<String>,
    /// The request that caused it.
    pub request_id: Option<String>,
}

/// A mail, as a report shows it. Times are microseconds since the epoch.
#[derive(Debug)]
pub struct MailLine {
    /// Its job.
    pub job: String,
    /// Where the job is.
    pub state: String,
    /// The recipients, those of copies too.
    pub to: Vec<String>,
    /// The subject, unless it is by a built-in template.
    pub subject: Option<String>,
    /// The template, if it is by one.
    pub template: Option<String>,
    /// Attempts spent.
    pub attempt: i64,
    /// Attempts it may spend.
    pub max_attempts: i64,
    /// From when it may be sent.
    pub run_at: i64,
    /// When it was accepted.
    pub created_at: i64,
    /// When its latest attempt began.
    pub started_at: Option<i64>,
    /// When it ended.
    pub finished_at: Option<i64>,
    /// Why it ended, where the state alone does not say it.
    pub cause: Option<String>,
    /// Its `Message-ID`, once it was handed over.
    pub message_id: Option<String>,
    /// What the server said to it then.
    pub reply: Option<String>,
}

/// A page of jobs: those among the next `limit` keys that belong into the span.
///
/// # Errors
/// When a statement fails.
pub fn job_page(connection: &mut Connection, span: &Span, limit: usize) -> Result<RowPage<JobLine>, StoreError> {
    page(connection, span, limit, |connection, last| {
        jobs::table
            .filter(jobs::workspace_id.eq(span.workspace.to_string()))
            .filter(jobs::id.gt(span.after.to_string()))
            .filter(jobs::id.le(last))
            .filter(jobs::created_at.ge(span.from.as_micros()))
            .filter(jobs::created_at.lt(span.to.as_micros()))
            .order(jobs::id.asc())
            .select((
                jobs::id,
                jobs::kind,
                jobs::queue,
                jobs::state,
                jobs::priority,
                jobs::attempt,
                jobs::max_attempts,
                jobs::timeout_ms,
                sql::<BigInt>(SHOWN_RUN_AT),
                jobs::created_at,
                jobs::started_at,
                jobs::finished_at,
                jobs::cancel_requested_at,
                jobs::cause,
                jobs::request_id,
            ))
            .load(connection)
    })
}

#[derive(Queryable)]
struct MailRow {
    job: String,
    state: String,
    attempt: i64,
    max_attempts: i64,
    run_at: i64,
    created_at: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    cause: Option<String>,
    to: Option<String>,
    cc: Option<String>,
    bcc: Option<String>,
    subject: Option<String>,
    template: Option<String>,
    made_by: Option<String>,
    message_id: Option<String>,
    reply: Option<String>,
}

impl From<MailRow> for MailLine {
    fn from(row: MailRow) -> Self {
        Self {
            job: row.job,
            state: row.state,
            to: [row.to, row.cc, row.bcc].into_iter().flat_map(addresses).collect(),
            subject: row.subject,
            // A built-in one, or the workspace's own.
            template: row.template.or(row.made_by),
            attempt: row.attempt,
            max_attempts: row.max_attempts,
            run_at: row.run_at,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            cause: row.cause,
            message_id: row.message_id,
            reply: row.reply,
        }
    }
}

/// The addresses in a list of them, each with a name or without one. Arguments that were redacted name nobody.
fn addresses(list: Option<String>) -> Vec<String> {
    let list: Option<Vec<Value>> = list.and_then(|list| serde_json::from_str(&list).ok());
    let address = |one: Value| match one {
        Value::String(address) => Some(address),
        Value::Object(mut named) => named.remove("email").and_then(|email| Some(email.as_str()?.to_owned())),
        _ => None,
    };
    list.unwrap_or_default().into_iter().filter_map(address).collect()
}

/// A page of mails: those among the next `limit` keys that are mails and belong into the span. Their bodies stay in the
/// database.
///
/// # Errors
/// When a statement fails.
pub fn mail_page(connection: &mut Connection, span: &Span, limit: usize) -> Result<RowPage<MailLine>, StoreError> {
    let found = page(connection, span, limit, |connection, last| {
        jobs::table
            .left_join(job_args::table.on(job_args::job_id.eq(jobs::id)))
            .filter(jobs::workspace_id.eq(span.workspace.to_string()))
            .filter(jobs::id.gt(span.after.to_string()))
            .filter(jobs::id.le(last))
            .filter(jobs::kind.eq(MAIL_KIND))
            .filter(jobs::created_at.ge(span.from.as_micros()))
            .filter(jobs::created_at.lt(span.to.as_micros()))
            .order(jobs::id.asc())
            .select((
                jobs::id,
                jobs::state,
                jobs::attempt,
                jobs::max_attempts,
                sql::<BigInt>(SHOWN_RUN_AT),
                jobs::created_at,
                jobs::started_at,
                jobs::finished_at,
                jobs::cause,
                JsonText {
                    column: JOINED_ARGS,
                    path: &["to"],
                },
                JsonText {
                    column: JOINED_ARGS,
                    path: &["cc"],
                },
                JsonText {
                    column: JOINED_ARGS,
                    path: &["bcc"],
                },
                JsonText {
                    column: JOINED_ARGS,
                    path: &["body", "written", "subject"],
                },
                JsonText {
                    column: JOINED_ARGS,
                    path: &["body", "template", "name"],
                },
                JsonText {
                    column: JOINED_ARGS,
                    path: &["made_by", "template", "name"],
                },
                JsonText {
                    column: "jobs.result",
                    path: &["message_id"],
                },
                JsonText {
                    column: "jobs.result",
                    path: &["reply"],
                },
            ))
            .load::<MailRow>(connection)
    })?;
    Ok(RowPage {
        rows: found.rows.into_iter().map(MailLine::from).collect(),
        next: found.next,
    })
}

/// The rows that `load` finds up to the last of the next `limit` keys. That key is found in the index alone.
fn page<T>(
    connection: &mut Connection,
    span: &Span,
    limit: usize,
    load: impl FnOnce(&mut Connection, String) -> QueryResult<Vec<T>>,
) -> Result<RowPage<T>, StoreError> {
    // Of one moment, so that no more rows are found than keys were counted.
    connection.transaction(|connection| {
        let last: Option<String> = jobs::table
            .filter(jobs::workspace_id.eq(span.workspace.to_string()))
            .filter(jobs::id.gt(span.after.to_string()))
            .filter(jobs::id.lt(span.end.to_string()))
            .order(jobs::id.asc())
            .offset(number(limit.saturating_sub(1)))
            .limit(1)
            .select(jobs::id)
            .get_result(connection)
            .optional()?;
        let next = last
            .as_deref()
            .map(|id| crate::store::text::parsed(id, "jobs", "id"))
            .transpose()?;
        let rows = load(connection, last.unwrap_or_else(|| span.end.to_string()))?;
        Ok(RowPage { rows, next })
    })
}

impl JobLine {
    /// When it was accepted.
    #[must_use]
    pub fn accepted_at(&self) -> Timestamp {
        time(self.created_at)
    }
}

impl MailLine {
    /// When it was accepted.
    #[must_use]
    pub fn accepted_at(&self) -> Timestamp {
        time(self.created_at)
    }
}
