//! What a workspace is told that has used up what it may: which quota, how much of it is used, and when there is room again.
//!
//! Guarantees: the same words for people in `detail` and for programs in `quota`; the numbers are those that decided.

use super::http::{FieldError, Problem, UsedUp};
use super::throttle::{whole_seconds, with_text};
use crate::clock::Timestamp;
use crate::jobs::{Full, MailsFull};
use crate::store::reports::NoRoom;

/// Jobs that wait, for programs.
pub(super) const fn jobs_waiting(full: &Full) -> UsedUp {
    UsedUp {
        name: "jobs_waiting",
        used: full.used,
        max: full.max,
        // Nobody knows when one will have begun; Retry-After guesses.
        room_at: None,
    }
}

/// The same for people.
pub(super) fn jobs_used_up(full: &Full) -> String {
    let (used, max) = (full.used, full.max);
    format!(
        "the quota jobs_waiting of this workspace is used up: {used} of {max} jobs wait; there is room once some have begun"
    )
}

/// Mails of a day, for people.
pub(super) fn mails_used_up(full: &MailsFull) -> String {
    let MailsFull { used, max, room_at } = full;
    let begun =
        format!("the quota mails_per_day of this workspace is used up: {used} of {max} mails were sent within a day");
    match room_at {
        Some(at) => format!("{begun}; there is room for these from {at}"),
        None => format!("{begun}, and these are more than it may send at all"),
    }
}

/// The answer to more mails than a day may have: 429 with when there is room, or 422 where no wait will do, with what that is
/// said of at a pointer.
pub(super) fn no_mails(full: &MailsFull, now: Timestamp, (pointer, never): (&str, &str)) -> Problem {
    let quota = UsedUp {
        name: "mails_per_day",
        used: full.used,
        max: full.max,
        room_at: full.room_at,
    };
    let Some(room_at) = full.room_at else {
        let error = FieldError {
            pointer: pointer.to_owned(),
            detail: format!("{never}, which is {} within a day", full.max),
        };
        return Problem::invalid_input(vec![error]).with_quota(quota);
    };
    let wait = room_at.since(now);
    let problem = Problem::too_many_requests(mails_used_up(full), wait).with_quota(quota);
    let policy = format!("\"mails_per_day\";q={};w=86400", full.max);
    let problem = with_text(problem, "ratelimit-policy", &policy);
    let left = full.max.saturating_sub(full.used);
    let told = format!("\"mails_per_day\";r={left};t={}", whole_seconds(wait));
    with_text(problem, "ratelimit", &told)
}

/// The answer to a report that there is no room for: 409, since it is the workspace that can make some.
pub(super) fn no_room_to_keep(full: NoRoom) -> Problem {
    let problem = Problem::conflict(full.to_string());
    match full {
        NoRoom::Reports { .. } => problem,
        NoRoom::Bytes(kept) => problem.with_quota(UsedUp {
            name: "bytes_stored",
            used: kept.used,
            max: kept.max,
            room_at: kept.less_at,
        }),
    }
}
