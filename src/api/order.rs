//! What every work route lets a client say about how its job is run.

use std::time::Duration;

use super::after;
use super::http::{Fields, RequestId};
use super::unique::UniqueBody;
use crate::clock::Timestamp;
use crate::domain::id::JobId;
use crate::domain::job::{LimitKey, OnFailure, PRIORITY_MAX, PRIORITY_MIN};
use crate::jobs::Order;

/// The most attempts that a client may ask for: with the longest backoff that is most of a day.
const ATTEMPTS_MAX: i64 = 100;
/// The longest time for one attempt that a client may ask for: a day.
const TIMEOUT_MS_MAX: i64 = 86_400_000;

/// Wishes as they came.
pub(super) struct Wishes {
    /// From when the job may run; a time that has passed means at once.
    pub(super) run_at: Option<Timestamp>,
    /// From [`PRIORITY_MIN`] to [`PRIORITY_MAX`].
    pub(super) priority: Option<i64>,
    /// From 1 to 100.
    pub(super) max_attempts: Option<i64>,
    /// From 1 ms to a day.
    pub(super) timeout_ms: Option<i64>,
    /// After the present and after `run_at`.
    pub(super) deadline_at: Option<Timestamp>,
    /// The key by which it is the only one.
    pub(super) unique: Option<UniqueBody>,
    /// What limits count it under.
    pub(super) key: Option<String>,
    /// The jobs that it waits for.
    pub(super) after: Option<Vec<JobId>>,
    /// What becomes of it where one of them does not complete.
    pub(super) after_failure: Option<OnFailure>,
}

impl Wishes {
    /// The order, with what is wrong noted in `fields`.
    pub(super) fn checked(self, fields: &mut Fields, request: &RequestId, now: Timestamp) -> Order {
        let (lowest, highest) = (i64::from(PRIORITY_MIN), i64::from(PRIORITY_MAX));
        let priority = ranged(fields, "/priority", self.priority, lowest, highest);
        let max_attempts = ranged(fields, "/max_attempts", self.max_attempts, 1, ATTEMPTS_MAX);
        let timeout_ms: Option<u64> = ranged(fields, "/timeout_ms", self.timeout_ms, 1, TIMEOUT_MS_MAX);
        let may_run_at = self.run_at.map_or(now, |at| at.max(now));
        if self.deadline_at.is_some_and(|deadline| deadline <= may_run_at) {
            fields.refuse(
                "/deadline_at",
                format!("must be after the job may run, which may be at {may_run_at}"),
            );
        }
        let limit_key = self.key.and_then(|key| {
            let key = key.parse::<LimitKey>();
            key.map_err(|refusal| fields.refuse("/key", refusal.to_string())).ok()
        });
        Order {
            limit_key,
            run_at: self.run_at,
            deadline: self.deadline_at,
            unique: self.unique.and_then(|unique| unique.checked(fields)),
            priority,
            max_attempts,
            timeout: timeout_ms.map(Duration::from_millis),
            after: after::checked(self.after, self.after_failure, fields),
            request_id: Some(request.as_str().to_owned()),
        }
    }
}

impl Wishes {
    /// The wishes for work that is made again and again: those that are about one job at one time are noted as ones that
    /// cannot be.
    pub(super) fn recurring(mut self, fields: &mut Fields) -> Self {
        let given = [
            ("/run_at", self.run_at.take().is_some()),
            ("/deadline_at", self.deadline_at.take().is_some()),
            ("/unique", self.unique.take().is_some()),
            ("/after", self.after.take().is_some()),
            ("/after_failure", self.after_failure.take().is_some()),
        ];
        for (pointer, _) in given.iter().filter(|(_, is_given)| *is_given) {
            fields.refuse(
                pointer,
                "must be left out: the schedule says when its jobs run, and whether beside one another",
            );
        }
        self
    }

    /// Notes each wish that is given as one that cannot be: for work that was ordered before.
    pub(super) fn refuse(&self, fields: &mut Fields) {
        let given = [
            ("/run_at", self.run_at.is_some()),
            ("/priority", self.priority.is_some()),
            ("/max_attempts", self.max_attempts.is_some()),
            ("/timeout_ms", self.timeout_ms.is_some()),
            ("/deadline_at", self.deadline_at.is_some()),
            ("/unique", self.unique.is_some()),
            ("/key", self.key.is_some()),
            ("/after", self.after.is_some()),
            ("/after_failure", self.after_failure.is_some()),
        ];
        for (pointer, _) in given.iter().filter(|(_, is_given)| *is_given) {
            fields.refuse(
                pointer,
                "belongs to the job, and not to its arguments: it stays as it is",
            );
        }
    }
}

/// The number at `pointer`, if it is given and in range; a `T` that does not hold the whole range takes less of it.
pub(super) fn ranged<T: TryFrom<i64>>(
    fields: &mut Fields,
    pointer: &str,
    given: Option<i64>,
    lowest: i64,
    highest: i64,
) -> Option<T> {
    let given = given?;
    let number = (lowest..=highest)
        .contains(&given)
        .then(|| T::try_from(given).ok())
        .flatten();
    if number.is_none() {
        fields.refuse(pointer, format!("must be a whole number from {lowest} to {highest}"));
    }
    number
}
