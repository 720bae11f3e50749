//! The few pages that the service has without its console: where to begin, and those that mailed links lead to.
//!
//! Guarantees: no script; whatever came from a stranger is escaped; a page tells nothing about what is in the service.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use minijinja::{Environment, Value, context};

use super::State;
use super::http::Problem;
use crate::domain::password::{CHARS_MAX, CHARS_MIN};

macro_rules! page {
    ($name:literal) => {
        concat!(include_str!("head.html"), include_str!($name), "</main>\n</html>\n")
    };
}

/// `GET /`.
pub(super) async fn show_home(state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let base = state.config.public_url.as_str();
    render(
        StatusCode::OK,
        page!("home.html"),
        context! { title => "Legwork", base },
    )
}

/// The page that verifies an address on a click.
pub(super) fn verify(token: &str) -> Result<HttpResponse, Problem> {
    render(
        StatusCode::OK,
        page!("verify.html"),
        context! { title => "Confirm your address", token },
    )
}

/// The page after an address was verified.
pub(super) fn verified(name: &str) -> Result<HttpResponse, Problem> {
    render(
        StatusCode::OK,
        page!("verified.html"),
        context! { title => "Your address is confirmed", name },
    )
}

/// The page about a link that leads nowhere.
pub(super) fn link_not_valid() -> Result<HttpResponse, Problem> {
    let page = page!("link_not_valid.html");
    render(
        StatusCode::UNPROCESSABLE_ENTITY,
        page,
        context! { title => "This link is not valid" },
    )
}

/// The page that confirms another address on a click.
pub(super) fn confirm_address(token: &str) -> Result<HttpResponse, Problem> {
    render(
        StatusCode::OK,
        page!("confirm_address.html"),
        context! { title => "Confirm your new address", token },
    )
}

/// The page after the address was changed.
pub(super) fn address_changed(email: &str) -> Result<HttpResponse, Problem> {
    render(
        StatusCode::OK,
        page!("address_changed.html"),
        context! { title => "Your address is changed", email },
    )
}

/// The page about a link that changes no address.
pub(super) fn address_not_valid() -> Result<HttpResponse, Problem> {
    render(
        StatusCode::UNPROCESSABLE_ENTITY,
        page!("address_not_valid.html"),
        context! { title => "This link is not valid" },
    )
}

/// The page with the form for another password; again, where `wrong` says what was wrong with the one that was sent.
pub(super) fn reset(token: &str, wrong: Option<&str>) -> Result<HttpResponse, Problem> {
    let status = match wrong {
        None => StatusCode::OK,
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    render(
        status,
        page!("reset.html"),
        context! { title => "Set a new password", token, wrong, min => CHARS_MIN, max => CHARS_MAX },
    )
}

/// The page after a password was set.
pub(super) fn password_set() -> Result<HttpResponse, Problem> {
    render(
        StatusCode::OK,
        page!("password_set.html"),
        context! { title => "Your password is set" },
    )
}

/// The page about a link that sets no password.
pub(super) fn reset_not_valid() -> Result<HttpResponse, Problem> {
    render(
        StatusCode::UNPROCESSABLE_ENTITY,
        page!("reset_not_valid.html"),
        context! { title => "This link is not valid" },
    )
}

/// The page that ends a stream of mails on a click. The token is one of ours, and so safe in a link.
pub(super) fn unsubscribe(token: &str, stream: &str, address: &str) -> Result<HttpResponse, Problem> {
    render(
        StatusCode::OK,
        page!("unsubscribe.html"),
        context! { title => "Unsubscribe", token, stream, address },
    )
}

/// The page after a stream was ended.
pub(super) fn unsubscribed(stream: &str) -> Result<HttpResponse, Problem> {
    render(
        StatusCode::OK,
        page!("unsubscribed.html"),
        context! { title => "You are unsubscribed", stream },
    )
}

/// The page about a link that ends no stream.
pub(super) fn unsubscribe_not_valid() -> Result<HttpResponse, Problem> {
    render(
        StatusCode::UNPROCESSABLE_ENTITY,
        page!("unsubscribe_not_valid.html"),
        context! { title => "This link is not valid" },
    )
}

/// A page, compiled each time: they are short, and asked for once in a person's life.
fn render(status: StatusCode, page: &str, values: Value) -> Result<HttpResponse, Problem> {
    // The ending of the name turns the escaping on.
    let html = Environment::new()
        .render_named_str("page.html", page, values)
        .map_err(Problem::internal)?;
    Ok(HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .body(html))
}
