//! How many copies of a job's effect there may be, as its attempts tell.
//!
//! Each attempt that ended as uncertain may have had its effect. So may one of a mail that is to be repeated and whose node
//! died: such mails note no point of no return on disk, so that nobody knows how far it came; one that is to be held does.

use serde::Deserialize;

use crate::domain::job::{AttemptOutcome, Queue, WhenUncertain};
use crate::store::{AttemptRecord, Connection, JobRecord, JobScope, StoreError, jobs};

/// What of the arguments of a mail decides; those without it are always repeated.
#[derive(Deserialize)]
struct Rule {
    when_uncertain: Option<WhenUncertain>,
}

/// How many attempts of a job may have had its effect without anybody knowing; `shown` are the newest.
///
/// # Errors
/// When a statement fails.
pub(super) fn possible(
    connection: &mut Connection,
    job: &JobRecord,
    shown: &[AttemptRecord],
) -> Result<usize, StoreError> {
    let uncertain = jobs::count_ended_as(connection, job.id, shown, AttemptOutcome::Uncertain)?;
    if job.queue != Queue::Mail.as_str() {
        return Ok(uncertain);
    }
    let lost = jobs::count_ended_as(connection, job.id, shown, AttemptOutcome::Lost)?;
    if lost == 0 || is_held(connection, job)? {
        return Ok(uncertain);
    }
    Ok(uncertain.saturating_add(lost))
}

/// Whether the mail is to be held where it is uncertain.
fn is_held(connection: &mut Connection, job: &JobRecord) -> Result<bool, StoreError> {
    let scope = JobScope::Workspace(job.workspace);
    let Some(job) = jobs::arguments(connection, job.id, scope)? else {
        return Ok(false);
    };
    let rule: Option<Rule> = serde_json::from_str(&job.args).ok();
    Ok(rule.and_then(|rule| rule.when_uncertain) == Some(WhenUncertain::Hold))
}
