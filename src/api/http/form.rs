//! The bodies of HTML forms, as strictly as JSON.
//!
//! Guarantees: those of [`super::json`], with `application/x-www-form-urlencoded` in place of JSON: a body is bounded in size
//! and time, and a field that is unknown, missing or given twice is a 422 that names it.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::web::Query;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use serde::de::DeserializeOwned;

use super::Problem;
use super::json::node::Node;
use super::json::{read_body, shape};

/// The fields of a form as a `T`, which should deny unknown fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrictForm<T>(pub T);

impl<T: DeserializeOwned> FromRequest for StrictForm<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            if request.content_type() != "application/x-www-form-urlencoded" {
                return Err(Problem::unsupported_media_type(
                    "send the body as a form, with Content-Type: application/x-www-form-urlencoded",
                ));
            }
            parse(&read_body(&request, payload).await?).map(Self)
        })
    }
}

/// A body of whatever type, of which nothing matters: it is read to its end, within what all bodies are bounded by, so that the
/// connection can go on.
#[derive(Clone, Copy, Debug)]
pub struct AnyBody;

impl FromRequest for AnyBody {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move { read_body(&request, payload).await.map(|_read| Self) })
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let refused = || Problem::bad_request("the body is not form-encoded");
    let text = std::str::from_utf8(body).or(Err(refused()))?;
    let pairs = Query::<Vec<(String, String)>>::from_query(text).or(Err(refused()))?;
    let fields = pairs
        .into_inner()
        .into_iter()
        .map(|(name, value)| (name, Node::Word(value)));
    shape::read(Node::Object(fields.collect())).map_err(|error| Problem::invalid_input(vec![error.into_field()]))
}
