//! Bodies that are files, read piece by piece.
//!
//! Guarantees: no more of it is in memory than one piece and what the connection has read ahead; beyond the limit it is 413,
//! before anything is read where its length was told.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header;
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt as _;

use super::Problem;
use super::security::BodyReading;

/// A body that is yet to be read.
pub struct RawBody {
    request: HttpRequest,
    payload: Payload,
    limit: usize,
    read: usize,
    /// What was read beyond the piece before.
    ahead: BytesMut,
}

impl FromRequest for RawBody {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(if request.headers().contains_key(header::CONTENT_ENCODING) {
            Err(Problem::unsupported_media_type(
                "send the body as it is, without Content-Encoding",
            ))
        } else {
            Ok(Self {
                request: request.clone(),
                payload: payload.take(),
                limit: 0,
                read: 0,
                ahead: BytesMut::new(),
            })
        })
    }
}

impl RawBody {
    /// Says how many bytes it may have; to be called before it is read.
    ///
    /// # Errors
    /// 413 if its head says that it has more.
    pub fn limit(&mut self, limit: usize) -> Result<(), Problem> {
        self.limit = limit;
        let length = self.request.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > limit)) {
            return Err(Problem::payload_too_large(limit));
        }
        Ok(())
    }

    /// The next piece, of so many bytes or, at the end, fewer; none after it.
    ///
    /// # Errors
    /// 413 if it has more bytes than it may; 400 if it ends before its end.
    pub async fn next(&mut self, size: usize) -> Result<Option<Bytes>, Problem> {
        BodyReading::set(&self.request, true);
        while self.ahead.len() < size {
            let Some(chunk) = self.payload.next().await else { break };
            let chunk = chunk.map_err(|error| match error {
                PayloadError::Overflow => Problem::payload_too_large(self.limit),
                _ => Problem::bad_request("the body ended before its end"),
            })?;
            self.read = self.read.saturating_add(chunk.len());
            if self.read > self.limit {
                return Err(Problem::payload_too_large(self.limit));
            }
            self.ahead.extend_from_slice(&chunk);
        }
        BodyReading::set(&self.request, false);
        let piece = self.ahead.split_to(self.ahead.len().min(size));
        Ok((!piece.is_empty()).then(|| piece.freeze()))
    }
}
