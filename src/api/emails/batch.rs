//! `POST /v1/emails/batch`: up to a thousand mails in one request.
//!
//! Guarantees: what is accepted of it is committed in one transaction, in few statements; the answers stand in the order of the
//! request. With `atomic` all mails are accepted or none; without it each has its own answer, and one that is wrong, or beyond
//! what the workspace may, keeps no other from going out. An `Idempotency-Key` covers the whole: the request with it is
//! answered as the first time, mail by mail; one of which nothing was accepted leaves it free.
//!
//! Left out: `unique` and `after`, which are about one job; `/v1/batches` takes jobs that wait for each other.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{ArgsRoom, Contents, JobFiles, NewEmailBody, Surroundings, files_counted, files_refused};
use crate::api::State;
use crate::api::auth::Member;
use crate::api::client::Client;
use crate::api::failure::or_refused;
use crate::api::http::{FieldError, Fields, Problem, ProblemBody, RequestId, Slug, StrictJson, Unread};
use crate::api::idempotency::{Keyed, begun};
use crate::api::jobs::JobView;
use crate::api::order::Wishes;
use crate::api::then::Then;
use crate::api::work::{Asked, REPLAYED, log_enqueued};
use crate::domain::id::{JobId, UploadId, WorkspaceId};
use crate::domain::job::Queue;
use crate::jobs::kinds::EmailSend;
use crate::jobs::{Order, new_job};
use crate::store::NewJob;
use crate::store::idempotency::{Entered, KeptAnswer, enter};

/// The most mails of one request: as many rows as two full transactions of the writer.
const MESSAGES_MAX: usize = 1_000;

/// The most errors that are told of one mail, so that those of a thousand make no answer that is kept for its key of megabytes.
const ERRORS_A_MAIL_MAX: usize = 5;

/// Some mails.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewEmails)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct EmailsBody {
    /// The mails, as `/v1/emails` takes them, without `unique` and `after`.
    #[schema(value_type = Vec<NewEmailBody>, min_items = 1, max_items = 1_000)]
    messages: Vec<Unread>,
    /// Whether all are accepted or none; false unless given.
    atomic: Option<bool>,
}

/// What became of each mail.
#[derive(Serialize, ToSchema)]
#[schema(as = EmailsAnswer)]
struct EmailsView {
    /// In the order of the request.
    data: Vec<EmailView>,
}

/// What became of one mail: its job, or why there is none.
#[derive(Serialize, ToSchema)]
#[schema(as = EmailAnswer)]
struct EmailView {
    /// What the answer would be if it had been asked for alone: 202, 422 or 429.
    #[schema(minimum = 200, maximum = 499)]
    status: u16,
    /// The job, which is on disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    job: Option<JobView>,
    /// Why it was not accepted; pointers are into the whole request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<ProblemBody>)]
    problem: Option<Value>,
    /// After how many seconds it may be asked for again, where it is beyond what may be for now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    retry_after_s: Option<u64>,
}

/// A mail that is fine so far.
struct Ready {
    job: NewJob,
    mails: usize,
    uploads: Vec<UploadId>,
}

/// Sends up to a thousand mails.
///
/// Each is checked and counted as `/v1/emails` would. With `atomic` the first refusal refuses all; otherwise each has its own
/// answer, in the order of the request. Of one mail at most five errors are told. Together the mails have at most 1,000
/// different files, and 32 MiB as they are once templates are filled in; what is beyond that is refused.
#[utoipa::path(
    post, path = "/v1/emails/batch", tag = "work", security(("member" = [])),
    request_body(content = EmailsBody, examples(
        ("each" = (summary = "Each for itself", value = json!({ "messages": [
            { "to": "eve@example.com", "template": "welcome", "data": { "name": "Eve", "link": "https://example.com/x" },
              "run_at": "2030-01-01T08:30:00Z", "tags": ["welcome"] }
        ] }))),
        ("atomic" = (summary = "All or none, with one file", value = json!({ "atomic": true, "messages": [
            { "to": "bob@example.com", "subject": "Terms", "text": "They are attached.",
              "attachments": [{ "upload": "upl_0193a0f2b1c47d3e8f90a1b2c3d4e5f6" }] }
        ] }))),
    )),
    responses((
        status = 202, description = "What became of each mail; what has a job is on disk.", body = EmailsView,
        headers(("Idempotent-Replayed" = String, description = "`true` where the answer is that of an earlier request.")),
    )),
)]
pub(in crate::api) async fn create_emails(
    Then(member, StrictJson(body)): Then<Member, StrictJson<EmailsBody>>,
    state: web::Data<State>,
    client: Client,
    request: RequestId,
    asked: Asked,
) -> Result<HttpResponse, Problem> {
    let is_atomic = body.atomic.unwrap_or(false);
    if body.messages.is_empty() || body.messages.len() > MESSAGES_MAX {
        return Err(refusal("/messages", format!("must have 1 to {MESSAGES_MAX} mails")));
    }
    let (keyed, workspace) = (asked.keyed()?, member.account.workspace);
    let (_turn, known) = begun(keyed.as_ref(), workspace, &state).await?;
    if let (Some(Keyed { fingerprint, .. }), Some(known)) = (&keyed, known) {
        return replayed(known, fingerprint);
    }
    let (mut mails, contents) = checked(body.messages, &member, &state, &request).await?;
    if is_atomic {
        all_fine(&mails)?;
    }
    take(&mut mails, is_atomic, &member, &client, &state)?;
    let files = JobFiles::of(contents, &member, &state);
    let text = answer_of(&mails, &request, &state)?;
    let entered = commit(&mails, files, keyed.as_ref(), &text, &state).await;
    if !matches!(entered, Ok(Entered::New)) {
        give_back(&mails, &member, &state);
    }
    match entered? {
        Entered::New => {}
        Entered::Known(known) => {
            let fingerprint = keyed.map(|keyed| keyed.fingerprint).unwrap_or_default();
            return replayed(known, &fingerprint);
        }
        Entered::Held => {
            return Err(Problem::conflict(
                "another request with this Idempotency-Key is at work",
            ));
        }
    }
    mails.iter().flatten().for_each(|ready| log_enqueued(&ready.job));
    Ok(accepted().body(text))
}

fn accepted() -> actix_web::HttpResponseBuilder {
    let mut answer = HttpResponse::build(StatusCode::ACCEPTED);
    answer.content_type("application/json");
    answer
}

fn refusal(pointer: &str, detail: String) -> Problem {
    Problem::invalid_input(vec![FieldError {
        pointer: pointer.to_owned(),
        detail,
    }])
}

/// The answer of the first time.
fn replayed(known: KeptAnswer, fingerprint: &str) -> Result<HttpResponse, Problem> {
    if known.fingerprint != fingerprint {
        return Err(Problem::new(
            Slug::KeyReused,
            "this Idempotency-Key stands for a request with another body; take a new key for a new request",
        ));
    }
    Ok(accepted().insert_header((REPLAYED, "true")).body(known.body))
}

/// Each mail, or what is wrong with it; and the contents that come with them.
async fn checked(
    messages: Vec<Unread>,
    member: &Member,
    state: &State,
    request: &RequestId,
) -> Result<(Vec<Result<Ready, Problem>>, Contents), Problem> {
    let read = messages.into_iter().enumerate();
    let mut bodies: Vec<Result<NewEmailBody, Problem>> = read
        .map(|(index, message)| message.read(&format!("/messages/{index}")))
        .collect();
    files_counted(bodies.iter().flatten(), "/messages")?;
    let mut contents = Contents::of(bodies.iter_mut().flatten()).await?;
    let surroundings = Surroundings::of(bodies.iter().flatten(), member, state).await?;
    let workspace = member.account.workspace;
    let (mut mails, mut room) = (Vec::with_capacity(bodies.len()), ArgsRoom::new());
    for (index, body) in bodies.into_iter().enumerate() {
        let at = format!("/messages/{index}");
        let mail = match body {
            Ok(body) => {
                let within = (&surroundings, &mut contents, &mut room);
                ready(body, at, workspace, within, (state, request)).await
            }
            Err(problem) => Err(problem),
        };
        mails.push(mail.map_err(shortened));
    }
    Ok((mails, contents))
}

/// One mail, if nothing is wrong with it.
async fn ready(
    mut body: NewEmailBody,
    at: String,
    workspace: WorkspaceId,
    (surroundings, contents, room): (&Surroundings<'_>, &mut Contents, &mut ArgsRoom),
    (state, request): (&State, &RequestId),
) -> Result<Ready, Problem> {
    let (mut fields, now) = (Fields::new(), state.clock.now());
    fields.enter(at.clone());
    if !room.is_open(&mut fields) {
        return fields.finish_with(None);
    }
    let order: Order = alone(body.wishes(), &mut fields).checked(&mut fields, request, now);
    let args = body.args(surroundings, contents, &mut fields).await?;
    let args = fields.finish_with(args)?;
    let job = new_job::<EmailSend>(&args, workspace, now, order).map_err(Problem::internal)?;
    let mut fields = Fields::new();
    fields.enter(at);
    room.take(job.args.len(), &mut fields);
    fields.finish()?;
    Ok(Ready {
        job,
        mails: args.mails(),
        uploads: args.uploads(),
    })
}

/// The refusal of one mail with the first of what is wrong with it.
fn shortened(problem: Problem) -> Problem {
    match problem.errors().get(..ERRORS_A_MAIL_MAX) {
        Some(first) if first.len() < problem.errors().len() => Problem::invalid_input(first.to_vec()),
        _ => problem,
    }
}

/// The wishes without those that are about one job alone.
fn alone(mut wishes: Wishes, fields: &mut Fields) -> Wishes {
    if wishes.unique.take().is_some() {
        fields.refuse("/unique", "is not taken here: a batch is of the mails that it names");
    }
    if wishes.after.take().is_some() | wishes.after_failure.take().is_some() {
        fields.refuse(
            "/after",
            "is not taken here; /v1/batches takes jobs that wait for others",
        );
    }
    wishes
}

/// # Errors
/// 422 with what is wrong with all of them together, if anything is.
fn all_fine(mails: &[Result<Ready, Problem>]) -> Result<(), Problem> {
    let mut errors: Vec<FieldError> = Vec::new();
    for mail in mails {
        match mail {
            Ok(_) => {}
            Err(problem) if problem.errors().is_empty() => return Err(problem.clone()),
            Err(problem) => errors.extend_from_slice(problem.errors()),
        }
    }
    errors.truncate(Fields::ERRORS_MAX);
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Problem::invalid_input(errors))
    }
}

/// Takes their places of the limits: of all, or of each for itself, with the refusal in the place of one that may not be.
///
/// # Errors
/// 429 and 422 as each mail would have it, where all are to be accepted; 429 for what the network may not.
fn take(
    mails: &mut [Result<Ready, Problem>],
    is_atomic: bool,
    member: &Member,
    client: &Client,
    state: &State,
) -> Result<(), Problem> {
    if is_atomic {
        let works: Vec<(Queue, usize)> = mails.iter().flatten().map(|ready| (Queue::Mail, ready.mails)).collect();
        state.throttle.take_batch(&member.account, &works, "/messages")?;
    } else {
        for (index, mail) in mails.iter_mut().enumerate() {
            let taken = match mail {
                Ok(ready) => {
                    let (works, pointer) = ([(Queue::Mail, ready.mails)], format!("/messages/{index}/to"));
                    state.throttle.take_batch(&member.account, &works, &pointer)
                }
                Err(_) => Ok(()),
            };
            if let Err(problem) = taken {
                *mail = Err(problem);
            }
        }
    }
    let count = mails.iter().flatten().count();
    // That of the network last: what the workspace may not does not use up what others share.
    let taken = state
        .throttle
        .take_network_work(&member.account, client, count, "/messages");
    taken.inspect_err(|_| give_back(mails, member, state))
}

/// Nothing came of the places that these took.
fn give_back(mails: &[Result<Ready, Problem>], member: &Member, state: &State) {
    for ready in mails.iter().flatten() {
        state.throttle.give_back(&member.account, Queue::Mail, ready.mails);
    }
}

/// The body of the answer.
fn answer_of(mails: &[Result<Ready, Problem>], request: &RequestId, state: &State) -> Result<String, Problem> {
    let view = |mail: &Result<Ready, Problem>| -> Result<EmailView, serde_json::Error> {
        Ok(match mail {
            Ok(ready) => EmailView {
                status: StatusCode::ACCEPTED.as_u16(),
                job: Some(JobView::of_new(&ready.job, state)),
                problem: None,
                retry_after_s: None,
            },
            Err(problem) => EmailView {
                status: problem.slug().status().as_u16(),
                job: None,
                problem: Some(serde_json::to_value(problem.body(Some(request.as_str())))?),
                retry_after_s: problem.retry_after_s(),
            },
        })
    };
    let data: Result<Vec<EmailView>, serde_json::Error> = mails.iter().map(view).collect();
    let text = data.and_then(|data| serde_json::to_string(&EmailsView { data }));
    text.map_err(Problem::internal)
}

/// Commits the key, if there is one, the files and the jobs.
async fn commit(
    mails: &[Result<Ready, Problem>],
    files: JobFiles,
    keyed: Option<&Keyed>,
    text: &str,
    state: &State,
) -> Result<Entered, Problem> {
    let jobs: Vec<NewJob> = mails.iter().flatten().map(|ready| ready.job.clone()).collect();
    let Some(first) = jobs.first() else {
        return Ok(Entered::New);
    };
    let uses = mails.iter().flatten();
    let uses = uses.flat_map(|ready| ready.uploads.iter().map(|upload| (*upload, ready.job.id)));
    let uses: Vec<(UploadId, JobId)> = uses.collect();
    let kept = keyed.map(|keyed| KeptAnswer {
        workspace: first.workspace,
        key: keyed.key.clone(),
        fingerprint: keyed.fingerprint.clone(),
        job: first.id,
        body: text.to_owned(),
        expires_at: files.now().plus(state.config.idempotency.window),
    });
    if kept.is_none() && uses.is_empty() {
        // As data, which shares its statements with others'.
        return Ok(state.store.enqueue(jobs).await.map(|()| Entered::New)?);
    }
    let write = state.store.write(move |tx| {
        if let Some(kept) = &kept {
            let entered = enter(tx.connection(), kept, files.now())?;
            if entered != Entered::New {
                return Ok(entered);
            }
        }
        files.enter(tx, &uses)?;
        tx.enqueue_all(&jobs)?;
        Ok(Entered::New)
    });
    write.await.map_err(or_refused(files_refused))
}
