//! Asking the whole application, and holding each answer against the description of the API.

use actix_http::Request;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::{Method, header};
use actix_web::middleware::from_fn;
use actix_web::test::{TestRequest, init_service, try_call_service};
use actix_web::{App, Error, HttpResponse, body, web};

use super::{Answer, openapi};
use crate::api::http::{Browsers, Limits, browsers, request_id, security};
use crate::api::{State, routes_of};
use crate::domain::roles::Roles;

/// The whole application, ready to be asked.
pub(super) async fn app(
    state: web::Data<State>,
) -> impl Service<Request, Response = ServiceResponse<impl MessageBody>, Error = Error> {
    app_of(state, Roles::Both).await
}

/// The application of a node with these roles.
pub(super) async fn app_of(
    state: web::Data<State>,
    roles: Roles,
) -> impl Service<Request, Response = ServiceResponse<impl MessageBody>, Error = Error> {
    let (is_tls, http) = (state.config.public_url.is_tls(), &state.config.http);
    let to_browsers = Browsers::new(is_tls, http.hsts, &http.cors_origins);
    let app = App::new()
        .app_data(web::Data::new(to_browsers))
        .app_data(state)
        .app_data(web::Data::new(Limits::default()))
        .default_service(web::to(security::not_found))
        .configure(routes_of(roles))
        .wrap(from_fn(security::limit_time))
        .wrap(from_fn(browsers::answer_for_other_sites))
        .wrap(from_fn(request_id::track));
    init_service(app).await
}

/// The answer before its body is read; that of an error is made here, where a server would make it.
pub(super) async fn begin<B: MessageBody + 'static>(
    app: &impl Service<Request, Response = ServiceResponse<B>, Error = Error>,
    request: Request,
) -> HttpResponse {
    match try_call_service(app, request).await {
        Ok(answer) => ServiceResponse::map_into_boxed_body(answer).into_parts().1,
        Err(error) => error.error_response(),
    }
}

/// The answer, which is held against the description of the API.
pub(super) async fn send<B: MessageBody + 'static>(
    app: &impl Service<Request, Response = ServiceResponse<B>, Error = Error>,
    request: TestRequest,
) -> Answer {
    let request = request.to_request();
    let (method, path) = (request.method().clone(), request.path().to_owned());
    let answer = ask(app, request).await;
    openapi::conforms(&method, &path, &answer).unwrap_or_else(|error| panic!("{method} {path}: {error}: {answer:?}"));
    answer
}

/// The answer with its body. A stream, which has no end, counts as empty.
pub(super) async fn ask<B: MessageBody + 'static>(
    app: &impl Service<Request, Response = ServiceResponse<B>, Error = Error>,
    request: Request,
) -> Answer {
    let answer = begin(app, request).await;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let is_stream = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "text/event-stream");
    let bytes = if is_stream {
        web::Bytes::new()
    } else {
        body::to_bytes(answer.into_body()).await.unwrap()
    };
    // Only what is compressed is no text.
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let body = serde_json::from_str(&text).unwrap_or_default();
    Answer {
        status,
        headers,
        text,
        body,
    }
}

/// A request with a bearer token, unless it is empty.
pub(super) fn request(method: Method, uri: &str, token: &str) -> TestRequest {
    let request = TestRequest::default().method(method).uri(uri);
    if token.is_empty() {
        request
    } else {
        request.insert_header((header::AUTHORIZATION, format!("Bearer {token}")))
    }
}
