//! The last step of every answer: a failed one becomes a problem with the request's id, and is logged if it is our fault.
//!
//! Guarantees: whatever failed in the framework or in a handler leaves as a problem; a fault of ours (a 500, or a
//! 503 with a cause) is logged with its cause exactly once, and nothing else about a failure is logged.

use std::sync::Arc;

use actix_web::Error;
use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::error::ResponseError as _;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};

use super::{INTERNAL_DETAIL, Problem, RATE_LIMIT, RATE_LIMIT_POLICY, Slug};
use crate::api::http::browsers::Told;
use crate::telemetry::{chain, names::event};

/// Gives a failed answer its final form. An error without an answer (from a middleware) stays an error, with that form and what
/// browsers are told.
pub(in crate::api::http) fn finish<B: MessageBody>(
    outcome: Result<ServiceResponse<B>, Error>,
    request_id: &Arc<str>,
    told: &Told,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    let answer = match outcome {
        Ok(answer) => answer,
        Err(error) => {
            let problem = complete(problem_of_error(&error), request_id);
            let with = |problem: Problem, (name, value): (HeaderName, HeaderValue)| problem.with_header(name, value);
            return Err(told.headers().fold(problem, with).into());
        }
    };
    let Some(problem) = problem_of_answer(&answer) else {
        return Ok(answer.map_into_left_body());
    };
    let mut rendered = complete(problem, request_id).error_response();
    for name in [
        header::ALLOW,
        header::RETRY_AFTER,
        header::WWW_AUTHENTICATE,
        RATE_LIMIT,
        RATE_LIMIT_POLICY,
    ] {
        if let Some(value) = answer
            .headers()
            .get(&name)
            .filter(|_| !rendered.headers().contains_key(&name))
        {
            rendered.headers_mut().insert(name, value.clone());
        }
    }
    Ok(answer.into_response(rendered).map_into_right_body())
}

fn complete(mut problem: Problem, request_id: &Arc<str>) -> Problem {
    problem.request_id = Some(Arc::clone(request_id));
    if problem.slug.status().is_server_error() {
        let error = problem
            .cause
            .as_deref()
            .map_or_else(|| problem.to_string(), |cause| chain(cause));
        tracing::error!(event = event::REQUEST_FAILED, error, "a request failed");
    }
    problem
}

/// The problem that a failed answer tells of: a handler's or extractor's own, or one that fits what the framework said.
fn problem_of_answer<B: MessageBody>(answer: &ServiceResponse<B>) -> Option<Problem> {
    if let Some(error) = answer.response().error() {
        return Some(problem_of_error(error));
    }
    let made_here = answer.headers().contains_key(header::CONTENT_TYPE);
    // A handler's own answer, such as a page about a bad link, has a type; the framework's bare ones have none.
    if made_here {
        None
    } else {
        problem_of_status(answer.status())
    }
}

fn problem_of_error(error: &Error) -> Problem {
    if let Some(problem) = error.as_error::<Problem>() {
        return problem.clone();
    }
    let status = error.as_response_error().status_code();
    let problem = problem_of_status(status).unwrap_or_else(|| Problem::new(Slug::Internal, INTERNAL_DETAIL));
    // The framework's text may hold anything, so it is for the log alone.
    problem.with_cause(Foreign(error.to_string()))
}

fn problem_of_status(status: StatusCode) -> Option<Problem> {
    let slug = Slug::of_status(status)?;
    Some(match slug {
        Slug::NotFound => Problem::not_found(),
        Slug::Internal => Problem::new(slug, INTERNAL_DETAIL),
        slug => Problem::new(
            slug,
            status
                .canonical_reason()
                .unwrap_or("the request was refused")
                .to_lowercase(),
        ),
    })
}

/// The text of an error that is not a [`Problem`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Foreign(String);
