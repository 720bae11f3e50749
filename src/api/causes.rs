//! Why jobs were given up: those of one kind, queue, cause and fault together.
//!
//! Guarantees: members see their own workspace's, and another's is not there for them; operators see all, or one workspace's.
//! A look goes over so many jobs at most, the newest first, and says whether there were more; it is many short reads, and
//! keeps a bounded number of groups. No full address is shown, since a fault has none.

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::State;
use super::auth::Member;
use super::http::{Problem, RequestId, StrictQuery};
use super::reading::Reading;
use super::then::Then;
use crate::clock::Timestamp;
use crate::domain::id::{JobId, WorkspaceId};
use crate::domain::job::{JobState, Queue};
use crate::store::jobs::{self, GivenUp, GivenUpFilter};
use crate::store::{JobScope, StoreError};

/// Jobs that are looked at.
const LOOKED_AT_MAX: usize = 100_000;
/// Jobs of one read: a few hundredths of a second of a reader's time.
const PAGE: usize = 2_000;
/// Groups that are kept apart; whatever comes beside them is left out, and said to be.
const GROUPS_MAX: usize = 1_000;
/// Groups that are shown.
const SHOWN_MAX: usize = 200;
/// Jobs of a group that are named.
const SAMPLES: usize = 3;

/// A state in which jobs have ended otherwise than they should.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[schema(as = GivenUpState)]
#[serde(rename_all = "snake_case")]
pub(super) enum GivenUpState {
    Discarded,
    Cancelled,
    Uncertain,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct CausesQuery {
    /// Only jobs that ended so; `discarded` unless given.
    #[param(nullable = false, inline)]
    state: Option<GivenUpState>,
    /// Only jobs in this queue.
    #[param(nullable = false)]
    queue: Option<Queue>,
    /// Only jobs of this kind.
    #[param(nullable = false)]
    kind: Option<String>,
    /// Only jobs that ended at this or later.
    #[param(nullable = false)]
    since: Option<Timestamp>,
    /// Only jobs of this workspace, for operators; others see their own.
    #[param(nullable = false)]
    pub(super) workspace: Option<WorkspaceId>,
}

/// Why jobs were given up.
#[derive(Serialize, ToSchema)]
pub(super) struct Causes {
    /// One entry for each kind, queue, cause and fault; those of most jobs first.
    data: Vec<CauseView>,
    /// How many jobs were looked at, the newest first.
    looked_at: usize,
    /// Whether there are more jobs than that, or more faults than are shown.
    is_capped: bool,
}

/// Jobs that were given up alike.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = CauseGroup)]
pub(super) struct CauseView {
    kind: String,
    queue: String,
    /// The cause that the jobs show.
    cause: Option<String>,
    /// The fault that their latest attempts told of: their error without numbers, ids, addresses and quoted texts. Empty if
    /// they told of none. It is what `error` of a filter takes.
    error: String,
    /// How many jobs.
    count: u64,
    /// When the first of them ended,
    first_at: Timestamp,
    /// and the last.
    last_at: Timestamp,
    /// Some of them, the newest first.
    #[schema(max_items = 3)]
    samples: Vec<JobId>,
}

/// Shows why jobs were given up, those with one cause and one fault together.
///
/// At most the newest hundred thousand are looked at.
#[utoipa::path(
    get, path = "/v1/jobs/causes", tag = "jobs", security(("member" = [])), params(CausesQuery),
    responses(
        (status = 200, description = "The causes.", body = Causes),
        (status = 404, description = "The workspace is not yours."),
    ),
)]
pub(super) async fn list_causes(
    Then(member, StrictQuery(query)): Then<Member, StrictQuery<CausesQuery>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let scope = match (member.job_scope(), query.workspace) {
        (JobScope::All, Some(workspace)) => JobScope::Workspace(workspace),
        (JobScope::Workspace(own), Some(workspace)) if own != workspace => return Err(Problem::not_found()),
        (scope, _) => scope,
    };
    if let Some(reading) = Reading::of(&member, &request) {
        reading.note_all("cause", query.workspace, &state).await?;
    }
    Ok(HttpResponse::Ok().json(causes(query, scope, &state).await?))
}

/// The causes of jobs in this scope.
///
/// # Errors
/// When the database cannot be read.
pub(super) async fn causes(query: CausesQuery, scope: JobScope, state: &State) -> Result<Causes, StoreError> {
    let filter = GivenUpFilter {
        scope,
        state: match query.state {
            None | Some(GivenUpState::Discarded) => JobState::Discarded,
            Some(GivenUpState::Cancelled) => JobState::Cancelled,
            Some(GivenUpState::Uncertain) => JobState::Uncertain,
        },
        queue: query.queue,
        kind: query.kind,
        since: query.since,
    };
    let mut groups = Groups::default();
    let (mut before, mut looked_at) = (None, 0);
    let has_more = loop {
        let asked = filter.clone();
        let read = state
            .store
            .read(move |connection| jobs::given_up(connection, &asked, before, PAGE));
        let page = read.await?;
        looked_at += page.looked_at;
        page.jobs.into_iter().for_each(|job| groups.add(job));
        before = page.next;
        if before.is_none() || looked_at >= LOOKED_AT_MAX {
            break before.is_some();
        }
    };
    let (data, is_cut) = groups.shown();
    Ok(Causes {
        data,
        looked_at,
        is_capped: has_more || is_cut,
    })
}

/// The groups so far.
#[derive(Default)]
struct Groups {
    all: HashMap<(String, String, Option<String>, String), CauseView>,
    /// Whether there were more than are kept.
    is_full: bool,
}

impl Groups {
    /// Adds a job; the newest come first.
    fn add(&mut self, job: GivenUp) {
        let key = (job.kind, job.queue, job.cause, job.fault);
        if self.all.len() >= GROUPS_MAX && !self.all.contains_key(&key) {
            self.is_full = true;
            return;
        }
        let (kind, queue, cause, error) = key.clone();
        let group = self.all.entry(key).or_insert_with(|| CauseView {
            kind,
            queue,
            cause,
            error,
            count: 0,
            first_at: job.finished_at,
            last_at: job.finished_at,
            samples: Vec::new(),
        });
        group.count += 1;
        group.first_at = group.first_at.min(job.finished_at);
        group.last_at = group.last_at.max(job.finished_at);
        if group.samples.len() < SAMPLES {
            group.samples.push(job.id);
        }
    }

    /// Those of most jobs, and whether others are left out.
    fn shown(self) -> (Vec<CauseView>, bool) {
        let mut all: Vec<CauseView> = self.all.into_values().collect();
        all.sort_by_key(|group| std::cmp::Reverse((group.count, group.last_at)));
        let is_cut = self.is_full || all.len() > SHOWN_MAX;
        all.truncate(SHOWN_MAX);
        (all, is_cut)
    }
}
