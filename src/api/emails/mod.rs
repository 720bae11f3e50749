//! Mails: one ([`create_email`]) or up to a thousand at once ([`batch`]), in the client's words or by a template.
//!
//! Guarantees: whatever can be known to be wrong is refused now, each field by its pointer, so that an accepted mail fails
//! only by what the relay says. The sender is the service's, or an address of a domain that an operator granted to the
//! workspace, so that nobody can send in a stranger's name. Each recipient counts as one mail of what the workspace may send.

mod args_room;
mod batch;
mod body;
mod files;
mod recipients;
mod surroundings;
mod uncertain;
mod unsubscribing;
mod words;

use actix_web::{HttpResponse, web};

pub(super) use self::args_room::ArgsRoom;
pub(super) use self::batch::{__path_create_emails, create_emails};
pub(super) use self::body::NewEmailBody;
pub(super) use self::files::{Contents, JobFiles, files_counted, files_refused, hex};
pub(super) use self::surroundings::Surroundings;
use super::State;
use super::auth::Member;
use super::http::{Fields, Problem, RequestId, StrictJson};
use super::openapi::Accepted;
use super::then::Then;
use super::work::{Asked, accept_with};
use crate::domain::id::UploadId;
use crate::jobs::kinds::EmailSend;
use crate::store::{NewJob, Tx};

/// Sends a mail.
///
/// All recipients in `to` and `cc` see each other, and one who is refused does not keep it from the others: the job's result
/// tells of each. The envelope's sender is always the service's own, so that what cannot be delivered comes back to it. Who is
/// suppressed in the stream when it is sent is left out, and the result says so.
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
            "on_uncertain": "hold"
        }))),
        ("whole" = (summary = "With copies, headers, files and marks", value = json!({
            "to": { "email": "bob@example.com", "name": "Bob" }, "cc": ["eve@example.com"], "bcc": "log@example.com",
            "reply_to": "Desk <desk@example.com>", "subject": "Your invoice", "text": "It is attached.",
            "html": "<p>It is attached.</p><img src=\"cid:logo\">",
            "headers": { "X-Campaign": "invoices", "References": "<1@example.com>" },
            "attachments": [
                { "upload": "upl_0193a0f2b1c47d3e8f90a1b2c3d4e5f6" },
                { "name": "logo.png", "content_type": "image/png", "content": "iVBORw0KGgo=", "inline": true, "content_id": "logo" }
            ],
            "tags": ["invoice"], "metadata": { "order": "17" }
        }))),
        ("unique" = (summary = "Once a minute at most", value = json!({
            "to": "bob@example.com", "subject": "Alarm", "text": "The door is open.",
            "unique": { "key": "alarm", "for_s": 60 }
        }))),
        ("news" = (summary = "Of a stream that its reader can end", value = json!({
            "to": "bob@example.com", "subject": "News", "text": "We are well.", "stream": "news", "list_unsubscribe": true
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
    let mut contents = Contents::of([&mut body]).await?;
    let surroundings = Surroundings::of([&body], &member, &state).await?;
    let mut fields = Fields::new();
    let order = body.wishes().checked(&mut fields, &request, state.clock.now());
    let args = body.args(&surroundings, &mut contents, &mut fields).await?;
    let args = fields.finish_with(args)?;
    let (uploads, files) = (args.uploads(), JobFiles::of(contents, &member, &state));
    let besides = (!uploads.is_empty()).then_some(move |tx: &mut Tx<'_>, job: &NewJob| {
        let uses: Vec<(UploadId, _)> = uploads.iter().map(|upload| (*upload, job.id)).collect();
        files.enter(tx, &uses)
    });
    let mails = args.mails();
    accept_with::<EmailSend, _, _>(&args, mails, order, &member, &state, &asked, (besides, files_refused)).await
}
