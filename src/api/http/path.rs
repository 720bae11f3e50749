//! Typed parts of a path.
//!
//! Guarantees: a part that is not what the route takes (a garbled id, an id of another kind) is a plain 404, the same as for
//! a thing that does not exist.

use std::future::{Ready, ready};
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use super::Problem;

/// The last parameter of the route, such as the `{id}` of `/v1/jobs/{id}`, as a `T`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathParam<T>(pub T);

impl<T: FromStr> FromRequest for PathParam<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let part = request
            .match_info()
            .iter()
            .last()
            .and_then(|(_, text)| text.parse().ok());
        ready(part.map(Self).ok_or_else(Problem::not_found))
    }
}
