//! What a request carries to say whose it is: a bearer token, or the cookie of a login.
//!
//! Guarantees: every request without good credentials gets the same 401, whatever is wrong with them; a header
//! `Authorization` goes before a cookie, so that a program is never taken for the person whose browser it runs in; a
//! request that changes something and comes by cookie is refused if its `Origin` is another site.
//!
//! Against forged requests from other sites, three things stand together: the cookie is `SameSite=Lax`, so that browsers
//! send it along with nothing but links from elsewhere; an `Origin` that is not ours is refused here; and bodies are taken
//! as `application/json` only, which a form cannot send. A request without `Origin` is let through: programs send none, and
//! browsers send it with every request that changes something.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite, time};
use actix_web::http::header;

use super::State;
use super::http::Problem;
use crate::domain::token::{Token, TokenKind};

/// The cookie that holds the token of a login.
pub(super) const COOKIE: &str = "legwork_session";

/// The one answer to a request without good credentials.
pub(super) fn not_logged_in() -> Problem {
    Problem::unauthenticated("log in, or send an API key as: Authorization: Bearer lwk_…")
}

/// The token of a request.
///
/// # Errors
/// 401 if there is none that is well formed; 403 if another site's page sent the request.
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
    let cookie = request.cookie(COOKIE).ok_or_else(not_logged_in)?;
    let token = Token::parse(cookie.value()).filter(|(kind, _)| *kind == TokenKind::Session);
    let token = token.ok_or_else(not_logged_in)?;
    if request.method().is_safe() || is_from_here(request, state) {
        Ok(token)
    } else {
        Err(Problem::forbidden(
            "a page of another site sent this request; use this service's own pages, or a token",
        ))
    }
}

/// The cookie of a login with `token`, good for `ttl`.
pub(super) fn login_cookie(token: &Token, ttl: Duration, state: &State) -> Cookie<'static> {
    let seconds = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX);
    cookie(token.expose().to_owned(), time::Duration::seconds(seconds), state)
}

/// The cookie that takes the cookie of a login away.
pub(super) fn logout_cookie(state: &State) -> Cookie<'static> {
    cookie(String::new(), time::Duration::ZERO, state)
}

fn cookie(value: String, max_age: time::Duration, state: &State) -> Cookie<'static> {
    Cookie::build(COOKIE, value)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(state.config.public_url.is_tls())
        .max_age(max_age)
        .finish()
}

fn bearer_of(text: &str) -> Option<&str> {
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// Whether the page that sent the request, if one did, is of this service: of its public address, or of the very host that
/// was asked (which is another one during development), with TLS wherever the public address has it.
fn is_from_here(request: &HttpRequest, state: &State) -> bool {
    let Some(origin) = request.headers().get(header::ORIGIN) else {
        return true;
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
