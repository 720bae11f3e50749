//! What every route stands on: errors, extractors, middleware.
//!
//! Guarantees: every answer with a status of 400 or more that this application makes is `application/problem+json`
//! ([`problem`]); no text of an internal error, of the framework or of a Rust type reaches a client; bodies, headers and
//! times are bounded.
//!
//! How an application is put together, from the inside out:
//!
//! ```text
//! App::new()
//!     .app_data(web::Data::new(Limits { max_body_bytes, request_timeout }))
//!     .app_data(web::Data::new(Browsers::new(is_tls, hsts, &cors_origins)))
//!     .service(Endpoint::at("/v1/jobs/{id}").get(show_job))
//!     .default_service(web::to(security::not_found))
//!     .wrap(from_fn(security::limit_time))
//!     .wrap(from_fn(browsers::answer_for_other_sites))
//!     .wrap(from_fn(request_id::track))
//!     .wrap(from_fn(unread::close))
//! ```
//!
//! Left out: answers that are made before there is a request, which actix-http writes: a head that is not HTTP (400), that is
//! too large (431) or too slow (408). They have no body. A chunk that is not HTTP ends the connection without an answer. And
//! actix-http forgets which of several pipelined requests was a `HEAD`: it goes by the one that it read last, so that whoever
//! pipelines `HEAD` with other methods gets a body that should not be there, or none where one should.

pub mod browsers;
pub mod endpoint;
pub mod form;
pub mod hashing;
pub mod json;
pub mod limits;
pub mod path;
pub mod problem;
pub mod query;
pub mod raw;
pub mod request_id;
pub mod security;
pub mod unread;
pub mod validate;

pub use browsers::Browsers;
pub use endpoint::{Endpoint, Endpoints, Routed, scope_of};
pub use form::StrictForm;
pub use hashing::{HashingError, HashingPool};
pub use json::{OptionalJson, StrictJson, Unread};
pub use limits::{LargeBodies, Limits};
pub use path::PathParam;
pub use problem::{FieldError, Problem, ProblemBody, Slug, UsedUp};
pub(in crate::api) use problem::{RATE_LIMIT, RATE_LIMIT_POLICY};
pub use query::StrictQuery;
pub use raw::RawBody;
pub use request_id::RequestId;
pub use validate::{Fields, pointer_part};

#[cfg(test)]
mod tests;
