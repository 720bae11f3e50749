//! Reports that a schedule orders again and again: the same body, read once, without what is about one report alone.

use super::NewReportBody;
use crate::api::http::Fields;
use crate::clock::Timestamp;
use crate::jobs::RecurringReport;

impl NewReportBody {
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
