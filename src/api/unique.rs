//! `unique`, by which a job is the only one of its workspace for as long as its key holds.
//!
//! Guarantees: an order whose key another job has inserts nothing, takes nothing of a limit, and is answered with that job,
//! 200 and `Legwork-Existing-Job: true`, so that a client that meant one job has its id either way.

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use serde::Deserialize;
use utoipa::ToSchema;

use super::State;
use super::auth::Member;
use super::http::{Fields, Problem};
use super::jobs::{JobView, with_attempts};
use super::order::ranged;
use crate::domain::id::JobId;
use crate::domain::job::{UniqueHold, UniqueKey};
use crate::store::{JobScope, jobs};

/// Says that the job in an answer was there before the request.
pub(super) const EXISTING: HeaderName = HeaderName::from_static("legwork-existing-job");

/// A key by which the job is the only one of the workspace, and how long it holds: `while` or `for_s`, exactly one of them.
#[derive(Deserialize, ToSchema)]
#[schema(as = Unique)]
#[serde(deny_unknown_fields)]
pub(super) struct UniqueBody {
    /// The key, without control characters; its limit is in bytes.
    #[schema(min_length = 1, max_length = 200)]
    key: String,
    /// While what of the job that has it.
    #[serde(rename = "while")]
    while_is: Option<UniqueWhile>,
    /// For how many seconds, from when the job was accepted.
    #[schema(minimum = 1, maximum = 2_592_000)]
    for_s: Option<i64>,
}

/// What a key's job must be for the key to hold.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum UniqueWhile {
    /// Until it is claimed.
    Waiting,
    /// Until it has ended.
    Unfinished,
}

impl UniqueBody {
    /// The key, with what is wrong noted in `fields`.
    pub(super) fn checked(self, fields: &mut Fields) -> Option<UniqueKey> {
        let max = UniqueKey::KEY_BYTES_MAX;
        if self.key.is_empty() || self.key.len() > max || self.key.chars().any(char::is_control) {
            fields.refuse(
                "/unique/key",
                format!("must have 1 to {max} bytes and no control characters"),
            );
        }
        let for_max = i64::try_from(UniqueKey::FOR_MAX.as_secs()).unwrap_or(i64::MAX);
        let for_s: Option<u64> = ranged(fields, "/unique/for_s", self.for_s, 1, for_max);
        let hold = match (self.while_is, self.for_s) {
            (Some(UniqueWhile::Waiting), None) => UniqueHold::Waiting,
            (Some(UniqueWhile::Unfinished), None) => UniqueHold::Unfinished,
            (None, Some(_)) => UniqueHold::For(std::time::Duration::from_secs(for_s?)),
            _ => {
                fields.refuse("/unique", "must have either while or for_s, and not both");
                return None;
            }
        };
        Some(UniqueKey { key: self.key, hold })
    }
}

/// The answer with the job that has the key, if another has it: looked at first, so that asking takes nothing of a limit. Who
/// wins of two that come at once is decided where they are inserted.
///
/// # Errors
/// When the database cannot be read.
pub(super) async fn holder(
    unique: Option<&UniqueKey>,
    member: &Member,
    state: &State,
) -> Result<Option<HttpResponse>, Problem> {
    let Some(unique) = unique else { return Ok(None) };
    let (workspace, now, key) = (member.account.workspace, state.clock.now(), unique.key.clone());
    let read = state
        .store
        .read(move |connection| jobs::holder_of(connection, workspace, &key, now));
    match read.await? {
        Some(id) => existing(id, member, state).await.map(Some),
        None => Ok(None),
    }
}

/// The answer with a job that was there before.
///
/// # Errors
/// 409 when it has gone meanwhile; 503 or 500 when the database cannot be read.
pub(super) async fn existing(id: JobId, member: &Member, state: &State) -> Result<HttpResponse, Problem> {
    let scope = JobScope::Workspace(member.account.workspace);
    let read = state.store.read(move |connection| {
        let job = jobs::one(connection, id, scope)?;
        job.map(|job| with_attempts(connection, job)).transpose()
    });
    let gone = || Problem::conflict("the job that had the unique key is gone; send the request again");
    let (job, attempts) = read.await?.ok_or_else(gone)?;
    Ok(HttpResponse::Ok()
        .insert_header((header::LOCATION, format!("/v1/jobs/{id}")))
        .insert_header((EXISTING, HeaderValue::from_static("true")))
        .json(JobView::of(job, attempts, state)?))
}
