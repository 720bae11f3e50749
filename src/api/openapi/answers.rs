//! What an operation may answer because of its sort, and what every answer carries.
//!
//! Guarantees: each refusal is described once, as a component, with an example that the code for problems wrote. A handler
//! names only what is special to it: a status of its own with its own words, to which the body is added here.

use std::collections::BTreeMap;
use std::time::Duration;

use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::Operation;
use utoipa::openapi::path::ParameterIn;
use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{ContentBuilder, OpenApi, PathItem, Ref, RefOr, Required, Response, ResponseBuilder};
use utoipa::{IntoResponses, Modify, PartialSchema as _, ToSchema as _};

use super::roles::Role;
use crate::api::http::{FieldError, Problem, ProblemBody, Slug};
use crate::api::jobs::JobView;

/// Adds the refusals of each operation's sort.
pub(super) struct Answers;

impl Modify for Answers {
    fn modify(&self, document: &mut OpenApi) {
        for (method, operation) in operations(document) {
            for slug in refusals(method, operation) {
                let status = slug.status().as_str().to_owned();
                let shared = || RefOr::Ref(Ref::from_response_name(component(slug)));
                operation.responses.responses.entry(status).or_insert_with(shared);
            }
            if let (Some("retry_job" | "preview_template"), Some(RefOr::T(body))) =
                (operation.operation_id.as_deref(), &mut operation.request_body)
            {
                // The only bodies that may be left out; the macros cannot say so of one that has a schema of its own.
                body.required = Some(Required::False);
            }
            let is_limited = operation.responses.responses.contains_key("429");
            for (status, response) in &mut operation.responses.responses {
                if let RefOr::T(response) = response {
                    complete(status, response);
                    if is_limited && status.starts_with('2') {
                        tell_what_is_left(response);
                    }
                }
            }
        }
        let components = document.components.get_or_insert_default();
        for slug in Slug::ALL {
            let mut response = Response::new(slug.title());
            complete(slug.status().as_str(), &mut response);
            describe(*slug, &mut response);
            components.responses.insert(component(*slug), response.into());
        }
        let mut schemas = Vec::new();
        ProblemBody::schemas(&mut schemas);
        components.schemas.extend(schemas);
        components
            .schemas
            .insert(ProblemBody::name().into(), ProblemBody::schema());
    }
}

/// What every work route answers when it has accepted the work.
pub(in crate::api) enum Accepted {}

impl IntoResponses for Accepted {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let answer = |told: &str| {
            let job = ContentBuilder::new().schema(Some(Ref::from_schema_name(JobView::name())));
            let location = ObjectBuilder::new()
                .schema_type(Type::String)
                .format(Some(SchemaFormat::Custom("uri-reference".into())));
            let location = HeaderBuilder::from(Header::new(location)).description(Some("Where to look at the job."));
            let text = |told| {
                let text = ObjectBuilder::new().schema_type(Type::String);
                HeaderBuilder::from(Header::new(text)).description(Some(told)).build()
            };
            let response = ResponseBuilder::new()
                .description(told)
                .header("Location", location.build())
                .header(
                    "Preference-Applied",
                    text("The wait that was honoured, if one was asked for."),
                )
                .header(
                    "Legwork-Existing-Job",
                    text("`true` where another job has the unique key: this one."),
                )
                .header(
                    "Idempotent-Replayed",
                    text("`true` where the answer is that of an earlier request."),
                )
                .content("application/json", job.build());
            response.build().into()
        };
        BTreeMap::from([
            (
                "200".to_owned(),
                answer(
                    "The job, which has ended within the wait that was asked for, whatever it came to; or the one that has the \
                     unique key already, beside which no other was made.",
                ),
            ),
            ("202".to_owned(), answer("The job, which is on disk.")),
        ])
    }
}

/// Every operation with its method.
pub(in crate::api) fn operations(document: &mut OpenApi) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    operations_at(document).map(|(_, method, operation)| (method, operation))
}

/// Every operation with its path and its method.
pub(super) fn operations_at(document: &mut OpenApi) -> impl Iterator<Item = (&String, &'static str, &mut Operation)> {
    document.paths.paths.iter_mut().flat_map(|(path, item)| {
        let PathItem {
            get,
            put,
            post,
            delete,
            patch,
            ..
        } = item;
        let all = [
            ("GET", get),
            ("PUT", put),
            ("POST", post),
            ("DELETE", delete),
            ("PATCH", patch),
        ];
        all.into_iter()
            .filter_map(move |(method, operation)| Some((path, method, operation.as_mut()?)))
    })
}

/// How operations of this sort refuse.
fn refusals(method: &str, operation: &Operation) -> Vec<Slug> {
    // An Idempotency-Key that is none or is not kept here, or a query that is not form-encoded; a fault; a database that is
    // busy.
    let mut slugs = vec![Slug::BadRequest, Slug::Internal, Slug::Unavailable];
    let role = Role::of(operation);
    if role != Role::Open {
        slugs.push(Slug::Unauthenticated);
    }
    // Besides what a role keeps out: a page of another site that sends the cookie along with a change.
    if matches!(role, Role::Session | Role::Operator) || role == Role::Member && method != "GET" {
        slugs.push(Slug::Forbidden);
    } else if role == Role::Member {
        slugs.push(Slug::ScopeMissing);
    }
    let has = |place: &ParameterIn| {
        let parameters = operation.parameters.iter().flatten();
        parameters
            .into_iter()
            .any(|parameter| matches!(parameter, RefOr::T(one) if one.parameter_in == *place))
    };
    if has(&ParameterIn::Path) {
        slugs.push(Slug::NotFound);
    }
    if has(&ParameterIn::Query) {
        slugs.push(Slug::InvalidInput);
    }
    let is_work = operation.tags.iter().flatten().any(|tag| tag == "work");
    // What strangers send is counted by their network, and work by its workspace.
    if is_work || role == Role::Open && operation.request_body.is_some() {
        slugs.push(Slug::TooManyRequests);
    }
    if is_work {
        // Another transaction holds the key.
        slugs.push(Slug::Conflict);
    }
    if operation.request_body.is_some() {
        slugs.extend([
            Slug::RequestTimeout,
            Slug::PayloadTooLarge,
            Slug::UnsupportedMediaType,
            Slug::InvalidInput,
        ]);
    }
    slugs
}

/// The headers about a limit that was not reached.
fn tell_what_is_left(response: &mut Response) {
    let told = [
        (
            "RateLimit",
            "What is left of the limit of which the smallest part is, and when one more comes back; none where nothing was taken.",
        ),
        ("RateLimit-Policy", "Which limit it is."),
    ];
    for (name, told) in told {
        let text = ObjectBuilder::new().schema_type(Type::String);
        let header = HeaderBuilder::from(Header::new(text)).description(Some(told));
        response.headers.insert(name.to_owned(), RefOr::T(header.build()));
    }
}

/// The body of a refusal, and the headers of every answer.
fn complete(status: &str, response: &mut Response) {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let number = || ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
    let mut add = |name: &str, header: HeaderBuilder| {
        response
            .headers
            .entry(name.to_owned())
            .or_insert_with(|| RefOr::T(header.build()));
    };
    let described =
        |schema: ObjectBuilder, told: &str| HeaderBuilder::from(Header::new(schema)).description(Some(told));
    add(
        "X-Request-Id",
        described(text(), "The id of the request, under which the log tells of it."),
    );
    match status {
        "401" => add("WWW-Authenticate", described(text(), "The challenge: `Bearer`.")),
        "429" => {
            add(
                "RateLimit",
                described(text(), "What is left of the limit, and when there is more."),
            );
            add("RateLimit-Policy", described(text(), "Which limit it is."));
            add("Retry-After", described(number(), "When to try again, in seconds."));
        }
        "503" => add("Retry-After", described(number(), "When to try again, in seconds.")),
        _ => {}
    }
    if matches!(status.as_bytes(), [b'4' | b'5', ..]) && response.content.is_empty() {
        let problem = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(ProblemBody::name())))
            .build();
        response.content.insert(PROBLEM.into(), problem.into());
    }
}

/// Adds an example of this problem.
fn describe(slug: Slug, response: &mut Response) {
    let problem = match slug {
        Slug::NotFound => Problem::not_found(),
        Slug::PayloadTooLarge => Problem::payload_too_large(1024 * 1024),
        Slug::InvalidInput => Problem::invalid_input(vec![FieldError {
            pointer: "/name".into(),
            detail: "must not be empty".into(),
        }]),
        Slug::TooManyRequests => Problem::too_many_requests("try again later", Duration::from_secs(1)),
        slug => Problem::new(slug, slug.title()),
    };
    if let Some(RefOr::T(content)) = response.content.get_mut(PROBLEM) {
        content.example = Some(problem.to_json());
    }
}

/// The type of the body of every refusal.
const PROBLEM: &str = "application/problem+json";

/// The name of a refusal among the components: that of its kind.
fn component(slug: Slug) -> String {
    format!("{slug:?}")
}
