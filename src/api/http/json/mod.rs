//! JSON bodies, read strictly.
//!
//! Guarantees: a body is taken only with `Content-Type: application/json` (else 415), up to the limit (else 413, naming it);
//! text that is not JSON, or goes on after it, or nests deeper than 128, is 400 with line and column; JSON of another shape
//! is 422 with a pointer to the very field, also for one that is unknown, missing or given twice. Details are in plain
//! words, without names of Rust types.
//!
//! Left out: telling more than the first error of shape; what depends on values is collected by [`super::Fields`]. A body in
//! memory as a tree takes up to about 32 times its text (an array of zeros), so the limit on bodies bounds
//! memory too; where bodies may be larger, the number of their values is bounded as it is there, and so is their sum at once.

pub(super) mod node;
mod optional;
pub(super) mod shape;

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header;
use actix_web::web::BytesMut;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::security::BodyReading;
use super::{LargeBodies, Limits, Problem, Slug};
use node::Node;
pub use optional::{OptionalJson, Unread};

/// The body as a `T`, which should deny unknown fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrictJson<T>(pub T);

impl<T: DeserializeOwned> FromRequest for StrictJson<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            check_type(&request)?;
            let body = read_body(&request, payload).await?;
            RequestDigest::take(&request, &body);
            parse(&body).map(Self)
        })
    }
}

/// What tells a request from others: the SHA-256 of its method, its path and its body. Taken where a middleware has put an
/// empty one into the request's extensions, and nowhere else.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestDigest(Option<[u8; 32]>);

impl RequestDigest {
    /// In hexadecimal digits; none where no body was read.
    #[must_use]
    pub fn to_hex(&self) -> Option<String> {
        use std::fmt::Write as _;
        let mut text = String::with_capacity(64);
        for byte in self.0? {
            // Writing into a string never fails.
            write!(text, "{byte:02x}").ok()?;
        }
        Some(text)
    }

    fn take(request: &HttpRequest, body: &[u8]) {
        if let Some(digest) = request.extensions_mut().get_mut::<Self>() {
            let mut all = Sha256::new();
            // Neither a method nor a path holds a line break.
            all.update(request.method().as_str());
            all.update("\n");
            all.update(request.path());
            all.update("\n");
            all.update(body);
            digest.0 = Some(all.finalize().into());
        }
    }
}

fn check_type(request: &HttpRequest) -> Result<(), Problem> {
    let refused = || Problem::unsupported_media_type("send the body as JSON, with Content-Type: application/json");
    let mime = request.mime_type().or(Err(refused()))?.ok_or_else(refused)?;
    let utf8 = mime.get_param("charset").is_none_or(|charset| charset == "utf-8");
    if mime.essence_str() != "application/json" || !utf8 {
        return Err(refused());
    }
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        return Err(Problem::unsupported_media_type(
            "send the body as it is, without Content-Encoding",
        ));
    }
    Ok(())
}

pub(super) async fn read_body(request: &HttpRequest, mut payload: Payload) -> Result<BytesMut, Problem> {
    let limits = Limits::of(request);
    let limit = limits.body_bytes(request);
    let too_large = || Problem::payload_too_large(limit);
    let length = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| usize::try_from(length).is_ok_and(|length| length > limit)) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    let mut is_large = false;
    BodyReading::set(request, true);
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| match error {
            PayloadError::Overflow => too_large(),
            _ => Problem::bad_request("the body ended before its end"),
        })?;
        if body.len() + chunk.len() > limit {
            return Err(too_large());
        }
        if !is_large && body.len() + chunk.len() > limits.max_body_bytes {
            is_large = true;
            // What was not told may be as large as any.
            let length = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(limit);
            LargeBodies::enter(request, length).await;
        }
        body.extend_from_slice(&chunk);
    }
    BodyReading::set(request, false);
    if is_large && values_in(&body) > limits.max_body_bytes / 2 {
        return Err(Problem::new(
            Slug::PayloadTooLarge,
            format!("the body has more than {} values", limits.max_body_bytes / 2),
        ));
    }
    Ok(body)
}

/// How many values the JSON in `body` has at most: those of a large body are bounded by what a common one could hold, since a
/// value takes far more memory than its text. Its texts may be long.
fn values_in(body: &[u8]) -> usize {
    let (mut values, mut in_text, mut is_escaped) = (1, false, false);
    for byte in body {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            b',' | b':' | b'[' | b'{' if !in_text => values += 1,
            _ => {}
        }
    }
    values
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let node = serde_json::from_slice::<Node>(body).map_err(|error| syntax(body, &error))?;
    shape::read(node).map_err(|error| Problem::invalid_input(vec![error.into_field()]))
}

fn syntax(body: &[u8], error: &serde_json::Error) -> Problem {
    if body.is_empty() {
        return Problem::malformed_json("the body is empty");
    }
    let (line, column) = (error.line(), error.column());
    let what = if error.is_eof() {
        "the body ends before its JSON does"
    } else {
        "the body is not JSON"
    };
    Problem::malformed_json(format!("{what}, at line {line}, column {column}"))
}

#[cfg(test)]
mod tests;
