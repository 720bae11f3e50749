//! API keys: what programs come in with.
//!
//! Guarantees: a key is shown once, when it is made; only its hash is kept. Keys are managed by a login alone: see
//! [`super::auth`].
//!
//! Left out: scopes. A key does whatever its account may do, and says so: `["*"]`.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::State;
use super::auth::SessionMember;
use super::failure::or_refused;
use super::http::{Fields, PathParam, Problem, StrictJson};
use super::openapi::Scope;
use super::page::Page;
use super::then::Then;
use crate::clock::Timestamp;
use crate::domain::email::DisplayName;
use crate::domain::id::ApiKeyId;
use crate::domain::token::{Token, TokenKind};
use crate::store::Abort;
use crate::store::api_keys::{self, ApiKey};

/// The most keys of an account: one for each of a large team's programs, and few enough to be listed whole.
const KEYS_MAX: usize = 100;

/// The scope that allows everything.
pub(super) const EVERYTHING: &str = "*";

#[derive(Deserialize, ToSchema)]
#[schema(as = NewApiKey)]
#[serde(deny_unknown_fields)]
pub(super) struct NewApiKeyBody {
    /// What the key is for.
    #[schema(value_type = DisplayName)]
    name: String,
    /// What it may do; the only scope is `*`, everything.
    #[schema(min_items = 1, max_items = 1, value_type = Vec<Scope>)]
    scopes: Vec<String>,
}

/// A key as its owner sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
struct ApiKeyView {
    id: ApiKeyId,
    name: String,
    scopes: Vec<String>,
    created_at: Timestamp,
    /// The key itself, when it is made and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    key: Option<String>,
}

impl ApiKeyView {
    fn of(key: ApiKey, secret: Option<&Token>) -> Self {
        Self {
            id: key.id,
            name: key.name,
            scopes: key.scopes,
            created_at: key.created_at,
            key: secret.map(|secret| secret.expose().to_owned()),
        }
    }
}

/// Makes an API key, which is shown this once.
#[utoipa::path(
    post, path = "/v1/api-keys", tag = "api keys", security(("session" = [])),
    request_body(content = NewApiKeyBody, example = json!({ "name": "nightly import", "scopes": ["*"] })),
    responses(
        (status = 201, description = "The key, with itself as `key`.", body = ApiKeyView),
        (status = 409, description = "The account has as many keys as it may."),
    ),
)]
pub(super) async fn create_api_key(
    Then(member, StrictJson(body)): Then<SessionMember, StrictJson<NewApiKeyBody>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let key = ApiKey {
        id: ApiKeyId::generate(),
        account: member.account.id,
        name: checked_name(&body)?.as_str().to_owned(),
        scopes: vec![EVERYTHING.to_owned()],
        created_at: state.clock.now(),
    };
    let secret = Token::generate(TokenKind::ApiKey)?;
    let (hash, workspace) = (secret.hash(), member.account.workspace);
    let write = state.store.write(move |tx| {
        let connection = tx.connection();
        let there = api_keys::count(connection, key.account)?;
        if there >= KEYS_MAX {
            return Err(Abort::Refused(()));
        }
        api_keys::insert(connection, &key, workspace, &hash)?;
        Ok(key.clone())
    });
    let full = |()| Problem::conflict(format!("an account has at most {KEYS_MAX} API keys; revoke one first"));
    let key = write.await.map_err(or_refused(full))?;
    Ok(HttpResponse::Created().json(ApiKeyView::of(key, Some(&secret))))
}

/// Lists the account's API keys.
#[utoipa::path(
    get, path = "/v1/api-keys", tag = "api keys", security(("session" = [])),
    responses((status = 200, description = "All keys, without themselves; there is one page.", body = Page<ApiKeyView>)),
)]
pub(super) async fn list_api_keys(member: SessionMember, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let account = member.account.id;
    let limit = i64::try_from(KEYS_MAX).unwrap_or(i64::MAX);
    let found = state
        .store
        .read(move |connection| api_keys::of_account(connection, account, limit))
        .await?;
    let data = found.into_iter().map(|key| ApiKeyView::of(key, None));
    Ok(HttpResponse::Ok().json(Page::whole(data)))
}

/// Revokes an API key.
#[utoipa::path(
    delete, path = "/v1/api-keys/{id}", tag = "api keys", security(("session" = [])),
    params(("id" = ApiKeyId, Path, description = "Which key.")),
    responses((status = 204, description = "The key is of no use any more.")),
)]
pub(super) async fn delete_api_key(
    Then(member, PathParam(id)): Then<SessionMember, PathParam<ApiKeyId>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (account, now) = (member.account.id, state.clock.now());
    let write = state
        .store
        .write(move |tx| match api_keys::revoke(tx.connection(), id, account, now)? {
            true => Ok(()),
            false => Err(Abort::Refused(())),
        });
    write.await.map_err(or_refused(|()| Problem::not_found()))?;
    Ok(HttpResponse::NoContent().finish())
}

fn checked_name(body: &NewApiKeyBody) -> Result<DisplayName, Problem> {
    let mut fields = Fields::new();
    let name = fields.check("/name", DisplayName::parse(&body.name));
    for (index, scope) in body.scopes.iter().enumerate() {
        if scope != EVERYTHING {
            fields.refuse(&format!("/scopes/{index}"), "is not a known scope; the only one is *");
        }
    }
    if body.scopes.len() != 1 {
        fields.refuse("/scopes", "must be [\"*\"]");
    }
    fields.finish_with(name)
}
