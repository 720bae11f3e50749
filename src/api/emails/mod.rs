//! `POST /v1/emails`: a mail, in the client's words or by a template.
//!
//! Guarantees: whatever can be known to be wrong is refused now, each field by its pointer, so that an accepted mail fails
//! only by what the relay says. The sender is the service's, never the client's. Each recipient counts as one mail of what
//! the workspace may send.

mod body;
mod recipients;
mod words;

use actix_web::{HttpResponse, web};

pub(super) use self::body::NewEmailBody;
use super::State;
use super::auth::Member;
use super::http::{Fields, Problem, RequestId, StrictJson};
use super::openapi::Accepted;
use super::then::Then;
use super::work::{Asked, accept_mail};
use crate::jobs::kinds::EmailSend;

/// Sends a mail.
///
/// All recipients see each other, and one who is refused does not keep it from the others: the job's result tells of each.
/// The sender is the service's own.
#[utoipa::path(
    post, path = "/v1/emails", tag = "work", security(("member" = [])),
    request_body(content = NewEmailBody, examples(
        ("written" = (summary = "In one's own words", value = json!({
            "to": "bob@example.com", "subject": "Hello", "text": "Are you well?",
            "html": "<p>Are you <b>well</b>?</p>", "max_attempts": 3
        }))),
        ("template" = (summary = "By a template", value = json!({
            "to": ["bob@example.com"], "template": "welcome",
            "data": { "name": "Bob", "link": "https://example.com/x" }, "locale": "de-AT",
            "run_at": "2030-01-01T08:30:00Z", "deadline_at": "2030-02-01T08:30:00Z", "priority": 5,
            "when_uncertain": "hold"
        }))),
        ("unique" = (summary = "Once a minute at most", value = json!({
            "to": "bob@example.com", "subject": "Alarm", "text": "The door is open.",
            "unique": { "key": "alarm", "for_s": 60 }
        }))),
        ("after" = (summary = "Once another job has completed", value = json!({
            "to": "bob@example.com", "subject": "Done", "text": "All is done.",
            "after": ["job_0193a0f2b1c47d3e8f90a1b2c3d4e5f6"], "after_failure": "cancel"
        }))),
    )),
    responses(Accepted),
)]
pub(super) async fn create_email(
    Then(member, StrictJson(mut body)): Then<Member, StrictJson<NewEmailBody>>,
    state: web::Data<State>,
    request: RequestId,
    asked: Asked,
) -> Result<HttpResponse, Problem> {
    let mut fields = Fields::new();
    let order = body.wishes().checked(&mut fields, &request, state.clock.now());
    let args = body.args(Some(member.account.workspace), &state, &mut fields).await?;
    let args = fields.finish_with(args)?;
    accept_mail::<EmailSend>(&args, args.to.len(), order, &member, &state, &asked).await
}
