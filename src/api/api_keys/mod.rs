//! API keys: what programs come in with.
//!
//! Guarantees: a key is shown once, when it is made; only its hash is kept, and its first characters, by which it is known. Keys
//! are managed by a login alone (see [`super::auth`]), and made only by one whose holder showed the password lately, so that a
//! stolen login makes none that outlives it; to revoke one is as easy as can be. What happens to a key is written down with it.

mod rotate;

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

pub(super) use rotate::{__path_rotate_api_key, rotate_api_key};

use super::State;
use super::auth::{ConfirmedMember, SessionMember};
use super::client::Client;
use super::failure::or_refused;
use super::http::{Fields, PathParam, Problem, RequestId, StrictJson, StrictQuery};
use super::order::ranged;
use super::page::Page;
use super::security_log::Happening;
use super::then::Then;
use crate::clock::Timestamp;
use crate::domain::email::DisplayName;
use crate::domain::id::ApiKeyId;
use crate::domain::key_prefix::{KeyPrefix, PrefixStart};
use crate::domain::scope::{Scope, Scopes};
use crate::domain::security::SecurityEvent;
use crate::domain::token::{Token, TokenKind};
use crate::store::Abort;
use crate::store::accounts::Account;
use crate::store::api_keys::{self, ApiKey, KeyFilter};

/// The most keys of an account: one for each of a large team's programs, and few enough to be listed whole.
const KEYS_MAX: usize = 100;
/// The same with those that have a successor already: each of them may.
const LISTED_MAX: usize = 2 * KEYS_MAX;
/// The longest time for which a key with an end is made, in days.
const DAYS_MAX: i64 = 366;
/// Seconds in a day.
const DAY_S: u64 = 24 * 3600;

#[derive(Deserialize, ToSchema)]
#[schema(as = NewApiKey)]
#[serde(deny_unknown_fields)]
pub(super) struct NewApiKeyBody {
    /// What the key is for.
    #[schema(value_type = DisplayName)]
    name: String,
    /// What it may do; each route says what it takes.
    #[schema(min_items = 1, max_items = 22)]
    scopes: Vec<Scope>,
    /// After how many days it is of no use any more; never, unless given.
    #[schema(minimum = 1, maximum = 366)]
    expires_in_days: Option<i64>,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Only keys that begin so: `lwk_` and up to eight characters more. Never send more of a key than that.
    #[param(nullable = false, min_length = 4, max_length = 12)]
    prefix: Option<String>,
}

/// A key as its owner sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
struct ApiKeyView {
    id: ApiKeyId,
    name: String,
    /// Its first twelve characters, by which it is known; null for one that was made before they were kept.
    prefix: Option<String>,
    scopes: Vec<Scope>,
    created_at: Timestamp,
    /// Until when it is good; null if it has no end.
    expires_at: Option<Timestamp>,
    /// When it was last used, to a minute or two.
    last_used_at: Option<Timestamp>,
    /// The key that takes its place, if it was rotated.
    replaced_by: Option<ApiKeyId>,
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
            prefix: key.prefix,
            scopes: key.scopes.iter().collect(),
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            replaced_by: key.replaced_by,
            key: secret.map(|secret| secret.expose().to_owned()),
        }
    }
}

/// Makes an API key, which is shown this once.
///
/// It takes a login that showed the password lately.
#[utoipa::path(
    post, path = "/v1/api-keys", tag = "api keys", security(("session" = [])),
    request_body(content = NewApiKeyBody, examples(
        ("mail" = (summary = "To send mails and see what became of them", value = json!({
            "name": "shop", "scopes": ["emails:write", "jobs:read"], "expires_in_days": 90
        }))),
        ("all" = (summary = "For all that the account may do with a key", value = json!({
            "name": "nightly import", "scopes": ["*"]
        }))),
    )),
    responses(
        (status = 201, description = "The key, with itself as `key`.", body = ApiKeyView),
        (status = 409, description = "The account has as many keys as it may."),
    ),
)]
pub(super) async fn create_api_key(
    Then(member, StrictJson(body)): Then<ConfirmedMember, StrictJson<NewApiKeyBody>>,
    state: web::Data<State>,
    client: Client,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let (now, account) = (state.clock.now(), member.account);
    let secret = Token::generate(TokenKind::ApiKey)?;
    let key = body.checked()?.made(&account, &secret, now);
    let (hash, happening) = (secret.hash(), Happening::of(client, &request, now));
    let write = state.store.write(move |tx| {
        api_keys::hold(tx.connection(), account.id)?;
        let there = api_keys::count(tx.connection(), account.id, now)?;
        if there.current >= KEYS_MAX || there.current + there.replaced >= LISTED_MAX {
            return Err(Abort::Refused(()));
        }
        api_keys::insert(tx.connection(), &key, account.workspace, &hash)?;
        happening.note(tx, &account, SecurityEvent::KeyMade, told(&key))?;
        Ok(key.clone())
    });
    let key = write.await.map_err(or_refused(|()| full()))?;
    Ok(HttpResponse::Created().json(ApiKeyView::of(key, Some(&secret))))
}

/// Lists the account's API keys, the newest first.
///
/// Those that are revoked, and those whose time has come, are not listed.
#[utoipa::path(
    get, path = "/v1/api-keys", tag = "api keys", security(("session" = [])), params(ListQuery),
    responses((status = 200, description = "The keys, without themselves; there is one page.", body = Page<ApiKeyView>)),
)]
pub(super) async fn list_api_keys(
    Then(member, StrictQuery(query)): Then<SessionMember, StrictQuery<ListQuery>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let mut fields = Fields::new();
    let prefix = query.prefix.as_deref();
    let prefix = prefix.and_then(|text| fields.check("/query/prefix", text.parse::<PrefixStart>()));
    fields.finish()?;
    let (filter, now) = (
        KeyFilter {
            account: Some(member.account.id),
            prefix,
            ..KeyFilter::default()
        },
        state.clock.now(),
    );
    let read = state
        .store
        .read(move |connection| api_keys::list(connection, &filter, now, LISTED_MAX));
    let data = read.await?.into_iter().map(|(key, _)| ApiKeyView::of(key, None));
    Ok(HttpResponse::Ok().json(Page::whole(data)))
}

/// Revokes an API key, at once.
#[utoipa::path(
    delete, path = "/v1/api-keys/{id}", tag = "api keys", security(("session" = [])),
    params(("id" = ApiKeyId, Path, description = "Which key.")),
    responses((status = 204, description = "The key is of no use any more.")),
)]
pub(super) async fn delete_api_key(
    Then(member, PathParam(id)): Then<SessionMember, PathParam<ApiKeyId>>,
    state: web::Data<State>,
    client: Client,
    request: RequestId,
) -> Result<HttpResponse, Problem> {
    let (account, now) = (member.account, state.clock.now());
    let happening = Happening::of(client, &request, now);
    let write = state.store.write(move |tx| {
        if !api_keys::revoke(tx.connection(), id, account.id, now)? {
            return Err(Abort::Refused(()));
        }
        happening.note(tx, &account, SecurityEvent::KeyRevoked, json!({ "api_key": id }))?;
        Ok(())
    });
    write.await.map_err(or_refused(|()| Problem::not_found()))?;
    Ok(HttpResponse::NoContent().finish())
}

/// What is asked for, found to be right.
struct Checked {
    name: DisplayName,
    scopes: Scopes,
    days: Option<u64>,
}

impl NewApiKeyBody {
    fn checked(self) -> Result<Checked, Problem> {
        let mut fields = Fields::new();
        let name = fields.check("/name", DisplayName::parse(&self.name));
        if !(1..=Scope::ALL.len()).contains(&self.scopes.len()) {
            let most = Scope::ALL.len();
            fields.refuse("/scopes", format!("must name 1 to {most} scopes"));
        }
        let days = ranged(&mut fields, "/expires_in_days", self.expires_in_days, 1, DAYS_MAX);
        Ok(Checked {
            name: fields.finish_with(name)?,
            scopes: self.scopes.into_iter().collect(),
            days,
        })
    }
}

impl Checked {
    fn made(self, account: &Account, secret: &Token, now: Timestamp) -> ApiKey {
        let after = |days: u64| now.plus(Duration::from_secs(days.saturating_mul(DAY_S)));
        ApiKey {
            id: ApiKeyId::generate(),
            account: account.id,
            name: self.name.as_str().to_owned(),
            scopes: self.scopes,
            prefix: Some(KeyPrefix::of(secret).as_str().to_owned()),
            created_at: now,
            expires_at: self.days.map(after),
            last_used_at: None,
            replaced_by: None,
        }
    }
}

/// What is written down of a key.
fn told(key: &ApiKey) -> serde_json::Value {
    json!({ "api_key": key.id, "prefix": key.prefix, "scopes": key.scopes.to_string(), "expires_at": key.expires_at })
}

fn full() -> Problem {
    Problem::conflict(format!(
        "an account has at most {KEYS_MAX} API keys, and as many that are replaced by others; revoke one first"
    ))
}
