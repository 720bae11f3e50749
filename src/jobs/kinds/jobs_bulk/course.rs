//! How far an order for many jobs has come: the result of its job, also while it runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;
use crate::domain::id::JobId;
use crate::jobs::JobContext;
use crate::store::jobs::Done;

/// How far it has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Course {
    /// Jobs that it came to.
    matched: u64,
    /// Those that it changed.
    changed: u64,
    /// Those that it could not, by reason.
    refused: BTreeMap<String, u64>,
    /// The last job that it came to: it goes on behind it.
    pub(super) behind: Option<JobId>,
    /// From when the next portion may go, at a rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) next_at: Option<Timestamp>,
}

impl Course {
    /// What an earlier attempt wrote; the beginning where there was none.
    pub(super) fn of(earlier: Option<&str>) -> Self {
        // What cannot be read is not ours: nobody else writes there.
        earlier
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }

    /// Counts what became of a portion.
    pub(super) fn count(&mut self, all: &[Done]) {
        for done in all {
            self.matched += 1;
            match done {
                Done::Changed(_) => self.changed += 1,
                Done::Refused(reason) => *self.refused.entry((*reason).to_owned()).or_insert(0) += 1,
            }
        }
    }

    /// Says how far it is of so many.
    pub(super) fn tell(&self, total: Option<u64>, ctx: &JobContext) {
        let refused = self.matched - self.changed;
        let note = (refused > 0).then(|| format!("{} changed, {refused} refused", self.changed));
        ctx.progress(self.matched, total, note.as_deref());
    }

    pub(super) fn to_value(&self) -> Value {
        // Numbers, ids and times always serialize.
        serde_json::to_value(self).unwrap_or_default()
    }

    pub(super) fn to_json(&self) -> String {
        self.to_value().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_other_results_are_a_beginning() {
        let mut course = Course::default();
        course.count(&[
            Done::Refused("not_now"),
            Done::Refused("not_now"),
            Done::Refused("gone"),
        ]);
        course.behind = Some(JobId::from_bits(7));
        course.next_at = Some(Timestamp::from_micros(9));
        assert_eq!(Course::of(Some(&course.to_json())), course);
        assert_eq!(
            course.to_value()["refused"],
            serde_json::json!({ "not_now": 2, "gone": 1 })
        );
        for other in [None, Some(""), Some("{}"), Some("{\"steps\":3}")] {
            assert_eq!(Course::of(other), Course::default());
        }
    }
}
