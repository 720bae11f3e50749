//! Query strings, as strictly as bodies.
//!
//! Guarantees: an unknown parameter, one that is given twice, one that is missing and one of another type are each a 422 whose
//! pointer is `/query/<name>`. Numbers and booleans are read from their text; a list is one parameter with commas.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::web::Query;
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;

use super::json::node::Node;
use super::json::shape::{self, ShapeError};
use super::{FieldError, Problem};

/// The query parameters as a `T`, which should deny unknown fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrictQuery<T>(pub T);

impl<T: DeserializeOwned> FromRequest for StrictQuery<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request.query_string()).map(Self))
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let pairs = Query::<Vec<(String, String)>>::from_query(text);
    let pairs = pairs
        .or(Err(Problem::bad_request("the query string is not form-encoded")))?
        .into_inner();
    let node = Node::Object(
        pairs
            .into_iter()
            .map(|(name, value)| (name, Node::Word(value)))
            .collect(),
    );
    shape::read(node).map_err(|error: ShapeError| {
        let FieldError { pointer, detail } = error.into_field();
        Problem::invalid_input(vec![FieldError {
            pointer: format!("/query{pointer}"),
            detail,
        }])
    })
}
