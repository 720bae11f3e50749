//! Reports that a schedule orders again and again: the same body, read once, without what is about one report alone.

use super::NewReportBody;
use crate::api::http::Fields;
use crate::api::order::Wishes;
use crate::clock::Timestamp;
use crate::jobs::RecurringReport;

impl NewReportBody {
    /// Takes out how the job is to be run.
    pub(in crate::api) fn wishes(&mut self) -> Wishes {
        Wishes {
            run_at: self.run_at.take(),
            priority: self.priority.take(),
            max_attempts: self.max_attempts.take(),
            timeout_ms: self.timeout_ms.take(),
            deadline_at: self.deadline_at.take(),
            unique: self.unique.take(),
            key: self.key.take(),
        }
    }

    /// What each report is, with what is wrong noted in `fields`: each must be of some time, the first already.
    pub(in crate::api) fn recurring(&self, now: Timestamp, fields: &mut Fields) -> RecurringReport {
        match (self.from, self.to) {
            (Some(from), Some(to)) if from >= to => fields.refuse("/to", "must be after from"),
            (Some(from), _) if from >= now => fields.refuse("/from", "must have passed"),
            _ => {}
        }
        RecurringReport {
            table: self.table,
            format: self.format,
            from: self.from,
            to: self.to,
            csv_formula_guard: self.csv_formula_guard.unwrap_or(true),
        }
    }
}
