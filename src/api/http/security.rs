//! What protects clients and the service on every route: headers, the time limit, and the answer where nothing is.
//!
//! Guarantees: answers are not sniffed, framed, cached, embedded elsewhere or leaked by a referrer unless a handler says
//! otherwise; pages run no script and have no styles but the ones that are written here; a request ends within the time limit,
//! whoever is slow.
//!
//! What depends on the settings (TLS, other sites) is [`super::browsers`]'s.

use std::cell::Cell;
use std::future::{Ready, ready};
use std::rc::Rc;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse};

use tokio::time::Instant;

use super::{Limits, Problem, Slug};

/// For pages: their one sheet of styles, which stands in each of them and is named by its hash, their own forms, and nothing else.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'sha256-ApadaEcLyvtzYnduZg4FTkpHuGjRF+WGvHh2NNM1qi0='; \
                           form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// For everything that is not a page.
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Who may embed an answer: pages of this very service. Answers to pages of other sites that may call it are not embedded.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// Whose window may hold this one.
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
/// What a page may ask of a browser.
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const NO_PERMISSIONS: &str =
    "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), publickey-credentials-get=(), usb=()";

/// When to try again after a request that took too long, so that a loaded service is not asked again at once.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Adds the headers that protect an answer, each unless a handler has set it.
pub(super) fn protect(headers: &mut HeaderMap) {
    let page = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    let policy = if page { PAGE_POLICY } else { DATA_POLICY };
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, policy),
        // For browsers that know no `frame-ancestors`.
        (header::X_FRAME_OPTIONS, "DENY"),
        (RESOURCE_POLICY, "same-origin"),
    ] {
        set_unless_present(headers, name, value);
    }
    if page {
        set_unless_present(headers, OPENER_POLICY, "same-origin");
        set_unless_present(headers, PERMISSIONS_POLICY, NO_PERMISSIONS);
    }
}

fn set_unless_present(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    if !headers.contains_key(&name) {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// The answer where no route is: for `App::default_service(web::to(not_found))`.
pub fn not_found() -> Ready<Result<HttpResponse, Problem>> {
    ready(Err(Problem::not_found()))
}

/// Whether a request's body is being read just now; kept with the request so that a time limit knows who was slow.
#[derive(Clone, Default)]
pub(super) struct BodyReading(Rc<Cell<bool>>);

impl BodyReading {
    /// Says that the body of `request` is being read, or no longer.
    pub(super) fn set(request: &HttpRequest, reading: bool) {
        if let Some(state) = request.extensions().get::<Self>() {
            state.0.set(reading);
        }
    }
}

/// How much longer than the limit a request may take, since its handler waits for what the client wants to see.
#[derive(Clone, Default)]
pub(in crate::api) struct Patience(Rc<Cell<Duration>>);

impl Patience {
    /// Gives the handler of `request` so much longer.
    pub(in crate::api) fn extend(request: &HttpRequest, by: Duration) {
        if let Some(patience) = request.extensions().get::<Self>() {
            patience.0.set(by);
        }
    }
}

/// The middleware that ends a request after [`Limits::request_timeout`]: with 408 if its body was still arriving, else with
/// 503. What a handler has committed by then stays committed; a client with an `Idempotency-Key` may ask again.
///
/// # Errors
///
/// The problem of a request that took too long, and what an inner middleware could not answer.
pub async fn limit_time(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let limit = Limits::of(request.request()).request_timeout;
    let reading = BodyReading::default();
    let patience = Patience::default();
    request.extensions_mut().insert(reading.clone());
    request.extensions_mut().insert(patience.clone());
    let late = || {
        if reading.0.get() {
            let detail = format!("the body did not arrive within {} ms", limit.as_millis());
            Problem::new(Slug::RequestTimeout, detail)
                .with_header(header::CONNECTION, HeaderValue::from_static("close"))
        } else {
            Problem::unavailable("the answer was not ready in time", RETRY_AFTER).with_cause(TooSlow)
        }
    };
    let began = Instant::now();
    let mut answer = std::pin::pin!(next.call(request));
    loop {
        let until = began + limit + patience.0.get();
        match tokio::time::timeout_at(until, &mut answer).await {
            Ok(answer) => return answer,
            // It may have been extended meanwhile.
            Err(_) if began + limit + patience.0.get() > until => {}
            Err(_) => return Err(late().into()),
        }
    }
}

/// Why a request was given up, for the log.
#[derive(Debug, thiserror::Error)]
#[error("a handler took longer than http.request_timeout_ms")]
struct TooSlow;

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use sha2::Digest as _;

    use super::*;

    #[test]
    fn the_policy_of_pages_names_the_styles_that_they_have() {
        let head = include_str!("../pages/head.html");
        let styles = head.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
        let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(styles));
        let named = format!("style-src 'sha256-{hash}';");
        assert!(PAGE_POLICY.contains(&named), "{named} is not in {PAGE_POLICY}");
        assert!(!PAGE_POLICY.contains("unsafe"));
    }
}
