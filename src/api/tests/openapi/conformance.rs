//! Every answer of every test against what the document says about it.
//!
//! Guarantees: a status that is not described, a body that does not match its schema, a field that the schema does not know,
//! and a described header that is missing each fail the test whose request it was.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use actix_web::http::Method;
use jsonschema::Validator;
use serde_json::{Value, json};

use super::spec::{DOCUMENT, Operation};
use crate::api::tests::Answer;

/// Headers that only some of the answers of their status carry.
const NOT_ALWAYS: &[&str] = &[
    "Set-Cookie",
    "Preference-Applied",
    "Idempotent-Replayed",
    "Legwork-Existing-Job",
];

/// What an operation says about the answers of one status.
struct Described {
    headers: Vec<String>,
    /// By type of content.
    bodies: HashMap<String, Validator>,
}

static DESCRIBED: LazyLock<HashMap<(String, String, u16), Described>> = LazyLock::new(|| {
    let closed = closed(&DOCUMENT);
    let mut all = HashMap::new();
    for operation in Operation::all() {
        for (status, response) in operation.told["responses"].as_object().unwrap() {
            let response = match response["$ref"].as_str() {
                Some(target) => DOCUMENT.pointer(target.strip_prefix('#').unwrap()).unwrap(),
                None => response,
            };
            let headers = response["headers"]
                .as_object()
                .into_iter()
                .flat_map(|headers| headers.keys().cloned());
            let content = response["content"].as_object().into_iter().flatten();
            let bodies = content.map(|(kind, content)| (kind.clone(), validator(&closed, &content["schema"])));
            let described = Described {
                headers: headers.collect(),
                bodies: bodies.collect(),
            };
            all.insert(
                (
                    operation.method.clone(),
                    operation.path.clone(),
                    status.parse().unwrap(),
                ),
                described,
            );
        }
    }
    all
});

/// Whether the document describes such an answer; `Ok` for what it leaves out.
pub(in crate::api::tests) fn conforms(method: &Method, path: &str, answer: &Answer) -> Result<(), String> {
    if answer.status >= 400 && answer.header("content-type") == "application/problem+json" {
        for member in ["type", "title", "detail", "request_id"] {
            let has = method == Method::HEAD || answer.body[member].as_str().is_some_and(|text| !text.is_empty());
            has.then_some(()).ok_or_else(|| format!("a problem without {member}"))?;
        }
    }
    let mut matching = Operation::all();
    matching.retain(|one| is_at(&one.path, path));
    // A path that says it in words goes before one with a parameter in that place, whatever its methods are.
    let holes = |one: &Operation| one.path.matches('{').count();
    let fewest = matching.iter().map(holes).min();
    matching.retain(|one| *method == one.method.as_str() && Some(holes(one)) == fewest);
    let Some(operation) = matching.pop() else {
        return Ok(());
    };
    let key = (operation.method, operation.path, answer.status);
    let described = DESCRIBED
        .get(&key)
        .ok_or_else(|| format!("{} is not described", answer.status))?;
    // Nothing is left to be told of where nothing was taken, as from operators.
    let may_lack = |name: &str| NOT_ALWAYS.contains(&name) || answer.status < 400 && name.starts_with("RateLimit");
    let missing = described
        .headers
        .iter()
        .find(|name| !may_lack(name) && answer.header(name).is_empty());
    if let Some(name) = missing {
        return Err(format!("{name} is missing"));
    }
    let kind = answer.header("content-type");
    let essence = kind.split(';').next().unwrap_or_default();
    if essence == "text/event-stream" || described.bodies.is_empty() && answer.text.is_empty() {
        return Ok(());
    }
    let validator = described
        .bodies
        .get(kind)
        .or_else(|| described.bodies.get(essence))
        .ok_or_else(|| format!("a body of type {kind:?} is not described"))?;
    let is_json = essence.ends_with("json");
    let text = Value::from(answer.text.as_str());
    validator
        .validate(if is_json { &answer.body } else { &text })
        .map_err(|error| format!("{} at {}", error, error.instance_path()))
}

/// Whether `path` is one of those that `pattern` stands for.
fn is_at(pattern: &str, path: &str) -> bool {
    let (mut parts, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (parts.next(), given.next()) {
            (None, None) => return true,
            (Some(part), Some(given)) if part == given || part.starts_with('{') && !given.is_empty() => {}
            _ => return false,
        }
    }
}

/// A validator of one schema of `document`.
pub(super) fn validator(document: &Value, schema: &Value) -> Validator {
    let mut root = json!({ "components": document["components"] });
    root["allOf"] = json!([schema]);
    let built = jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .build(&root);
    built.unwrap_or_else(|error| panic!("{error}: {schema}"))
}

/// The document, in which an object that does not say so is closed to fields that it does not name: clients must ignore
/// what they do not know, and this service must describe what it sends. A part of a larger object cannot be closed.
fn closed(document: &Value) -> Value {
    let mut parts = BTreeSet::new();
    let mut left = vec![document];
    while let Some(value) = left.pop() {
        let members = value["allOf"].as_array().into_iter().flatten();
        parts.extend(members.filter_map(|one| one["$ref"].as_str()?.rsplit('/').next()));
        match value {
            Value::Object(fields) => left.extend(fields.values()),
            Value::Array(items) => left.extend(items),
            _ => {}
        }
    }
    let mut closed = document.clone();
    for (name, schema) in closed["components"]["schemas"].as_object_mut().unwrap() {
        if schema["properties"].is_object() && !parts.contains(name.as_str()) {
            schema["additionalProperties"] = json!(false);
        } else if schema["allOf"].is_array() {
            schema["unevaluatedProperties"] = json!(false);
        }
    }
    closed
}

#[test]
fn an_answer_that_is_not_as_described_is_found() {
    let answer = |status: u16, kind: &'static str, body: Value| {
        let mut headers = actix_web::http::header::HeaderMap::new();
        let mut set = |name, value| headers.insert(name, actix_web::http::header::HeaderValue::from_static(value));
        set(actix_web::http::header::CONTENT_TYPE, kind);
        set(actix_web::http::header::HeaderName::from_static("x-request-id"), "x");
        Answer {
            status,
            headers,
            text: body.to_string(),
            body,
        }
    };
    let check = |answer: Answer| conforms(&Method::GET, "/health/live", &answer);
    let good = || json!({ "status": "ok" });
    assert_eq!(check(answer(200, "application/json", good())), Ok(()));
    for (wrong, told) in [
        (answer(201, "application/json", good()), "201 is not described"),
        (answer(200, "text/plain", good()), "is not described"),
        (answer(200, "application/json", json!({ "status": 5 })), "status"),
        (answer(200, "application/json", json!({})), "required"),
        (
            answer(200, "application/json", json!({ "status": "ok", "more": 1 })),
            "more",
        ),
        (
            answer(503, "application/problem+json", json!({ "title": "x" })),
            "without type",
        ),
    ] {
        let error = check(wrong).unwrap_err();
        assert!(error.contains(told), "{told}: {error}");
    }
    let mut without = answer(200, "application/json", good());
    without.headers.remove("x-request-id");
    assert_eq!(check(without), Err("X-Request-Id is missing".into()));
}
