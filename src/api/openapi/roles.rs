//! Who may use an operation.
//!
//! Guarantees: a handler names one role, as `security(("operator" = []))`; the document tells by which credentials that role
//! comes in, and says it in words, with the scope that the route takes of an API key. A handler that names none is open to
//! anybody; a route without a scope is for logins alone.

use std::collections::HashMap;

use actix_web::http::Method;
use utoipa::Modify;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};

use super::answers::operations_at;
use crate::api::credentials::COOKIE;
use crate::api::endpoints;
use crate::api::http::Endpoint;
use crate::domain::scope::Scope;

/// The schemes that the document describes.
const SESSION_TOKEN: &str = "session_token";
const API_KEY: &str = "api_key";
const SESSION_COOKIE: &str = "session_cookie";

/// The roles that handlers name: the extractors of [`crate::api::auth`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) enum Role {
    /// Anybody.
    Open,
    /// An account, by a login or an API key.
    Member,
    /// An account, by a login.
    Session,
    /// An operator, by a login or an API key.
    Operator,
}

impl Role {
    /// The role that `operation` names, before or after [`Roles`] spelled it out.
    pub(in crate::api) fn of(operation: &Operation) -> Self {
        let named = operation.security.iter().flatten().filter_map(|requirement| {
            let requirement = serde_json::to_value(requirement).ok()?;
            let (name, scopes) = requirement.as_object()?.iter().next()?;
            let scope = scopes.get(0).and_then(serde_json::Value::as_str);
            Some(scope.unwrap_or(name).to_owned())
        });
        match named.into_iter().next().as_deref() {
            Some("operator") => Self::Operator,
            Some("session") => Self::Session,
            Some(_) => Self::Member,
            None => Self::Open,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Member => "member",
            Self::Session => "session",
            Self::Operator => "operator",
        }
    }

    fn words(self, scope: Option<Scope>) -> String {
        let by_key = |scope| format!("by a login, or an API key with the scope `{scope}`.");
        match (self, scope) {
            (Self::Open, _) => "Open to anybody.".to_owned(),
            (Self::Member, Some(scope)) => format!("For any account, {}", by_key(scope)),
            (Self::Operator, Some(scope)) => format!("For operators, {}", by_key(scope)),
            (Self::Operator, None) => "For operators, by a login only: an API key is refused.".to_owned(),
            (Self::Member | Self::Session, _) => "For any account, by a login only: an API key is refused.".to_owned(),
        }
    }

    /// By what this role comes in, and what each must have (OpenAPI 3.1, Security Requirement Object): the role, and an API key
    /// the scope besides.
    fn requirements(self, scope: Option<Scope>) -> Vec<SecurityRequirement> {
        if self == Self::Open {
            return Vec::new();
        }
        let by_key = scope.filter(|_| self != Self::Session);
        let by_key = by_key.map(|scope| SecurityRequirement::new(API_KEY, [self.name(), scope.as_str()]));
        let by_login = [SESSION_TOKEN, SESSION_COOKIE].map(|scheme| SecurityRequirement::new(scheme, [self.name()]));
        by_key.into_iter().chain(by_login).collect()
    }
}

/// Spells out the role of each operation.
pub(super) struct Roles;

impl Modify for Roles {
    fn modify(&self, document: &mut OpenApi) {
        let all: HashMap<String, Endpoint> = endpoints()
            .into_iter()
            .map(|endpoint| (endpoint.pattern().to_owned(), endpoint))
            .collect();
        for (path, method, operation) in operations_at(document) {
            let method = Method::from_bytes(method.as_bytes()).ok();
            let scope = all
                .get(path)
                .zip(method)
                .and_then(|(endpoint, method)| endpoint.scope(&method));
            let role = match Role::of(operation) {
                Role::Member if scope.is_none() => Role::Session,
                role => role,
            };
            operation.security = Some(role.requirements(scope));
            let told = operation.description.take().map(|text| format!("{text}\n\n"));
            operation.description = Some(told.unwrap_or_default() + &role.words(scope));
        }
        let bearer = |format: &str, told: &str| {
            let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format(format);
            SecurityScheme::Http(scheme.description(Some(told)).build())
        };
        let cookie = ApiKeyValue::with_description(
            COOKIE,
            "The cookie that a login sets, for browsers; called `__Host-legwork_session` where the service has TLS. All but `GET` \
             and `HEAD` take the header `X-CSRF-Token` beside it, with the `csrf_token` of the login.",
        );
        let components = document.components.get_or_insert_default();
        components.add_security_schemes_from_iter([
            (API_KEY, bearer("lwk_…", "An API key, from `POST /v1/api-keys`.")),
            (
                SESSION_TOKEN,
                bearer("lws_…", "The token of a login, from `POST /v1/sessions`."),
            ),
            (SESSION_COOKIE, SecurityScheme::ApiKey(ApiKey::Cookie(cookie))),
        ]);
    }
}
