//! The one error of the HTTP surface: `application/problem+json` (RFC 9457).
//!
//! Guarantees: an answer holds `type`, `title`, `status`, `detail`, `request_id` and, for bad input, `errors`; the cause of
//! an internal fault is for the log alone and is written there once, with its chain, where the answer is made
//! ([`super::request_id::track`]); `type` is the relative reference `/problems/<slug>`, so that it is the same on every
//! installation and needs no host of ours.

mod render;
mod slug;

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

pub(super) use render::finish;
pub use slug::Slug;

use super::request_id::seal;
use crate::clock::Timestamp;

/// What is left of a limit, and when there is more.
pub(in crate::api) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// Which limit that is.
pub(in crate::api) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// One field that is not what it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where it is: a JSON pointer (RFC 6901) into the body such as `/to/0`, or `/query/<name>` for a query parameter.
    pub pointer: String,
    /// What it must be, in plain words.
    pub detail: String,
}

/// What went wrong with a request, as the client is told and as the log is told.
#[derive(Clone, Debug)]
pub struct Problem {
    slug: Slug,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
    request_id: Option<Arc<str>>,
    quota: Option<Box<UsedUp>>,
}

/// What a workspace has used up.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = UsedUp)]
pub struct UsedUp {
    /// Which quota.
    pub name: &'static str,
    /// How much is used.
    pub used: u64,
    /// How much may be.
    pub max: u64,
    /// From when there is room without anybody doing anything, where that is known.
    pub room_at: Option<Timestamp>,
}

impl Problem {
    /// A problem of `slug`, with what to tell the client about this occurrence.
    #[must_use]
    pub fn new(slug: Slug, detail: impl Into<Cow<'static, str>>) -> Self {
        let detail = detail.into();
        Self {
            slug,
            detail,
            errors: Vec::new(),
            headers: Vec::new(),
            cause: None,
            request_id: None,
            quota: None,
        }
    }

    /// 400, for what no field can be blamed for.
    #[must_use]
    pub fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Slug::BadRequest, detail)
    }

    /// 400, for a body that is not JSON.
    #[must_use]
    pub fn malformed_json(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Slug::MalformedJson, detail)
    }

    /// 422, with each field that is not what it must be.
    #[must_use]
    pub fn invalid_input(errors: Vec<FieldError>) -> Self {
        Self {
            errors,
            ..Self::new(Slug::InvalidInput, "see `errors` for each field and what it must be")
        }
    }

    /// 401, with the challenge that RFC 9110 asks for.
    #[must_use]
    pub fn unauthenticated(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Slug::Unauthenticated, detail)
            .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 403.
    #[must_use]
    pub fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Slug::Forbidden, detail)
    }

    /// 404; the same whether a thing does not exist, is another workspace's, or its id is garbled.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(
            Slug::NotFound,
            "there is nothing at this address, or nothing that you may see",
        )
    }

    /// 404, of an address that another node has.
    #[must_use]
    pub fn not_here(detail: &'static str) -> Self {
        Self::new(Slug::NotFound, detail)
    }

    /// 405, with the methods that `allow` names.
    #[must_use]
    pub fn method_not_allowed(allow: &[Method]) -> Self {
        let names = allow.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        let problem = Self::new(Slug::MethodNotAllowed, format!("this address allows: {names}"));
        match HeaderValue::from_str(&names) {
            Ok(value) => problem.with_header(header::ALLOW, value),
            // Not reached: the names of methods are tokens, which a header may hold.
            Err(_) => problem,
        }
    }

    /// 409.
    #[must_use]
    pub fn conflict(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Slug::Conflict, detail)
    }

    /// 413, naming the limit in bytes.
    #[must_use]
    pub fn payload_too_large(max_bytes: usize) -> Self {
        Self::new(
            Slug::PayloadTooLarge,
            format!("the body may have at most {max_bytes} bytes"),
        )
    }

    /// 415, for a route that takes JSON.
    #[must_use]
    pub fn unsupported_media_type(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Slug::UnsupportedMediaType, detail)
    }

    /// 429, with when to try again.
    #[must_use]
    pub fn too_many_requests(detail: impl Into<Cow<'static, str>>, retry_after: Duration) -> Self {
        Self::new(Slug::TooManyRequests, detail).with_retry_after(retry_after)
    }

    /// 503, with when to try again.
    #[must_use]
    pub fn unavailable(detail: impl Into<Cow<'static, str>>, retry_after: Duration) -> Self {
        Self::new(Slug::Unavailable, detail).with_retry_after(retry_after)
    }

    /// 500; `cause` goes to the log and never to the client.
    #[must_use]
    pub fn internal(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::new(Slug::Internal, INTERNAL_DETAIL).with_cause(cause)
    }

    /// The same problem with its cause, for the log alone.
    #[must_use]
    pub fn with_cause(mut self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }

    /// The same problem with one more header on its answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The same problem with what is used up.
    #[must_use]
    pub fn with_quota(mut self, quota: UsedUp) -> Self {
        self.quota = Some(Box::new(quota));
        self
    }

    /// Which kind of problem it is.
    #[must_use]
    pub fn slug(&self) -> Slug {
        self.slug
    }

    /// What is told about this occurrence.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The fields that are blamed.
    #[must_use]
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// The body of its answer, for the description of the API.
    pub(in crate::api) fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self.body(Some("0193a0f2b1c47d3e8f90a1b2c3d4e5f6"))).unwrap_or_default()
    }

    /// After how many seconds to try again, where that is said.
    pub(in crate::api) fn retry_after_s(&self) -> Option<u64> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(name, _)| *name == header::RETRY_AFTER)?;
        value.to_str().ok()?.parse().ok()
    }

    /// The body of its answer to the request with this id.
    pub(in crate::api) fn body<'a>(&'a self, request_id: Option<&'a str>) -> ProblemBody<'a> {
        ProblemBody {
            r#type: format!("/problems/{}", self.slug.as_str()),
            title: self.slug.title(),
            status: self.slug.status().as_u16(),
            detail: &self.detail,
            request_id,
            errors: &self.errors,
            quota: self.quota.as_deref().copied(),
        }
    }

    /// `Retry-After` in whole seconds, at least one, so that nobody tries again at once.
    fn with_retry_after(self, after: Duration) -> Self {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        self.with_header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }
}

/// What a client is told of an internal fault.
const INTERNAL_DETAIL: &str =
    "the service failed to answer; its operator finds the cause in the log under this request_id";

/// What went wrong with a request (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// The kind of problem, which never changes its meaning: `/problems/` and a word for it.
    #[schema(format = "uri-reference")]
    r#type: String,
    /// The kind in a few words that are the same each time.
    title: &'a str,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is to be said about this occurrence, for people.
    detail: &'a str,
    /// The id under which the log tells of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, nullable = false)]
    request_id: Option<&'a str>,
    /// Each field that is not what it must be.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false, min_items = 1)]
    errors: &'a [FieldError],
    /// What of the workspace is used up, where that is why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    quota: Option<UsedUp>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.slug.as_str(), self.detail)
    }
}

impl Error for Problem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| -> &(dyn Error + 'static) { cause })
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.slug.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.slug.status());
        for (name, value) in &self.headers {
            answer.insert_header((name.clone(), value.clone()));
        }
        // Text and numbers always serialize, so the body is never empty.
        let body = serde_json::to_vec(&self.body(self.request_id.as_deref())).unwrap_or_default();
        let mut answer = answer.content_type("application/problem+json").body(body);
        // An error that leaves a middleware becomes an answer only outside of all of them.
        seal(answer.headers_mut(), self.request_id.as_deref());
        answer
    }
}
