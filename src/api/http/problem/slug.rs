//! The kinds of problem that clients can tell apart.
//!
//! Guarantees: a kind's slug, status and title never change once published; new kinds may be added.

use actix_web::http::StatusCode;

macro_rules! slugs {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:ident, $title:literal;)*) => {
        /// A kind of problem; its `type` is `/problems/` and the slug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Slug { $($(#[$doc])* $name,)* }

        impl Slug {
            /// All kinds, ordered by status.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The last part of the `type`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The status of an answer with such a problem.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// What it is, in a few words that are the same each time.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

slugs! {
    /// 400: the request is not what HTTP or this route asks for, outside its fields.
    BadRequest = "bad-request", BAD_REQUEST, "Bad request";
    /// 400: the body is not JSON.
    MalformedJson = "malformed-json", BAD_REQUEST, "The body is not JSON";
    /// 401: no credentials, or none that are good.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "Not logged in";
    /// 401: the password was right, and the account has a second factor.
    SecondFactorRequired = "second-factor-required", UNAUTHORIZED, "The second factor is needed too";
    /// 403: good credentials that do not reach this far.
    Forbidden = "forbidden", FORBIDDEN, "Not allowed";
    /// 403: an API key without the scope that this takes, which `detail` names.
    ScopeMissing = "scope-missing", FORBIDDEN, "The API key lacks a scope";
    /// 403: the password must be shown again first, since it was not shown lately.
    ConfirmationRequired = "confirmation-required", FORBIDDEN, "Show the password again";
    /// 404: nothing is here, or nothing that these credentials may know of.
    NotFound = "not-found", NOT_FOUND, "Not found";
    /// 405: the path exists, with other methods; `Allow` names them.
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "Method not allowed";
    /// 408: the body did not arrive in time.
    RequestTimeout = "request-timeout", REQUEST_TIMEOUT, "The request did not arrive in time";
    /// 409: the thing is in a state that does not allow this.
    Conflict = "conflict", CONFLICT, "Conflict";
    /// 410: there was something here, and it was kept long enough.
    Gone = "gone", GONE, "No longer kept";
    /// 413: the body is larger than the limit, which `detail` names.
    PayloadTooLarge = "payload-too-large", PAYLOAD_TOO_LARGE, "The body is too large";
    /// 415: the body is of another type than the route takes.
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "Unsupported media type";
    /// 416: the thing is shorter than the range that is asked for.
    RangeNotSatisfiable = "range-not-satisfiable", RANGE_NOT_SATISFIABLE, "No such range";
    /// 422: fields of the body or the query are not what they must be; `errors` names each.
    InvalidInput = "invalid-input", UNPROCESSABLE_ENTITY, "Some fields are not valid";
    /// 422: an `Idempotency-Key` that stands for another request.
    KeyReused = "idempotency-key-reused", UNPROCESSABLE_ENTITY, "The Idempotency-Key stands for another request";
    /// 429: a limit on how much may be asked; `Retry-After` says when to try again.
    TooManyRequests = "too-many-requests", TOO_MANY_REQUESTS, "Too many requests";
    /// 500: a fault of the service; the log has its cause under the `request_id`.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Internal error";
    /// 503: the service cannot do it now; `Retry-After` says when to try again.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Unavailable";
}

impl Slug {
    /// The kind that fits a bare `status`, if it is one of a problem.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Option<Self> {
        let exact = Self::ALL.iter().copied().find(|slug| slug.status() == status);
        match exact {
            Some(slug) => Some(slug),
            None if status.is_client_error() => Some(Self::BadRequest),
            None if status.is_server_error() => Some(Self::Internal),
            None => None,
        }
    }
}
