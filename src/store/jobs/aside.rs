//! Jobs whose row cannot be read, as a damaged file or a person's hand leaves them.
//!
//! Guarantees: such a row does not hold up those behind it: whoever comes across it gives it up, with a cause of its own and
//! a line in the log, in the same transaction.

use crate::store::dialect::prelude::*;

use super::row::StandingRow;
use super::waited::{Ended, tell};
use crate::clock::Timestamp;
use crate::domain::job::{JobState, set_aside as decided};
use crate::store::events::Effects;
use crate::store::schema::jobs;
use crate::store::{Connection, StoreError};
use crate::telemetry;
use crate::telemetry::names::event;

/// Gives up the job of this row, because of `error`. Nothing else of the row is touched.
///
/// # Errors
/// When the statement fails.
pub(in crate::store) fn set_aside(
    connection: &mut Connection,
    row: &StandingRow,
    error: &StoreError,
    now: Timestamp,
    effects: &mut Effects,
) -> Result<(), StoreError> {
    // A state that is no state has its CHECK broken too; there is no rule for it, and no query finds it.
    let Ok(Ok((state, cause))) = row.state.parse::<JobState>().map(decided) else {
        return Ok(());
    };
    diesel::update(
        jobs::table
            .filter(jobs::id.eq(&row.id))
            .filter(jobs::state.eq(&row.state)),
    )
    .set((
        jobs::state.eq(state.as_str()),
        jobs::cause.eq(cause.as_str()),
        jobs::finished_at.eq(now.as_micros()),
        jobs::node.eq(None::<String>),
    ))
    .execute(connection)?;
    // Whose ids cannot be read either is nobody's to follow.
    drop(row.tell(
        effects,
        (state, row.attempt, row.fence),
        Some(cause.as_str()),
        None,
        now,
    ));
    tell(connection, Ended::of(row, state).into_iter().collect(), now, effects)?;
    let error = telemetry::chain(error);
    tracing::error!(event = event::JOB_SET_ASIDE, job = row.id, queue = row.queue, %error, "a job's row cannot be read; it was given up");
    Ok(())
}
