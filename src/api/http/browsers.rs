//! What the settings have browsers told: to come by TLS alone (HSTS), and which other sites' pages may call the service (CORS).
//!
//! Guarantees: without `http.cors_origins` no answer has a header of CORS, and browsers let no other site read one. An origin
//! that is listed is compared letter by letter and answered by its own name, never by `*`, and never with credentials: pages
//! of other sites come with a token or not at all. Failed answers are told as the others, so that a page can read why.
//!
//! Left out: which site may do what. Whoever holds a token holds it, from whatever page.

use std::time::Duration;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpRequest, HttpResponse};

/// The methods of all routes.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";
/// The headers that requests may have beside those that browsers always let through.
const REQUEST_HEADERS: &str = "Authorization, Content-Type, Idempotency-Key, If-None-Match, If-Range, Last-Event-ID, Prefer, \
                               Range, X-Request-Id";
/// The headers of answers that pages may read beside those that browsers always show.
const ANSWER_HEADERS: &str = "Content-Disposition, Content-Range, ETag, Idempotent-Replayed, Legwork-Existing-Job, Location, \
                              Preference-Applied, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id";
/// For how many seconds a browser need not ask again whether it may; browsers cap it at two hours.
const ASK_AGAIN_AFTER: &str = "7200";

/// What the settings say. Register it with `App::app_data(web::Data::new(…))`; without it browsers are told nothing.
#[derive(Clone, Debug, Default)]
pub struct Browsers {
    hsts: Option<HeaderValue>,
    origins: Vec<HeaderValue>,
}

impl Browsers {
    /// That they shall come by TLS alone for this long, if people reach the service by it and it is not zero; and that pages of
    /// these origins may call the service.
    #[must_use]
    pub fn new(is_tls: bool, hsts: Duration, origins: &[String]) -> Self {
        let says_hsts = is_tls && !hsts.is_zero();
        let hsts = || HeaderValue::from_str(&format!("max-age={}; includeSubDomains", hsts.as_secs())).ok();
        Self {
            hsts: says_hsts.then(hsts).flatten(),
            origins: origins
                .iter()
                .filter_map(|origin| HeaderValue::from_str(origin).ok())
                .collect(),
        }
    }

    /// The origin of the page that sent a request, if it may call the service.
    fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut given = headers.get_all(header::ORIGIN);
        let origin = given.next().filter(|_| given.next().is_none())?;
        self.origins.iter().find(|known| *known == origin).cloned()
    }
}

/// What the answer to one request tells a browser.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    hsts: Option<HeaderValue>,
    /// Whether the answer depends on which site asks.
    varies: bool,
    origin: Option<HeaderValue>,
}

impl Told {
    /// In answer to `request`.
    pub(super) fn to(request: &HttpRequest) -> Self {
        let Some(browsers) = request.app_data::<Data<Browsers>>() else {
            return Self::default();
        };
        Self {
            hsts: browsers.hsts.clone(),
            varies: !browsers.origins.is_empty(),
            origin: browsers.allowed(request.headers()),
        }
    }

    /// The headers, each once.
    pub(super) fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let hsts = self.hsts.clone().map(|hsts| (header::STRICT_TRANSPORT_SECURITY, hsts));
        let varies = self.varies.then(|| (header::VARY, HeaderValue::from_static("Origin")));
        let origin = self.origin.clone().into_iter().flat_map(|origin| {
            let shown = HeaderValue::from_static(ANSWER_HEADERS);
            [
                (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin),
                (header::ACCESS_CONTROL_EXPOSE_HEADERS, shown),
            ]
        });
        hsts.into_iter().chain(varies).chain(origin)
    }

    /// Adds them to those of an answer.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        for (name, value) in self.headers() {
            if name == header::VARY {
                // A handler's answer may vary by more.
                headers.append(name, value);
            } else {
                headers.insert(name, value);
            }
        }
    }
}

/// The middleware that answers browsers which ask, before a page of another site calls the service, whether it may. Whoever may
/// not is answered as if there were no such question: by the route, which has no such method.
///
/// # Errors
/// What an inner service could not answer.
pub async fn answer_for_other_sites<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let is_question = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        && Told::to(request.request()).origin.is_some();
    if !is_question {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let answer = HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, ASK_AGAIN_AFTER))
        .finish();
    Ok(request.into_response(answer).map_into_right_body())
}
