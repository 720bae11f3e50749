//! An order for many jobs, read and checked.

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::preview::counted;
use crate::api::State;
use crate::api::emails::Surroundings;
use crate::api::http::{Fields, Problem, Unread};
use crate::api::jobs::Changed;
use crate::api::order::ranged;
use crate::clock::Timestamp;
use crate::domain::act::Action;
use crate::domain::fault::FAULT_CHARS_MAX;
use crate::domain::id::{JobId, WorkspaceId};
use crate::domain::job::{BulkAction, Cadence, Cause, JobState, Queue, Selection};
use crate::jobs::kinds::{JobsBulk, JobsBulkArgs, OtherArgs};
use crate::jobs::{Order, new_job};
use crate::store::NewJob;
use crate::store::acts::{ActBy, NewAct};
use crate::store::jobs::Meant;

/// The longest name of a kind, in bytes.
const KIND_BYTES_MAX: usize = 100;
/// Ids that an act names; of more, it says how many.
const IDS_NOTED_MAX: usize = 20;

/// An order for many jobs.
#[derive(Deserialize, ToSchema)]
#[schema(as = JobsOrder)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct BulkBody {
    action: BulkAction,
    filter: FilterBody,
    /// With so many a second; as fast as it goes unless given.
    #[schema(minimum = 1, maximum = 10_000)]
    rate_per_s: Option<i64>,
    /// Other arguments for jobs that run again, all of one kind, as the route takes them by which such work is ordered. For
    /// `probe.run` only: mails differ, and are changed one by one. Each runs with its own unless they are given.
    #[schema(value_type = Option<std::collections::HashMap<String, serde_json::Value>>)]
    args: Option<Unread>,
    /// How many jobs the preview said: if there are not as many now, nothing is done.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    expect: Option<i64>,
}

/// Which jobs are meant: all that is given must hold, and something must be given.
#[derive(Deserialize, ToSchema)]
#[schema(as = JobsFilter)]
#[serde(deny_unknown_fields)]
struct FilterBody {
    /// Unless given: to run again, `discarded`; to be cancelled, all that has not ended; of named jobs, any.
    state: Option<JobState>,
    queue: Option<Queue>,
    /// Such as `email.send`.
    #[schema(min_length = 1, max_length = 100)]
    kind: Option<String>,
    workspace: Option<WorkspaceId>,
    cause: Option<Cause>,
    /// The fault that the latest attempt told of, as `GET /v1/jobs/causes` words it; empty for those that told of none.
    #[schema(max_length = 200)]
    error: Option<String>,
    /// Accepted before this.
    created_before: Option<Timestamp>,
    /// Accepted at this or later.
    created_after: Option<Timestamp>,
    /// One of these.
    #[schema(min_items = 1, max_items = 500)]
    ids: Option<Vec<JobId>>,
}

/// An order for many jobs that can be given.
#[derive(Clone)]
pub(in crate::api) struct BulkOrder {
    pub(super) action: BulkAction,
    pub(super) selection: Selection,
    rate_per_s: Option<u32>,
    changed: Option<OtherArgs>,
    expect: Option<u64>,
}

/// What an order was found to mean, and when that was looked up: what comes to be meant later is left alone.
#[derive(Clone, Copy)]
pub(in crate::api) struct Expected {
    total: Option<u64>,
    at: Timestamp,
}

impl Expected {
    /// Nothing was looked up.
    pub(super) const fn uncounted(at: Timestamp) -> Self {
        Self { total: None, at }
    }
}

impl FilterBody {
    /// What is meant, with what is wrong noted in `fields`.
    fn checked(self, action: BulkAction, fields: &mut Fields) -> Selection {
        let is_kind = |kind: &String| {
            (1..=KIND_BYTES_MAX).contains(&kind.len())
                && kind.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'@')
        };
        if self.kind.as_ref().is_some_and(|kind| !is_kind(kind)) {
            fields.refuse(
                "/filter/kind",
                format!("must be the name of a kind, of 1 to {KIND_BYTES_MAX} characters"),
            );
        }
        let is_fault = |fault: &String| {
            fault.chars().count() <= FAULT_CHARS_MAX && !fault.contains('@') && !fault.chars().any(char::is_control)
        };
        if self.error.as_ref().is_some_and(|fault| !is_fault(fault)) {
            fields.refuse("/filter/error", "must be a fault as /v1/jobs/causes words it");
        }
        if self.state.is_some_and(|state| !action.fits(state)) {
            let can = match action {
                BulkAction::Retry => "one that has ended, or retryable",
                BulkAction::Cancel => "one in which a job has not ended",
            };
            fields.refuse("/filter/state", format!("must be {can}, for {action}"));
        }
        if let (Some(after), Some(before)) = (self.created_after, self.created_before)
            && after >= before
        {
            fields.refuse("/filter/created_before", "must be after created_after");
        }
        let max = Selection::IDS_MAX;
        if self.ids.as_ref().is_some_and(|ids| !(1..=max).contains(&ids.len())) {
            fields.refuse("/filter/ids", format!("must name 1 to {max} jobs"));
        }
        let mut ids = self.ids.unwrap_or_default();
        ids.sort_unstable();
        ids.dedup();
        let selection = Selection {
            state: self.state,
            queue: self.queue,
            kind: self.kind,
            workspace: self.workspace,
            cause: self.cause,
            error: self.error,
            created_before: self.created_before,
            created_after: self.created_after,
            ids,
        };
        if selection.is_empty() {
            fields.refuse("/filter", "must say something of the jobs that are meant");
        }
        selection
    }
}

impl BulkBody {
    /// The kind of which jobs are to run again with other arguments.
    pub(super) fn changes(&self) -> Option<&str> {
        self.args.as_ref().and(self.filter.kind.as_deref())
    }

    /// The order.
    ///
    /// # Errors
    /// 422 with pointers for what is wrong.
    pub(in crate::api) async fn checked(self, state: &State) -> Result<BulkOrder, Problem> {
        let mut fields = Fields::new();
        let selection = self.filter.checked(self.action, &mut fields);
        let rate_max = i64::from(Cadence::PER_S_MAX);
        let rate_per_s: Option<u32> = ranged(&mut fields, "/rate_per_s", self.rate_per_s, 1, rate_max);
        let expect: Option<u64> = ranged(&mut fields, "/expect", self.expect, 0, 1_000_000_000);
        if self.args.is_some() && self.action != BulkAction::Retry {
            fields.refuse("/args", "must be left out: only jobs that run again can have others");
        }
        if self.args.is_some() && selection.kind.is_none() {
            fields.refuse("/filter/kind", "must be given, since arguments are those of one kind");
        }
        fields.finish()?;
        let changed = match (self.args, &selection.kind) {
            // Of whatever workspaces: what each may send from is seen when it is sent.
            (Some(args), Some(kind)) => {
                let surroundings = Surroundings::bare(selection.workspace, state);
                Some(Changed::checked(kind, args, true, &surroundings).await?.args)
            }
            _ => None,
        };
        Ok(BulkOrder {
            action: self.action,
            selection,
            rate_per_s,
            changed: changed.map(|changed| OtherArgs {
                args: changed.args,
                version: changed.version,
            }),
            expect,
        })
    }
}

impl BulkOrder {
    /// Which jobs it means now.
    pub(super) fn meant(&self, now: Timestamp) -> Meant {
        Meant::by(self.selection.clone(), self.action, now, None)
    }

    /// How many jobs it means, if they can be counted.
    ///
    /// # Errors
    /// 409 if there are not as many as were expected.
    pub(in crate::api) async fn expected(&self, state: &State) -> Result<Expected, Problem> {
        let at = state.clock.now();
        let found = counted(self, at, state).await?;
        let total = (!found.is_capped).then_some(found.count);
        match self.expect {
            Some(expect) if total != Some(expect) => {
                let over = if found.is_capped { "over " } else { "" };
                let count = found.count;
                Err(Problem::conflict(format!(
                    "{over}{count} jobs are meant now, and not {expect}; look at the preview again, or leave out expect"
                )))
            }
            _ => Ok(Expected { total, at }),
        }
    }

    /// The job that carries it out, for a workspace: accepted when it was found what the order means, so that it does nothing
    /// to a job that was not counted.
    ///
    /// # Errors
    /// When its arguments cannot be written.
    pub(in crate::api) fn job(
        &self,
        workspace: WorkspaceId,
        found: Expected,
        request_id: Option<&str>,
    ) -> Result<NewJob, Problem> {
        let args = JobsBulkArgs {
            action: self.action,
            selection: self.selection.clone(),
            rate_per_s: self.rate_per_s,
            changed: self.changed.clone(),
            total: found.total,
        };
        let order = Order {
            request_id: request_id.map(str::to_owned),
            ..Order::default()
        };
        new_job::<JobsBulk>(&args, workspace, found.at, order).map_err(Problem::internal)
    }

    /// The order as it is written down.
    pub(in crate::api) fn act(&self, job: &NewJob, by: ActBy) -> NewAct {
        // Names, states, ids and times always serialize.
        let mut filter = serde_json::to_value(&self.selection).unwrap_or_default();
        let count = self.selection.ids.len();
        if let Some(ids) = filter.get_mut("ids").filter(|_| count > IDS_NOTED_MAX) {
            *ids = json!({ "count": count });
        }
        NewAct {
            at: job.created_at,
            by,
            action: match self.action {
                BulkAction::Cancel => Action::CancelJobs,
                BulkAction::Retry => Action::RetryJobs,
            },
            subject_kind: "job",
            subject: job.id.to_string(),
            detail: json!({
                "filter": filter,
                "rate_per_s": self.rate_per_s,
                "expect": self.expect,
                "changed_args": self.changed.is_some(),
            }),
        }
    }
}
