//! Who may ask a sandbox, and what browsers are told of its answers.
//!
//! A page of another site can let its own name point to this machine, and then read from here as from itself: so the host that
//! a request names must be an address, `localhost`, or a name that was given. It can also send forms here: so whatever changes
//! something must come from the sandbox's own page, or from no page at all.

use std::net::IpAddr;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, web};

use super::answers::Refusal;

/// For everything that sets no policy of its own.
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// From where a browser says that a request comes.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The names by which a sandbox may be asked.
pub(super) struct Names(Vec<String>);

impl Names {
    pub(super) fn new(names: Vec<String>) -> Self {
        Self(names.into_iter().map(|name| name.to_ascii_lowercase()).collect())
    }

    /// Whether a request for `host`, which may have a port, is meant for us.
    fn have(&self, host: &str) -> bool {
        let name = without_port(host).to_ascii_lowercase();
        let literal = name.trim_start_matches('[').trim_end_matches(']');
        literal.parse::<IpAddr>().is_ok()
            || name == "localhost"
            || name.ends_with(".localhost")
            || self.0.contains(&name)
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

/// The middleware.
///
/// # Errors
/// The refusal, and what a handler could not answer.
pub(super) async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let names = request.app_data::<web::Data<Names>>().cloned();
    if let Some(refusal) = names.and_then(|names| refused(&request, &names)) {
        return Err(refusal.into());
    }
    let mut answer = next.call(request).await?;
    protect(answer.headers_mut());
    Ok(answer)
}

fn refused(request: &ServiceRequest, names: &Names) -> Option<Refusal> {
    let value = |name: HeaderName| request.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = value(header::HOST).unwrap_or_default();
    if !names.have(host) {
        return Some(Refusal::new(
            StatusCode::MISDIRECTED_REQUEST,
            "the sandbox is asked by its address, as localhost, or by a name that --name has given it",
        ));
    }
    if request.method().is_safe() {
        return None;
    }
    let is_own_origin = value(header::ORIGIN).is_none_or(|origin| origin == format!("http://{host}"));
    let is_own_site = value(FETCH_SITE).is_none_or(|site| matches!(site, "same-origin" | "none"));
    let refusal = || Refusal::new(StatusCode::FORBIDDEN, "pages of other sites change nothing here");
    (!(is_own_origin && is_own_site)).then(refusal)
}

/// Adds what protects an answer, unless a handler has set it.
pub(super) fn protect(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, DATA_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_somebody_else_lets_point_here_is_not_ours() {
        let names = Names::new(vec!["Mail".to_owned()]);
        for host in [
            "127.0.0.1:8025",
            "[::1]:8025",
            "[::1]",
            "localhost",
            "LOCALHOST:8025",
            "a.localhost",
            "mail:8025",
        ] {
            assert!(names.have(host), "{host}");
        }
        for host in [
            "",
            "evil.example:8025",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "mail.example",
            ":8025",
        ] {
            assert!(!names.have(host), "{host}");
        }
    }
}
