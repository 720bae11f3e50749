//! What a request carries to say whose it is: a bearer token, or the cookie of a login.
//!
//! Guarantees: every request without good credentials gets the same 401, whatever is wrong with them; a header
//! `Authorization` goes before a cookie, so that a program is never taken for the person whose browser it runs in; a
//! request that changes something and comes by cookie is refused if another site's page sent it, and if it does not carry the
//! token against forgery that belongs to the login.
//!
//! Against forged requests from other sites, four things stand together: the cookie is `SameSite=Lax`, so that browsers
//! send it along with nothing but links from elsewhere; an `Origin` that is not ours, or a `Sec-Fetch-Site` that says so, is
//! refused here; so is a change without `X-CSRF-Token`, which only whoever can read our answers knows; and bodies are taken as
//! `application/json` only, which a form cannot send. With TLS the cookie has the prefix `__Host-`, so that no other host, nor
//! anybody on the way, can plant one. A request with a bearer token needs none of this: no browser sends one by itself.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite, time};
use actix_web::http::header;
use secrecy::ExposeSecret as _;

use super::State;
use super::http::Problem;
use crate::config::Config;
use crate::domain::token::{Token, TokenHash, TokenKind};
use crate::keyring::KeyRing;

/// The cookie that holds the token of a login, without the prefix that it has with TLS.
pub(super) const COOKIE: &str = "legwork_session";
/// The header that holds the token against forgery.
pub(super) const CSRF_HEADER: &str = "X-CSRF-Token";
/// What tokens against forgery are derived for.
const CSRF_PURPOSE: &str = "csrf";

/// The one answer to a request without good credentials.
pub(super) fn not_logged_in() -> Problem {
    Problem::unauthenticated("log in, or send an API key as: Authorization: Bearer lwk_…")
}

/// The token of a request.
///
/// # Errors
/// 401 if there is none that is well formed; 403 if another site's page sent the request, or may have.
pub(super) fn token_of(request: &HttpRequest, state: &State) -> Result<(TokenKind, Token), Problem> {
    let mut given = request.headers().get_all(header::AUTHORIZATION);
    if let Some(value) = given.next() {
        let bearer = value
            .to_str()
            .ok()
            .and_then(bearer_of)
            .filter(|_| given.next().is_none());
        return bearer.and_then(Token::parse).ok_or_else(not_logged_in);
    }
    let token = session_of_cookie(request, state).ok_or_else(not_logged_in)?;
    if request.method().is_safe() {
        return Ok((TokenKind::Session, token));
    }
    if !is_from_here(request, state) {
        return Err(Problem::forbidden(
            "a page of another site sent this request; use this service's own pages, or a token",
        ));
    }
    if !has_csrf_token(request, &token.hash(), &state.keys) {
        return Err(Problem::forbidden(
            "a change by cookie needs the header X-CSRF-Token, with the csrf_token of the login or of GET /v1/sessions/current",
        ));
    }
    Ok((TokenKind::Session, token))
}

/// The token in the cookie of a login, if there is one that is well formed.
pub(super) fn session_of_cookie(request: &HttpRequest, state: &State) -> Option<Token> {
    let cookie = request.cookie(&name_of(COOKIE, &state.config))?;
    let (kind, token) = Token::parse(cookie.value())?;
    (kind == TokenKind::Session).then_some(token)
}

/// The token against forgery of the login whose token has this hash. It changes with that token.
pub(super) fn csrf_token(session: &TokenHash, keys: &KeyRing) -> String {
    let (_, token) = keys.derive(CSRF_PURPOSE, &session.to_string());
    token.expose_secret().to_owned()
}

fn has_csrf_token(request: &HttpRequest, session: &TokenHash, keys: &KeyRing) -> bool {
    let mut given = request.headers().get_all(CSRF_HEADER);
    let token = given.next().and_then(|value| value.to_str().ok());
    let token = token.filter(|_| given.next().is_none());
    token.is_some_and(|token| keys.verify(CSRF_PURPOSE, &session.to_string(), token))
}

/// The cookie of a login with `token`, good for `ttl`.
pub(super) fn login_cookie(token: &Token, ttl: Duration, state: &State) -> Cookie<'static> {
    cookie(COOKIE, token.expose().to_owned(), seconds(ttl), &state.config)
}

/// The cookie that takes the cookie of a login away.
pub(super) fn logout_cookie(state: &State) -> Cookie<'static> {
    cookie(COOKIE, String::new(), time::Duration::ZERO, &state.config)
}

/// A cookie that pages cannot read and other sites do not send along.
pub(super) fn cookie(name: &str, value: String, max_age: time::Duration, config: &Config) -> Cookie<'static> {
    Cookie::build(name_of(name, config), value)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(config.public_url.is_tls())
        .max_age(max_age)
        .finish()
}

/// The name that a cookie has here: with TLS one that browsers take from this very host alone, and only over TLS.
pub(super) fn name_of(name: &str, config: &Config) -> String {
    let prefix = if config.public_url.is_tls() { "__Host-" } else { "" };
    format!("{prefix}{name}")
}

/// So long as cookies have it.
pub(super) fn seconds(duration: Duration) -> time::Duration {
    time::Duration::seconds(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX))
}

fn bearer_of(text: &str) -> Option<&str> {
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// Whether the page that sent the request, if one did, is of this service: of its public address, or of the very host that
/// was asked (which is another one during development), with TLS wherever the public address has it.
fn is_from_here(request: &HttpRequest, state: &State) -> bool {
    let Some(origin) = request.headers().get(header::ORIGIN) else {
        // Older browsers say neither.
        let site = request.headers().get("sec-fetch-site");
        return site.is_none_or(|site| site == "same-origin" || site == "none");
    };
    let Ok(origin) = origin.to_str() else { return false };
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let origin_host = origin.split_once("://").map(|(_, host)| host);
    let same_host = host
        .zip(origin_host)
        .is_some_and(|(host, other)| host.eq_ignore_ascii_case(other));
    // Whoever sits on the way can write a page of this very host without TLS.
    let is_as_safe = !state.config.public_url.is_tls() || origin.starts_with("https://");
    same_host && is_as_safe || origin.eq_ignore_ascii_case(state.config.public_url.as_str())
}
