//! What a transaction brings about beside its rows: queues to wake, changes of jobs to tell of, and lines for the log.
//!
//! Guarantees: a row of events holds at most [`ROW_BYTES`] and one change more; changes of a job stand in the order in which
//! they were made.

use std::collections::HashMap;

use super::change::Written;
use crate::clock::Timestamp;
use crate::domain::id::{JobId, WorkspaceId};
use crate::domain::job::{JobState, Queue};
use crate::store::Connection;
use crate::store::dialect::{InsertMany, Value};
use crate::store::security::Noted;

/// The text beyond which a row is full: some 600 changes, so that reading one row stays quick.
const ROW_BYTES: usize = 64 * 1024;

/// What the hub needs to know of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Told {
    pub(in crate::store) workspace: WorkspaceId,
    pub(in crate::store) job: JobId,
    pub(in crate::store) state: JobState,
}

/// A row that is being filled.
#[derive(Debug)]
struct Row {
    workspace: WorkspaceId,
    at: Timestamp,
    /// The changes, with commas between and the first bracket before.
    text: String,
}

/// What a transaction has brought about so far.
#[derive(Debug, Default)]
pub(in crate::store) struct Effects {
    available: Vec<Queue>,
    rows: Vec<Row>,
    /// The row of each workspace that is not full.
    open: HashMap<WorkspaceId, usize>,
    told: Vec<Told>,
    noted: Vec<Noted>,
}

impl Effects {
    /// Something was written into the security log.
    pub(in crate::store) fn note(&mut self, noted: Noted) {
        self.noted.push(noted);
    }

    /// What was written into the security log, for the other log, once it is committed.
    pub(in crate::store) fn noted(&self) -> &[Noted] {
        &self.noted
    }

    /// A job became available in `queue`.
    pub(in crate::store) fn became_available(&mut self, queue: Queue) {
        // Most transactions are of one queue.
        if self.available.last() != Some(&queue) {
            self.available.push(queue);
        }
    }

    /// A job of `workspace` changed.
    pub(in crate::store) fn changed(&mut self, workspace: WorkspaceId, change: &Written<'_>) {
        self.told.push(Told {
            workspace,
            job: change.job,
            state: change.state,
        });
        let row = self.row_of(workspace, change.at);
        change.append_to(&mut row.text);
        row.text.push(',');
    }

    /// Takes over what a part of the transaction brought about.
    pub(in crate::store) fn append(&mut self, part: Self) {
        for queue in part.available {
            self.became_available(queue);
        }
        self.told.extend(part.told);
        self.noted.extend(part.noted);
        for row in part.rows {
            let open = self.row_of(row.workspace, row.at);
            // Without its bracket, which the open row has.
            open.text.push_str(row.text.get(1..).unwrap_or_default());
        }
    }

    fn row_of(&mut self, workspace: WorkspaceId, at: Timestamp) -> &mut Row {
        let rows = &mut self.rows;
        let is_full = |index: &usize| rows.get(*index).is_none_or(|row| row.text.len() >= ROW_BYTES);
        let index = match self.open.get(&workspace).copied().filter(|index| !is_full(index)) {
            Some(index) => index,
            None => {
                rows.push(Row {
                    workspace,
                    at,
                    text: "[".to_owned(),
                });
                let index = rows.len() - 1;
                self.open.insert(workspace, index);
                index
            }
        };
        #[expect(
            clippy::indexing_slicing,
            reason = "the index is that of a row that was just found or pushed"
        )]
        let row = &mut rows[index];
        row.at = row.at.max(at);
        row
    }

    /// The queues in which jobs became available, each once.
    pub(in crate::store) fn queues(&self) -> Vec<Queue> {
        let mut queues = self.available.clone();
        queues.sort_unstable();
        queues.dedup();
        queues
    }

    /// What is to be told of the changes, once they are committed.
    pub(in crate::store) fn told(&self) -> &[Told] {
        &self.told
    }

    /// Writes the events; to be called once, at the end of the transaction.
    ///
    /// # Errors
    /// When a statement fails.
    pub(in crate::store) fn write(&mut self, connection: &mut Connection) -> diesel::QueryResult<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        self.open.clear();
        let rows = std::mem::take(&mut self.rows).into_iter().map(|mut row| {
            row.text.pop();
            row.text.push(']');
            vec![
                Value::Text(Some(row.workspace.to_string())),
                Value::Number(Some(row.at.as_micros())),
                Value::Text(Some(row.text)),
            ]
        });
        InsertMany {
            on_conflict: "",
            table: "events",
            columns: &["workspace_id", "at", "changes"],
            rows: rows.collect(),
        }
        .execute(connection)
    }
}
