//! What an API key needs to order work of a kind, by whichever way it does: alone, in a batch, by a schedule, or as other
//! arguments of a job that runs again.

use super::auth::Member;
use super::http::Problem;
use crate::domain::scope::Scope;
use crate::jobs::Kind as _;
use crate::jobs::kinds::{EmailSend, Probe, ReportBuild};

impl Member {
    /// Asks for the scope of the route that takes work of this kind. Kinds that no route takes are refused elsewhere.
    ///
    /// # Errors
    /// 403 for an API key without it.
    pub(super) fn needs_to_order(&self, kind: &str) -> Result<(), Problem> {
        match kind {
            EmailSend::NAME => self.needs(Scope::EmailsWrite),
            Probe::NAME => self.needs(Scope::ProbesWrite),
            ReportBuild::NAME => self.needs(Scope::ReportsWrite),
            _ => Ok(()),
        }
    }
}
