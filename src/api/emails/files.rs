//! The files of a mail: uploads that it names, and contents that come with it.
//!
//! Guarantees: a content is stored as an upload of the workspace in the transaction of the job that needs it, so that whichever
//! node performs the job finds it, and counts into the quota; the same content twice in one request is stored once; a mail that
//! would be too large, or has a file that mail providers refuse, is refused here; so is a request with more files than one
//! transaction can enter beside those of others. Contents are decoded and digested where that
//! holds up nobody.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use actix_web::web;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::NewEmailBody;
use super::surroundings::Surroundings;
use crate::api::State;
use crate::api::auth::Member;
use crate::api::http::{FieldError, Fields, Problem};
use crate::api::quota;
use crate::clock::Timestamp;
use crate::domain::email::{AttachmentName, ContentId, MediaType, refused_type};
use crate::domain::id::{JobId, UploadId, WorkspaceId};
use crate::jobs::kinds::Attached;
use crate::store::reports::NoRoom;
use crate::store::uploads::{self, NewUpload, UPLOADS_MAX, UploadRefused, WholeUpload};
use crate::store::{Abort, Tx};

/// The most files of one mail.
const FILES_MAX: usize = 100;

/// The most files of one request that differ: each is a few statements of one transaction.
const DIFFERENT_FILES_MAX: usize = 1_000;

/// The most files of one request, counting those that several mails have as often as they do: each is a row.
const FILES_OF_REQUEST_MAX: usize = 10_000;

/// A file of a mail: an upload by its id, or its content.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewAttachment)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct AttachmentBody {
    /// The upload; or `content`.
    upload: Option<UploadId>,
    /// What it is called in the mail; an upload's own name unless given.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// Its media type; an upload's own, or `application/octet-stream`, unless given.
    #[schema(max_length = 255)]
    content_type: Option<String>,
    /// The file itself in base64, without line breaks; or `upload`.
    #[schema(min_length = 1, format = "byte")]
    content: Option<String>,
    /// Whether the HTML shows it, by `cid:` and its `content_id`; false unless given.
    inline: Option<bool>,
    /// By what the HTML names it: `<img src="cid:logo">` shows the one with `logo`.
    #[schema(min_length = 1, max_length = 100, pattern = "^[A-Za-z0-9._+-]+(@[A-Za-z0-9._+-]+)?$")]
    content_id: Option<String>,
}

/// A content that came with a mail.
pub(in crate::api) struct Content {
    id: UploadId,
    bytes: Vec<u8>,
    sha256: String,
}

/// Refuses mails of one request that have too many files together; each content counts as a file of its own.
///
/// # Errors
/// 422 at `pointer`.
pub(in crate::api) fn files_counted<'b>(
    bodies: impl IntoIterator<Item = &'b NewEmailBody>,
    pointer: &str,
) -> Result<(), Problem> {
    let (mut all, mut contents, mut uploads) = (0_usize, 0_usize, HashSet::new());
    for file in bodies.into_iter().flat_map(|body| body.attachments.iter().flatten()) {
        all += 1;
        match file.upload {
            Some(id) => drop(uploads.insert(id)),
            None => contents += 1,
        }
    }
    if all > FILES_OF_REQUEST_MAX || contents + uploads.len() > DIFFERENT_FILES_MAX {
        return Err(Problem::invalid_input(vec![FieldError {
            pointer: pointer.to_owned(),
            detail: format!(
                "must have at most {DIFFERENT_FILES_MAX} different files, and {FILES_OF_REQUEST_MAX} files in all; what several \
                 mails have can be one upload"
            ),
        }]));
    }
    Ok(())
}

/// The contents of one request, in the order in which they came; nothing in the place of one that is no base64.
#[derive(Default)]
pub(in crate::api) struct Contents {
    decoded: Vec<Option<Arc<Content>>>,
    /// Which of them are to be stored, by what they are called and are.
    stored: HashMap<(String, String, String), Arc<Content>>,
}

impl Contents {
    /// Takes the contents out of these bodies and decodes them.
    ///
    /// # Errors
    /// 503 where the process is on its way down.
    pub(in crate::api) async fn of<'b>(
        bodies: impl IntoIterator<Item = &'b mut NewEmailBody>,
    ) -> Result<Self, Problem> {
        let files = bodies
            .into_iter()
            .flat_map(|body| body.attachments.iter_mut().flatten());
        // The place of each among them stays where its text was, so that each file finds its own whatever became of others.
        let texts = files.filter_map(|file| file.content.as_mut()).enumerate();
        let texts: Vec<String> = texts
            .map(|(place, text)| std::mem::replace(text, place.to_string()))
            .collect();
        if texts.is_empty() {
            return Ok(Self::default());
        }
        let decode = move || texts.into_iter().map(|text| decoded(&text)).collect();
        Ok(Self {
            decoded: web::block(decode).await.map_err(Problem::internal)?,
            ..Self::default()
        })
    }

    /// The content whose place stands where its text was.
    fn at(&self, place: &str) -> Option<Arc<Content>> {
        let place: usize = place.parse().ok()?;
        self.decoded.get(place).cloned().flatten()
    }

    /// The one to store in the place of this one: an equal one, if there is one that is called and is the same.
    fn once(&mut self, content: Arc<Content>, name: &AttachmentName, media_type: &MediaType) -> Arc<Content> {
        let key = (
            content.sha256.clone(),
            name.as_str().to_owned(),
            media_type.as_str().to_owned(),
        );
        Arc::clone(self.stored.entry(key).or_insert(content))
    }
}

fn decoded(text: &str) -> Option<Arc<Content>> {
    let bytes = STANDARD.decode(text).ok().filter(|bytes| !bytes.is_empty())?;
    let sha256 = hex(&Sha256::digest(&bytes));
    Some(Arc::new(Content {
        id: UploadId::generate(),
        bytes,
        sha256,
    }))
}

/// Bytes as lower-case hexadecimal digits.
pub(in crate::api) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl AttachmentBody {
    pub(super) fn upload(&self) -> Option<UploadId> {
        self.upload
    }
}

/// The files of a mail whose texts have so many bytes, with what is wrong noted in `fields`.
pub(super) fn attached(
    given: Option<Vec<AttachmentBody>>,
    text_bytes: usize,
    surroundings: &Surroundings<'_>,
    contents: &mut Contents,
    fields: &mut Fields,
) -> Vec<Attached> {
    let given = given.unwrap_or_default();
    if given.len() > FILES_MAX {
        fields.refuse("/attachments", format!("must have at most {FILES_MAX} files"));
    }
    let (mut files, mut ids) = (Vec::with_capacity(given.len()), HashSet::new());
    for (index, one) in given.into_iter().enumerate() {
        let at = format!("/attachments/{index}");
        let Some(file) = file(&one, &at, surroundings, contents, fields) else {
            continue;
        };
        if file.content_id.as_ref().is_some_and(|id| !ids.insert(id.clone())) {
            fields.refuse(&format!("{at}/content_id"), "must not be that of another file");
        }
        files.push(file);
    }
    let size = files
        .iter()
        .fold(text_bytes, |sum, file| sum.saturating_add(on_the_wire(file.bytes)));
    if size > surroundings.message_bytes_max && !files.is_empty() {
        fields.refuse(
            "/attachments",
            format!(
                "make a mail of {size} bytes, counted after base64; it may have {}",
                surroundings.message_bytes_max
            ),
        );
    }
    files
}

/// How many bytes a file takes as base64 in lines of 76 letters, with the head of its part.
fn on_the_wire(bytes: u64) -> usize {
    const HEAD: u64 = 600;
    let letters = bytes.div_ceil(3).saturating_mul(4);
    let all = letters
        .saturating_add(letters.div_ceil(76).saturating_mul(2))
        .saturating_add(HEAD);
    usize::try_from(all).unwrap_or(usize::MAX)
}

fn file(
    given: &AttachmentBody,
    at: &str,
    surroundings: &Surroundings<'_>,
    contents: &mut Contents,
    fields: &mut Fields,
) -> Option<Attached> {
    let content = given.content.as_deref().map(|place| contents.at(place));
    let content_id = content_id(given, at, fields);
    let name = given.name.as_deref().map(AttachmentName::parse);
    let name = match name {
        Some(name) => Some(fields.check(&format!("{at}/name"), name)?),
        None => None,
    };
    let media_type = given.content_type.as_deref().map(MediaType::parse);
    let media_type = match media_type {
        Some(kind) => Some(fields.check(&format!("{at}/content_type"), kind)?),
        None => None,
    };
    let file = match (given.upload, content) {
        (Some(id), None) => {
            let Some(known) = surroundings.uploads.get(&id) else {
                fields.refuse(&format!("{at}/upload"), "is no upload of this workspace");
                return None;
            };
            let known_name = || AttachmentName::parse(&known.name).ok();
            Attached {
                upload: id,
                name: name.or_else(known_name)?,
                media_type: media_type.unwrap_or_else(|| MediaType::parse(&known.content_type).unwrap_or_default()),
                bytes: known.bytes,
                content_id,
            }
        }
        (None, Some(content)) => {
            let content = content.ok_or("must be base64 of at least one byte, without line breaks");
            let content = fields.check(&format!("{at}/content"), content);
            let name = fields.check(&format!("{at}/name"), name.ok_or("is required where content is given"))?;
            let media_type = media_type.unwrap_or_default();
            let content = contents.once(content?, &name, &media_type);
            Attached {
                upload: content.id,
                name,
                media_type,
                bytes: u64::try_from(content.bytes.len()).unwrap_or(u64::MAX),
                content_id,
            }
        }
        (_, _) => {
            fields.refuse(at, "must have either upload or content, and not both");
            return None;
        }
    };
    if let Some(what) = refused_type(&file.name, &file.media_type) {
        fields.refuse(
            &format!("{at}/name"),
            format!("is of a sort that mail providers refuse, since it runs when it is opened: {what}"),
        );
        return None;
    }
    Some(file)
}

/// By what the HTML names a file that it shows.
fn content_id(given: &AttachmentBody, at: &str, fields: &mut Fields) -> Option<ContentId> {
    let pointer = format!("{at}/content_id");
    match (given.inline.unwrap_or(false), given.content_id.as_deref()) {
        (true, Some(id)) => fields.check(&pointer, ContentId::parse(id)),
        (true, None) => fields.check(&pointer, Err("is required where inline is true")),
        (false, Some(_)) => fields.check(&pointer, Err("is for a file with inline: true")),
        (false, None) => None,
    }
}

/// The files that jobs of one workspace need, to be entered in their transaction.
#[derive(Clone)]
pub(in crate::api) struct JobFiles {
    workspace: WorkspaceId,
    new: Vec<(NewUpload, Arc<Content>)>,
    now: Timestamp,
    until: Timestamp,
    stored_max: u64,
}

impl JobFiles {
    /// The contents of a request of this member.
    pub(in crate::api) fn of(contents: Contents, member: &Member, state: &State) -> Self {
        let (now, workspace) = (state.clock.now(), member.account.workspace);
        let until = now.plus(state.config.uploads.kept);
        let new = contents.stored.into_iter().map(|((_, name, content_type), content)| {
            let new = NewUpload {
                id: content.id,
                workspace,
                name,
                content_type,
                created_at: now,
                expires_at: until,
            };
            (new, content)
        });
        Self {
            workspace,
            new: new.collect(),
            now,
            until,
            stored_max: state.config.limits.bytes_stored_max,
        }
    }

    /// Stores those contents that jobs need, and notes which jobs need what.
    pub(in crate::api) fn enter(
        &self,
        tx: &mut Tx<'_>,
        uses: &[(UploadId, JobId)],
    ) -> Result<(), Abort<UploadRefused>> {
        if uses.is_empty() {
            return Ok(());
        }
        let connection = tx.connection();
        let needed: HashSet<UploadId> = uses.iter().map(|(upload, _)| *upload).collect();
        let new = self.new.iter().filter(|(new, _)| needed.contains(&new.id));
        let new = new.map(|(new, content)| WholeUpload {
            new,
            data: &content.bytes,
            sha256: &content.sha256,
        });
        uploads::add_whole(connection, self.workspace, &Vec::from_iter(new), self.stored_max)?;
        uploads::need(connection, self.workspace, uses, self.until)
    }

    /// When the request came.
    pub(in crate::api) const fn now(&self) -> Timestamp {
        self.now
    }
}

/// The answer to a mail whose files cannot be entered.
pub(in crate::api) fn files_refused(refusal: UploadRefused) -> Problem {
    match refusal {
        UploadRefused::Gone(id) => Problem::invalid_input(vec![FieldError {
            pointer: "/attachments".to_owned(),
            detail: format!("name {id}, which is gone"),
        }]),
        UploadRefused::NoRoom(kept) => quota::no_room_to_keep(NoRoom::Bytes(kept)),
        UploadRefused::TooMany => Problem::conflict(format!(
            "this workspace has {UPLOADS_MAX} uploads, which is as many as it may, or would have more with these; delete some, or \
             wait until they expire"
        )),
        UploadRefused::InUse => Problem::conflict("a mail that has not ended, or is uncertain, needs this upload"),
    }
}
