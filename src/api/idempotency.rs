//! `Idempotency-Key`, which no route keeps yet.
//!
//! Guarantees: a request that carries the header is refused before anything is done. A client that sends it will repeat the
//! request and count on one effect; to ignore the header would break that promise in silence.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;

use super::http::Problem;

/// The middleware around all routes.
///
/// # Errors
/// 400 for a request with the header, and what an inner service could not answer.
pub(super) async fn refuse(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if request.headers().contains_key("idempotency-key") {
        return Err(Problem::bad_request("Idempotency-Key is not supported yet; send the request without it").into());
    }
    next.call(request).await
}
