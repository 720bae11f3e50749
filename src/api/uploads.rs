//! Uploads: files that mails need, sent once and named by their id.
//!
//! Guarantees: a file is written piece by piece as it arrives, so that its length costs no memory, and is there for mails once
//! all of it is committed; it counts into the quota of its workspace from its first piece on; one of another workspace is not
//! found, operators included, since it may hold anything.
//!
//! Left out: fetching the bytes again. Whoever uploaded them has them.

use actix_web::http::header::{self, ContentDisposition, DispositionParam};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::State;
use super::auth::Member;
use super::client::Client;
use super::emails::{files_refused, hex};
use super::failure::or_refused;
use super::http::{Fields, PathParam, Problem, RawBody, RequestId, StrictQuery};
use super::page::{Page, PageQuery};
use super::then::Then;
use crate::clock::Timestamp;
use crate::domain::email::{AttachmentName, MediaType};
use crate::domain::id::UploadId;
use crate::store::uploads::{self, CHUNK_BYTES_MAX, NewUpload, UploadRecord, UploadRefused};
use crate::store::{Abort, JobScope};
use crate::telemetry::names::event;

/// How long what has arrived of a file is kept that never becomes whole.
const UNFINISHED_KEPT: std::time::Duration = std::time::Duration::from_hours(1);

/// An upload.
#[derive(Serialize, ToSchema)]
#[schema(as = Upload)]
struct UploadView {
    id: UploadId,
    name: String,
    content_type: String,
    /// How many it has.
    bytes: u64,
    /// Its SHA-256, in hexadecimal digits.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    sha256: String,
    created_at: Timestamp,
    /// Until when it is kept, unless a mail needs it that has not ended by then, or is uncertain; a mail that is accepted moves it.
    expires_at: Timestamp,
}

impl From<UploadRecord> for UploadView {
    fn from(record: UploadRecord) -> Self {
        Self {
            id: record.id,
            name: record.name,
            content_type: record.content_type,
            bytes: record.bytes,
            sha256: record.sha256,
            created_at: record.created_at,
            expires_at: record.expires_at,
        }
    }
}

/// What the file is called.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct NameQuery {
    /// Its name; or that in `Content-Disposition`.
    #[param(nullable = false, min_length = 1, max_length = 200)]
    name: Option<String>,
}

/// Uploads a file that mails can have as an attachment.
///
/// The body is the file itself, of the media type that `Content-Type` says.
#[utoipa::path(
    post, path = "/v1/uploads", tag = "resources", security(("member" = [])), params(NameQuery),
    request_body(
        content = String, content_type = "application/octet-stream", description = "The bytes of the file.",
        example = "What the file says.",
    ),
    responses(
        (status = 201, description = "The upload.", body = UploadView,
         headers(("Location" = String, description = "Where to look at the upload."))),
        (status = 409, description = "The workspace would keep more bytes than it may, or more than 20,000 uploads; it can delete some."),
        (status = 429, description = "It would be more than may be asked for."),
    ),
)]
pub(super) async fn create_upload(
    Then(member, Then(StrictQuery(query), mut body)): Then<Member, Then<StrictQuery<NameQuery>, RawBody>>,
    state: web::Data<State>,
    client: Client,
    http: HttpRequest,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let (name, media_type) = described(query, &http)?;
    state.throttle.take_network_work(&member.account, &client, 1, "")?;
    let (now, workspace) = (state.clock.now(), member.account.workspace);
    let new = NewUpload {
        id: UploadId::generate(),
        workspace,
        name: name.as_str().to_owned(),
        content_type: media_type.to_string(),
        created_at: now,
        expires_at: now.plus(UNFINISHED_KEPT),
    };
    let id = new.id;
    let stored = store_body(&mut body, new, &state).await;
    if stored.is_err() {
        // What is left where this fails too, or the client goes away, is cleared away within the hour.
        let write = state
            .store
            .write(move |tx| Ok::<_, Abort<()>>(uploads::drop_unfinished(tx.connection(), id)?));
        drop(write.await);
    }
    let record = stored?;
    tracing::info!(
        event = event::UPLOAD_STORED,
        upload = %record.id,
        %workspace,
        bytes = record.bytes,
        account = %member.account.id,
        request_id = request.as_str(),
        "a file was uploaded"
    );
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/v1/uploads/{}", record.id)))
        .json(UploadView::from(record)))
}

/// What a file is called and is, as the request's query and head say it.
fn described(query: NameQuery, request: &HttpRequest) -> Result<(AttachmentName, MediaType), Problem> {
    let mut fields = Fields::new();
    let disposed = || {
        let value = request.headers().get(header::CONTENT_DISPOSITION)?;
        let disposition = ContentDisposition::from_raw(value).ok()?;
        let extended = disposition.parameters.iter().find_map(|parameter| match parameter {
            DispositionParam::FilenameExt(name) => String::from_utf8(name.value.clone()).ok(),
            _ => None,
        });
        extended.or_else(|| disposition.get_filename().map(str::to_owned))
    };
    let name = query.name.or_else(disposed);
    let missing = "is required, or a filename in Content-Disposition";
    let name = match name {
        Some(name) => fields.check("/query/name", AttachmentName::parse(&name)),
        None => fields.check("/query/name", Err(missing)),
    };
    let media_type = match request.headers().get(header::CONTENT_TYPE).map(|value| value.to_str()) {
        None => Ok(MediaType::default()),
        Some(Ok(text)) => MediaType::parse(text).map_err(|error| error.to_string()),
        Some(Err(_)) => Err("must be ASCII".to_owned()),
    };
    let media_type =
        media_type.map_err(|error| Problem::unsupported_media_type(format!("the Content-Type of a file {error}")));
    Ok((fields.finish_with(name)?, media_type?))
}

/// Writes the body piece by piece, each committed before the next is read.
async fn store_body(body: &mut RawBody, new: NewUpload, state: &State) -> Result<UploadRecord, Problem> {
    let (id, workspace, stored_max) = (new.id, new.workspace, state.config.limits.bytes_stored_max);
    body.limit(state.config.uploads.max_bytes)?;
    let (mut digest, mut piece) = (Sha256::new(), 0);
    while let Some(data) = body.next(CHUNK_BYTES_MAX).await? {
        digest.update(&data);
        let new = (piece == 0).then(|| new.clone());
        let write = state.store.write(move |tx| {
            if let Some(new) = &new {
                uploads::begin(tx.connection(), new, stored_max)?;
            }
            uploads::add(tx.connection(), (id, workspace), piece, &data, stored_max)
        });
        write.await.map_err(or_refused(files_refused))?;
        piece += 1;
    }
    if piece == 0 {
        return Err(Problem::bad_request(
            "the body is empty; it must be the bytes of the file",
        ));
    }
    let sha256 = hex(&digest.finalize());
    let kept_until = state.clock.now().plus(state.config.uploads.kept);
    let write = state
        .store
        .write(move |tx| uploads::finish(tx.connection(), id, &sha256, kept_until));
    write.await.map_err(or_refused(files_refused))
}

/// Lists the workspace's uploads, the newest first.
///
/// The contents that came with mails are among them.
#[utoipa::path(
    get, path = "/v1/uploads", tag = "resources", security(("member" = [])), params(PageQuery),
    responses((status = 200, description = "A page of uploads.", body = Page<UploadView>)),
)]
pub(super) async fn list_uploads(
    Then(member, StrictQuery(query)): Then<Member, StrictQuery<PageQuery>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (before, size) = query.checked::<UploadId>()?;
    let workspace = member.account.workspace;
    let read = state.store.read(move |connection| {
        // One more than is shown tells whether there are more.
        uploads::list(connection, workspace, before, size.saturating_add(1))
    });
    let found = read.await?;
    Ok(HttpResponse::Ok().json(Page::of(found, size, |last| last.id, UploadView::from)))
}

/// Shows an upload.
#[utoipa::path(
    get, path = "/v1/uploads/{id}", tag = "resources", security(("member" = [])),
    params(("id" = UploadId, Path, description = "Which upload.")),
    responses((status = 200, description = "The upload.", body = UploadView)),
)]
pub(super) async fn show_upload(
    Then(member, PathParam(id)): Then<Member, PathParam<UploadId>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let scope = JobScope::Workspace(member.account.workspace);
    let read = state.store.read(move |connection| uploads::one(connection, id, scope));
    let record = read.await?.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(UploadView::from(record)))
}

/// Deletes an upload that no mail needs which has not ended.
#[utoipa::path(
    delete, path = "/v1/uploads/{id}", tag = "resources", security(("member" = [])),
    params(("id" = UploadId, Path, description = "Which upload.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 409, description = "A mail needs it that has not ended, or is uncertain."),
    ),
)]
pub(super) async fn delete_upload(
    Then(member, PathParam(id)): Then<Member, PathParam<UploadId>>,
    state: web::Data<State>,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let workspace = member.account.workspace;
    let write = state
        .store
        .write(move |tx| uploads::delete(tx.connection(), id, workspace));
    write.await.map_err(or_refused(|refusal| match refusal {
        UploadRefused::Gone(_) => Problem::not_found(),
        other => files_refused(other),
    }))?;
    tracing::info!(
        event = event::UPLOAD_DELETED,
        upload = %id,
        %workspace,
        account = %member.account.id,
        request_id = request.as_str(),
        "an upload was deleted"
    );
    Ok(HttpResponse::NoContent().finish())
}
