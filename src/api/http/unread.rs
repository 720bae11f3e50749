//! The end of a connection whose request was answered before all of its body was there.
//!
//! Guarantees: such a connection is closed soon after the answer, whatever its client goes on to send. Where the body's length was
//! told, actix-http sees to that; of a body in chunks it reads on without a limit of time once nobody holds it any more, so that a
//! client that sends a byte now and then, or none at all, would keep the connection for ever. So it is held here until the answer is written.

use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::{StatusCode, header};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, HttpMessage as _, HttpResponse, ResponseError};
use futures_util::Stream;

/// The middleware; register it last, around [`super::request_id::track`].
///
/// # Errors
///
/// What an inner middleware could not answer.
pub async fn close(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if !request.headers().contains_key(header::TRANSFER_ENCODING) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let body = Held(Rc::new(RefCell::new(request.take_payload())));
    let read: Pin<Box<dyn Stream<Item = _>>> = Box::pin(body.clone());
    request.set_payload(Payload::from(read));
    match next.call(request).await {
        Ok(answer) => Ok(answer
            .map_body(|_, answer| Holding::new(answer, body))
            .map_into_right_body()),
        Err(error) => Err(Refused { error, body }.into()),
    }
}

/// The body of a request, shared by who reads it and the answer.
#[derive(Clone)]
struct Held(Rc<RefCell<Payload>>);

impl Stream for Held {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

/// The body of an answer, which holds that of its request.
struct Holding {
    answer: BoxBody,
    _request: Held,
}

impl Holding {
    fn new(answer: impl MessageBody + 'static, request: Held) -> Self {
        Self {
            answer: BoxBody::new(answer),
            _request: request,
        }
    }
}

impl MessageBody for Holding {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.answer.size()
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().answer).poll_next(context)
    }
}

/// An error of an inner middleware, whose answer is to hold the body of its request.
struct Refused {
    error: Error,
    body: Held,
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.error, f)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        self.error.as_response_error().status_code()
    }

    fn error_response(&self) -> HttpResponse {
        let answer = self.error.as_response_error().error_response();
        answer.map_body(|_, answer| BoxBody::new(Holding::new(answer, self.body.clone())))
    }
}
