//! The id of a request, its span, and its one log line.
//!
//! Guarantees: every answer carries `X-Request-Id`, the client's own if it sent a well-formed one; every event of a request
//! is in a span with that id; each request is logged once, with the *pattern* of its route, never with the path, which may
//! hold ids and tokens; a handler that panics is answered with 500. It is around all other middleware but
//! [`super::unread`], and gives failed answers their final form.
//!
//! Left out: trusting the client's id for anything but searching the log; two requests may carry one id.

use std::future::{Ready, ready};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage as _, HttpRequest};
use futures_util::FutureExt as _;
use tracing::Instrument as _;

use super::browsers::Told;
use super::problem::{self, Problem};
use super::security;
use crate::telemetry::names::event;

/// The header of the id, in requests and in answers.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The most characters of an id that a client may choose.
const CHARS_MAX: usize = 64;

/// The id of a request; an extractor for handlers that pass it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The id as text: 1 to 64 characters of `A-Z a-z 0-9 . _ -`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of(request: &ServiceRequest) -> Self {
        let given = request.headers().get(HEADER).and_then(|value| value.to_str().ok());
        match given.filter(|text| is_well_formed(text)) {
            Some(text) => Self(text.into()),
            None => Self::generate(),
        }
    }

    fn generate() -> Self {
        Self(uuid::Uuid::now_v7().simple().to_string().into())
    }
}

impl FromRequest for RequestId {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    /// A request that [`track`] has not seen gets an id that no log line knows.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(request
            .extensions()
            .get::<Self>()
            .cloned()
            .unwrap_or_else(Self::generate)))
    }
}

fn is_well_formed(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=CHARS_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

/// Why a request has no answer, for the log.
#[derive(Debug, thiserror::Error)]
#[error("the handler panicked")]
struct Panicked;

/// The middleware; register it last but for [`super::unread::close`], so that it is around all others.
///
/// # Errors
///
/// What an inner middleware could not answer, as a problem.
pub async fn track(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let id = RequestId::of(&request);
    let method = request.method().clone();
    // Asked for now, since an inner middleware that fails takes the request with it.
    let route = request.match_pattern();
    let told = Told::to(request.request());
    request.extensions_mut().insert(id.clone());
    let span = tracing::info_span!("request", request_id = id.as_str());
    let work = async {
        let started = Instant::now();
        // A handler that panics costs its request alone: the panic is in the log by now, in this span.
        let outcome = AssertUnwindSafe(next.call(request)).catch_unwind().await;
        let outcome = outcome.unwrap_or_else(|_| Err(Problem::internal(Panicked).into()));
        let mut outcome = problem::finish(outcome, &id.0, &told);
        let status = match &mut outcome {
            Ok(answer) => {
                seal(answer.headers_mut(), Some(id.as_str()));
                told.write(answer.headers_mut());
                answer.status()
            }
            Err(error) => error.as_response_error().status_code(),
        };
        log(
            &id,
            method.as_str(),
            route.as_deref().unwrap_or("(none)"),
            status,
            started,
        );
        outcome
    };
    work.instrument(span).await
}

/// Adds what every answer carries: the headers that protect it, and the id of its request.
pub(super) fn seal(headers: &mut HeaderMap, id: Option<&str>) {
    security::protect(headers);
    // An id has only letters, digits, dots, underscores and hyphens, which a header may hold.
    if let Some(value) = id.and_then(|id| HeaderValue::from_str(id).ok()) {
        headers.insert(HEADER, value);
    }
}

// The id is said again beside the span, so that this line holds it where the lines of a job do.
fn log(id: &RequestId, method: &str, route: &str, status: actix_web::http::StatusCode, started: Instant) {
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let code = status.as_u16();
    if status.is_server_error() {
        tracing::error!(
            event = event::REQUEST,
            request_id = id.as_str(),
            method,
            route,
            status = code,
            duration_ms,
            "answered"
        );
    } else {
        tracing::info!(
            event = event::REQUEST,
            request_id = id.as_str(),
            method,
            route,
            status = code,
            duration_ms,
            "answered"
        );
    }
}
