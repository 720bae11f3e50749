//! Taking back what dead nodes left running.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::STATEMENT_ROWS_MAX;
use super::finish::{AttemptFinish, Finished, finish};
use crate::clock::Timestamp;
use crate::domain::id::NodeId;
use crate::domain::job::AttemptEnd;
use crate::store::schema::jobs;
use crate::store::text::{number, parsed};
use crate::store::{StoreError, Tx};

/// Ends, as lost, up to one statement's worth of attempts that run under another node than `me`, and answers what became
/// of them; none are left when it answers fewer than asked. On SQLite every other node is dead: the lock beside the
/// database says so.
///
/// # Errors
/// When a statement fails.
pub fn rescue(tx: &mut Tx<'_>, me: NodeId, now: Timestamp) -> Result<Vec<Finished>, StoreError> {
    let connection = tx.connection();
    let left: Vec<(String, i64)> = jobs::table
        .filter(sql::<Bool>("jobs.state = 'running'"))
        .filter(jobs::node.ne(me.to_string()))
        .order(jobs::id.asc())
        .limit(number(STATEMENT_ROWS_MAX))
        .select((jobs::id, jobs::fence))
        .load(connection)?;
    let mut ends = Vec::with_capacity(left.len());
    for (id, fence) in left {
        ends.push(AttemptFinish {
            job: parsed(&id, "jobs", "id")?,
            fence,
            end: AttemptEnd::Lost,
            error: Some("the process that ran it ended".to_owned()),
            result: None,
            progress: None,
            at: now,
        });
    }
    let ends: Vec<&AttemptFinish> = ends.iter().collect();
    let (finished, queues) = finish(connection, &ends)?;
    for queue in queues {
        tx.became_available(queue);
    }
    Ok(finished)
}
