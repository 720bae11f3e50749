//! JSON bodies that may be left out, and JSON within them whose shape is known only later.
//!
//! Guarantees: no body is no value; whatever is sent is read as strictly as where it must be there.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use serde::de::{Deserialize, DeserializeOwned, Deserializer};

use super::node::Node;
use super::{check_type, parse, read_body, shape};
use crate::api::http::Problem;

/// The body as a `T`, if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionalJson<T>(pub Option<T>);

impl<T: DeserializeOwned> FromRequest for OptionalJson<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            let is_typed =
                !request.content_type().is_empty() || request.headers().contains_key(header::CONTENT_ENCODING);
            if is_typed {
                check_type(&request)?;
            }
            let body = read_body(&request, payload).await?;
            if body.is_empty() && !is_typed {
                return Ok(Self(None));
            }
            check_type(&request)?;
            parse(&body).map(Some).map(Self)
        })
    }
}

/// An object as it was sent, to be read once it is known what it should be.
#[derive(Debug)]
pub struct Unread(Node);

impl Unread {
    /// The value as it was sent; of a field that was given twice, which reading refuses, the last.
    #[must_use]
    pub fn to_value(&self) -> serde_json::Value {
        self.0.to_value()
    }

    /// The value as a `T`, which should deny unknown fields; it stands at `pointer` in the body.
    ///
    /// # Errors
    /// 422 with the pointer to what is wrong.
    pub fn read<T: DeserializeOwned>(self, pointer: &str) -> Result<T, Problem> {
        shape::read(self.0).map_err(|error| {
            let mut field = error.into_field();
            field.pointer.insert_str(0, pointer);
            Problem::invalid_input(vec![field])
        })
    }
}

impl<'de> Deserialize<'de> for Unread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Node::object(deserializer).map(Self)
    }
}
