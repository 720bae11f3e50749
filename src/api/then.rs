//! Two extractors, one after the other.
//!
//! Guarantees: the second is not begun before the first has succeeded. The framework runs the extractors of a handler side
//! by side and answers with whichever fails first, so that a stranger with an expired token would be told what is wrong
//! with a body that the service should not even have read.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use super::http::Problem;

/// `First`, then `Second`.
pub(super) struct Then<First, Second>(pub(super) First, pub(super) Second);

impl<First, Second> FromRequest for Then<First, Second>
where
    First: FromRequest<Error = Problem> + 'static,
    Second: FromRequest<Error = Problem> + 'static,
{
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let first = First::from_request(&request, &mut payload).await?;
            let second = Second::from_request(&request, &mut payload).await?;
            Ok(Self(first, second))
        })
    }
}
