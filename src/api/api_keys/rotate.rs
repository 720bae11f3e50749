//! Giving an API key a successor, with a time in which both are good.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{ApiKeyView, LISTED_MAX, full};
use crate::api::State;
use crate::api::auth::ConfirmedMember;
use crate::api::client::Client;
use crate::api::failure::or_refused;
use crate::api::http::{Fields, PathParam, Problem, RequestId, StrictJson};
use crate::api::order::ranged;
use crate::api::security_log::Happening;
use crate::api::then::Then;
use crate::clock::Timestamp;
use crate::domain::id::ApiKeyId;
use crate::domain::key_prefix::KeyPrefix;
use crate::domain::security::SecurityEvent;
use crate::domain::token::{Token, TokenKind};
use crate::store::api_keys::{self, ApiKey, KeyFilter};
use crate::store::{Abort, Tx};

/// How long both are good, unless said otherwise, and at the most.
const OVERLAP_HOURS: u64 = 24;
const OVERLAP_HOURS_MAX: i64 = 720;

#[derive(Deserialize, ToSchema)]
#[schema(as = ApiKeyRotation)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct RotationBody {
    /// For how many hours more the old key is good; 24 unless given. With 0 it is revoked at once.
    #[schema(minimum = 0, maximum = 720)]
    overlap_hours: Option<i64>,
}

/// Why a key gets no successor.
enum Refusal {
    NotFound,
    Replaced,
    Full,
}

/// Gives an API key a successor, which is shown this once.
///
/// It has the same name and scopes, and lasts as long as the old one was made for. The old one is good until the overlap has
/// passed, and no longer than it was to be. It takes a login that showed the password lately.
#[utoipa::path(
    post, path = "/v1/api-keys/{id}/rotate", tag = "api keys", security(("session" = [])),
    params(("id" = ApiKeyId, Path, description = "Which key.")),
    request_body(content = RotationBody, examples(
        ("later" = (summary = "Both are good for two days", value = json!({ "overlap_hours": 48 }))),
        ("default" = (summary = "Both are good for a day", value = json!({}))),
    )),
    responses(
        (status = 201, description = "The new key, with itself as `key`.", body = ApiKeyView),
        (status = 409, description = "The key has a successor already, or the account has as many keys as it may."),
    ),
)]
pub(in crate::api) async fn rotate_api_key(
    Then(member, Then(PathParam(id), StrictJson(body))): Then<
        ConfirmedMember,
        Then<PathParam<ApiKeyId>, StrictJson<RotationBody>>,
    >,
    state: web::Data<State>,
    client: Client,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let mut fields = Fields::new();
    let hours: Option<u64> = ranged(&mut fields, "/overlap_hours", body.overlap_hours, 0, OVERLAP_HOURS_MAX);
    fields.finish()?;
    let (now, account) = (state.clock.now(), member.account);
    let until = now.plus(Duration::from_hours(hours.unwrap_or(OVERLAP_HOURS)));
    let secret = Token::generate(TokenKind::ApiKey)?;
    let (hash, prefix) = (secret.hash(), KeyPrefix::of(&secret));
    let happening = Happening::of(client, &request, now);
    let write = state.store.write(move |tx| {
        api_keys::hold(tx.connection(), account.id)?;
        let filter = KeyFilter {
            account: Some(account.id),
            id: Some(id),
            ..KeyFilter::default()
        };
        let old = found(tx, &filter, now)?;
        let new = successor(&old, &prefix, now);
        api_keys::insert(tx.connection(), &new, account.workspace, &hash)?;
        api_keys::replace(tx.connection(), &old, new.id, until, now)?;
        let detail = json!({ "api_key": id, "replaced_by": new.id, "prefix": new.prefix, "until": until });
        happening.note(tx, &account, SecurityEvent::KeyRotated, detail)?;
        Ok(new)
    });
    let key = write.await.map_err(or_refused(Refusal::told))?;
    Ok(HttpResponse::Created().json(ApiKeyView::of(key, Some(&secret))))
}

/// The key that is to get a successor, if it may.
fn found(tx: &mut Tx<'_>, filter: &KeyFilter, now: Timestamp) -> Result<ApiKey, Abort<Refusal>> {
    let found = api_keys::list(tx.connection(), filter, now, 1)?.pop();
    let (key, account) = found.ok_or(Abort::Refused(Refusal::NotFound))?;
    if key.replaced_by.is_some() {
        return Err(Abort::Refused(Refusal::Replaced));
    }
    // The one that is replaced makes room for its successor; those that were before count while they are good.
    let there = api_keys::count(tx.connection(), account.id, now)?;
    if there.current + there.replaced >= LISTED_MAX {
        return Err(Abort::Refused(Refusal::Full));
    }
    Ok(key)
}

/// A key like `old`, and for as long a time.
fn successor(old: &ApiKey, prefix: &KeyPrefix, now: Timestamp) -> ApiKey {
    ApiKey {
        id: ApiKeyId::generate(),
        account: old.account,
        name: old.name.clone(),
        scopes: old.scopes.clone(),
        prefix: Some(prefix.as_str().to_owned()),
        created_at: now,
        expires_at: old.lifetime().map(|lifetime| now.plus(lifetime)),
        last_used_at: None,
        replaced_by: None,
    }
}

impl Refusal {
    fn told(self) -> Problem {
        match self {
            Self::NotFound => Problem::not_found(),
            Self::Replaced => Problem::conflict("this API key has a successor already; rotate that one"),
            Self::Full => full(),
        }
    }
}
