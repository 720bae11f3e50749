//! Reading events on from a place.
//!
//! Guarantees: a page begins with the first change behind its cursor that is followed, and the cursor that it answers is
//! behind all that it looked at; what a page costs is bounded by [`ROWS_MAX`] rows. Changes that a newer version wrote in a way
//! that this one cannot read, such as of a state that it does not know, are passed over.

use super::change::Change;
use super::cursor::Cursor;
use crate::domain::id::{JobId, WorkspaceId};
use crate::store::dialect::prelude::*;
use crate::store::dialect::{AtOrBehind, Complete};
use crate::store::schema::events;
use crate::store::{Connection, StoreError};
use diesel::TextExpressionMethods as _;
use serde_json::Value;

/// Rows that one page looks at: at most a megabyte of text.
const ROWS_MAX: i64 = 16;

/// Whose changes are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    /// Those of one job, which belongs to this workspace.
    Job(JobId, WorkspaceId),
    /// Those of a workspace's jobs.
    Workspace(WorkspaceId),
    /// Everybody's.
    All,
}

/// Changes in their order, each with the place behind it.
#[derive(Clone, Debug)]
pub struct Page {
    /// The changes.
    pub changes: Vec<(Cursor, Change)>,
    /// Where the next page begins.
    pub next: Cursor,
    /// Whether nothing more is there for now.
    pub is_last: bool,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = events)]
struct EventRow {
    tx: i64,
    seq: i64,
    changes: String,
}

/// The place behind all events that are complete.
///
/// # Errors
/// When the statement fails.
pub fn end(connection: &mut Connection) -> Result<Cursor, StoreError> {
    let last: Option<(i64, i64)> = events::table
        .filter(Complete)
        .order((events::tx.desc(), events::seq.desc()))
        .select((events::tx, events::seq))
        .first(connection)
        .optional()?;
    Ok(last.map_or(Cursor::START, |(tx, seq)| Cursor::behind(tx, seq)))
}

/// Whether everything behind `cursor` is still there: not if it was cleared away, or the cursor is of another database.
///
/// # Errors
/// When a statement fails.
pub fn is_kept(connection: &mut Connection, cursor: Cursor) -> Result<bool, StoreError> {
    if cursor == Cursor::START {
        // The first row ever written is there, or none ever was.
        let first: Option<i64> = events::table.select(diesel::dsl::min(events::seq)).first(connection)?;
        return Ok(first.is_none_or(|seq| seq == 1));
    }
    // Rows are cleared away in their order, so that where one is, those behind it are too.
    let found: Option<i64> = events::table
        .filter(events::seq.eq(cursor.seq))
        .filter(events::tx.eq(cursor.tx))
        .filter(Complete)
        .select(events::seq)
        .first(connection)
        .optional()?;
    Ok(found.is_some())
}

/// The changes behind `cursor`.
///
/// # Errors
/// When a statement fails, or a row cannot be read.
pub fn after(connection: &mut Connection, followed: Followed, cursor: Cursor) -> Result<Page, StoreError> {
    // Before the rows, so that none can appear between what was looked at and where the next page begins.
    let end = end(connection)?;
    if end <= cursor {
        return Ok(Page {
            changes: Vec::new(),
            next: cursor,
            is_last: true,
        });
    }
    let rows = rows(connection, followed, cursor)?;
    let is_last = i64::try_from(rows.len()).unwrap_or(i64::MAX) < ROWS_MAX;
    let looked_at = rows.last().map(|row| Cursor::behind(row.tx, row.seq));
    let next = match looked_at {
        Some(looked_at) if is_last => looked_at.max(end),
        Some(looked_at) => looked_at,
        None => end,
    };
    let mut changes = Vec::new();
    for row in &rows {
        for (read, change) in readable(&row.changes)? {
            let place = Cursor {
                tx: row.tx,
                seq: row.seq,
                read,
            };
            let is_followed = match followed {
                Followed::Job(job, _) => change.job == job,
                Followed::Workspace(_) | Followed::All => true,
            };
            if place > cursor && is_followed {
                changes.push((place, change));
            }
        }
    }
    Ok(Page { changes, next, is_last })
}

/// The changes of a row that can be read, each with its number in it.
fn readable(changes: &str) -> Result<Vec<(u32, Change)>, StoreError> {
    if let Ok(all) = serde_json::from_str::<Vec<Change>>(changes) {
        return Ok((1..).zip(all).collect());
    }
    let all: Vec<Value> = serde_json::from_str(changes).map_err(|_unreadable| StoreError::Corrupt {
        table: "events",
        what: "changes",
    })?;
    let each = (1..).zip(all);
    Ok(each
        .filter_map(|(read, change)| Some((read, serde_json::from_value(change).ok()?)))
        .collect())
}

fn rows(connection: &mut Connection, followed: Followed, cursor: Cursor) -> Result<Vec<EventRow>, StoreError> {
    let behind = AtOrBehind {
        tx: cursor.tx,
        seq: cursor.seq,
    };
    let all = events::table
        .filter(Complete)
        .filter(behind)
        .order((events::tx.asc(), events::seq.asc()))
        .limit(ROWS_MAX)
        .select(EventRow::columns());
    Ok(match followed {
        Followed::All => all.load(connection)?,
        Followed::Workspace(workspace) => all
            .filter(events::workspace_id.eq(workspace.to_string()))
            .load(connection)?,
        Followed::Job(job, workspace) => all
            .filter(events::workspace_id.eq(workspace.to_string()))
            // The database looks through texts faster than rows could be read and taken apart here.
            .filter(events::changes.like(format!("%{}%", job.as_uuid().simple())))
            .load(connection)?,
    })
}
