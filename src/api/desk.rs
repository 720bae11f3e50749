//! What operators ask about jobs on the service's own machine (`legwork jobs`), over the control socket.
//!
//! Guarantees: it is answered by what answers over HTTP, to an operator: the same filters, the same refusals, the same masks;
//! an order is written down among the acts with the user's number, and so is, where its owner sees it, what is shown.

use actix_web::web::Data;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::State;
use super::bulk::{BulkBody, preview};
use super::causes::{CausesQuery, causes};
use super::http::{Problem, Slug};
use super::jobs::{JobView, cursor, resolve, with_attempts, with_transcripts};
use super::reading::Reading;
use super::work::log_enqueued;
use crate::control::{DeskRefusal, ErrorKind, JobAsk, JobDesk};
use crate::domain::id::{JobId, WorkspaceId};
use crate::domain::job::{JobState, Queue, Resolution};
use crate::jobs::Kind as _;
use crate::jobs::kinds::JobsBulk;
use crate::store::acts::{self, ActBy};
use crate::store::{Abort, JobFilter, JobScope, jobs};

/// Jobs on a page unless told otherwise, and the most of them.
const PAGE: usize = 50;
const PAGE_MAX: usize = 100;
/// Looks for one list: each is at 10,000 jobs at most, a few tens of milliseconds of a reader's time.
const LOOKS_MAX: usize = 100;

/// Answers what is asked about the jobs of this service.
pub struct Desk(pub Data<State>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListWords {
    state: Option<JobState>,
    queue: Option<Queue>,
    kind: Option<String>,
    workspace: Option<WorkspaceId>,
    cursor: Option<String>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShowWords {
    id: JobId,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResolveWords {
    id: JobId,
    #[serde(rename = "as")]
    resolution: Resolution,
}

impl JobDesk for Desk {
    fn ask(&self, ask: JobAsk, words: Value, uid: u32) -> BoxFuture<'_, Result<Value, DeskRefusal>> {
        Box::pin(async move {
            let answer = match ask {
                JobAsk::List => self.list(read(words)?, uid).await,
                JobAsk::Show => self.show(read(words)?, uid).await,
                JobAsk::Causes => self.causes(read(words)?, uid).await,
                JobAsk::Preview => self.preview(read(words)?).await,
                JobAsk::Order => self.order(read(words)?, uid).await,
                JobAsk::Resolve => self.resolve(read(words)?, uid).await,
            };
            answer.map_err(|problem| refusal(&problem))
        })
    }
}

impl Desk {
    async fn list(&self, words: ListWords, uid: u32) -> Result<Value, Problem> {
        let not_a_cursor = |_: cursor::NotACursor| Problem::bad_request("that is no cursor of a list of jobs");
        let told = json!({ "state": words.state.map(JobState::as_str), "kind": words.kind, "queue": words.queue.map(Queue::as_str) });
        let filter = JobFilter {
            scope: scope_of(words.workspace),
            state: words.state,
            kind: words.kind,
            queue: words.queue,
            batch: None,
            before: words
                .cursor
                .as_deref()
                .map(cursor::read)
                .transpose()
                .map_err(not_a_cursor)?,
            limit: words.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX),
        };
        let (wanted, mut filter) = (filter.limit, filter);
        let (mut found, mut next) = (Vec::new(), None);
        // A page of something rare may be short; a person who asked for so many does not want to go on by hand.
        for _ in 0..LOOKS_MAX {
            filter.limit = wanted.saturating_sub(found.len());
            let asked = filter.clone();
            let read = self.0.store.read(move |connection| {
                let page = jobs::list(connection, &asked)?;
                let found = page.jobs.into_iter().map(|job| with_attempts(connection, job));
                Ok((found.collect::<Result<Vec<_>, _>>()?, page.next))
            });
            let (more, behind) = read.await?;
            found.extend(more);
            next = behind;
            if next.is_none() || found.len() >= wanted {
                break;
            }
            filter.before = next;
        }
        let owners = found.iter().map(|(job, _)| job.workspace);
        let reading = Reading::on_this_machine(uid);
        reading.note_list("job", owners, &told, &self.0).await?;
        let views = found
            .into_iter()
            .map(|(job, attempts)| Ok(JobView::of(job, attempts, &self.0)?.masked()))
            .collect::<Result<Vec<_>, Problem>>()?;
        Ok(json!({ "data": views, "next_cursor": next.map(cursor::write) }))
    }

    async fn show(&self, ShowWords { id }: ShowWords, uid: u32) -> Result<Value, Problem> {
        let read = self.0.store.read(move |connection| {
            let job = jobs::one(connection, id, JobScope::All)?;
            job.map(|job| with_transcripts(connection, job)).transpose()
        });
        let (job, attempts) = read.await?.ok_or_else(Problem::not_found)?;
        Reading::on_this_machine(uid).note(&job, &self.0).await?;
        written(&JobView::of(job, attempts, &self.0)?.masked())
    }

    async fn resolve(&self, ResolveWords { id, resolution }: ResolveWords, uid: u32) -> Result<Value, Problem> {
        let by = ActBy::CommandLine { uid: Some(uid) };
        let resolved = resolve::resolve(id, JobScope::All, resolution, by, &self.0).await;
        let (job, attempts) = resolved.map_err(super::failure::or_refused(super::jobs::refused))?;
        tracing::info!(
            event = crate::telemetry::names::event::JOB_RESOLVED,
            job = %id,
            state = %job.state,
            "a person said what became of an uncertain job"
        );
        written(&JobView::of(job, attempts, &self.0)?.masked())
    }

    async fn causes(&self, query: CausesQuery, uid: u32) -> Result<Value, Problem> {
        let scope = scope_of(query.workspace);
        let reading = Reading::on_this_machine(uid);
        reading.note_all("cause", query.workspace, &self.0).await?;
        written(&causes(query, scope, &self.0).await?)
    }

    async fn preview(&self, body: BulkBody) -> Result<Value, Problem> {
        let order = body.checked(&self.0).await?;
        written(&preview(&order, &self.0).await?)
    }

    async fn order(&self, body: BulkBody, uid: u32) -> Result<Value, Problem> {
        let state = &self.0;
        let order = body.checked(state).await?;
        let found = order.expected(state).await?;
        let job = order.job(WorkspaceId::SERVICE, found, None)?;
        let act = order.act(&job, ActBy::CommandLine { uid: Some(uid) });
        let new = job.clone();
        let write = state.store.write(move |tx| {
            tx.enqueue(&new)?;
            Ok::<_, Abort<()>>(acts::record(tx, &act)?)
        });
        write
            .await
            .map_err(super::failure::or_refused(|()| Problem::not_found()))?;
        state.depths.add(JobsBulk::QUEUE, WorkspaceId::SERVICE, 1);
        log_enqueued(&job);
        written(&JobView::of_new(&job, state))
    }
}

fn scope_of(workspace: Option<WorkspaceId>) -> JobScope {
    workspace.map_or(JobScope::All, JobScope::Workspace)
}

fn read<T: DeserializeOwned>(words: Value) -> Result<T, DeskRefusal> {
    serde_json::from_value(words).map_err(|error| DeskRefusal {
        error: ErrorKind::Refused,
        detail: error.to_string(),
    })
}

fn written(view: &impl serde::Serialize) -> Result<Value, Problem> {
    serde_json::to_value(view).map_err(Problem::internal)
}

/// What a client over HTTP would be told, in one line; the cause of a fault goes to the log where the answer is made, which
/// is here.
fn refusal(problem: &Problem) -> DeskRefusal {
    let error = match problem.slug() {
        Slug::NotFound => ErrorKind::NoSuchJob,
        Slug::Internal | Slug::Unavailable => ErrorKind::Failed,
        _ => ErrorKind::Refused,
    };
    if error == ErrorKind::Failed {
        let cause = crate::telemetry::chain(problem);
        tracing::error!(
            event = crate::telemetry::names::event::REQUEST_FAILED,
            error = cause,
            "what was asked over the control socket failed"
        );
    }
    let fields = problem.errors().iter();
    let fields: Vec<String> = fields
        .map(|field| format!("{} {}", field.pointer, field.detail))
        .collect();
    let detail = match (error, fields.is_empty()) {
        (ErrorKind::NoSuchJob, _) => "there is no such job".to_owned(),
        (_, false) => fields.join("; "),
        (_, true) => problem.detail().to_owned(),
    };
    DeskRefusal { error, detail }
}
