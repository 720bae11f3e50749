//! `after`, by which a job waits until others have ended.
//!
//! Guarantees: one that is not there is refused in the same words as one of another workspace, so that nobody learns of it.

use super::http::{FieldError, Fields, Problem};
use crate::domain::id::JobId;
use crate::domain::job::{AFTER_MAX, After, OnFailure};
use crate::store::jobs::NoSuchJob;

/// Whom a job is to wait for, with what is wrong noted in `fields`.
pub(super) fn checked(after: Option<Vec<JobId>>, on_failure: Option<OnFailure>, fields: &mut Fields) -> Option<After> {
    let Some(jobs) = after else {
        if on_failure.is_some() {
            fields.refuse(
                "/after_failure",
                "says what becomes of a job that has after, which is missing",
            );
        }
        return None;
    };
    if jobs.is_empty() || jobs.len() > AFTER_MAX {
        fields.refuse("/after", format!("must name 1 to {AFTER_MAX} jobs"));
        return None;
    }
    Some(After {
        jobs,
        on_failure: on_failure.unwrap_or(OnFailure::Cancel),
    })
}

/// The answer to an order that is to wait for a job that is not there; `within` is where the order stands in the body.
pub(super) fn not_there(NoSuchJob { index }: NoSuchJob, within: &str) -> Problem {
    Problem::invalid_input(vec![FieldError {
        pointer: format!("{within}/after/{index}"),
        detail: "is no job of this workspace".to_owned(),
    }])
}
