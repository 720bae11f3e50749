//! Every example of the document is good: by its own schema, and for the running service, which answers as described.

use actix_web::http::Method;
use serde_json::Value;

use super::cast::{Cast, Who, with_file};
use super::conformance::validator;
use super::spec::{DOCUMENT, Operation};
use crate::api::tests::request;

#[actix_web::test]
async fn every_operation_answers_its_examples_with_a_success_that_it_describes() {
    let cast = Cast::new().await;
    let mut asked = 0;
    for operation in Operation::all() {
        let mut bodies: Vec<_> = operation
            .examples()
            .into_iter()
            .map(|(name, body)| (name, Some(body)))
            .collect();
        if bodies.is_empty() {
            bodies.push(("no body", None));
        }
        for (name, body) in bodies {
            let here = format!("{}, {name}", operation.id());
            let method: Method = operation.method.parse().unwrap();
            let uri = cast.path(&operation).await;
            // What it takes may be a login of its own.
            let body = match body {
                Some(body) => Some(cast.prepared(&operation, body).await),
                None => None,
            };
            let mut asking = with_file(&operation, request(method, &uri, ""));
            if let Some(value) = cast.authorization(&Who::of(&operation)) {
                asking = asking.insert_header(("authorization", value));
            }
            if let Some(body) = body {
                asking = asking.set_json(body);
            }
            // That the answer is as described is checked on its way.
            let answer = cast.world.send(asking).await;
            assert!((200..300).contains(&answer.status), "{here}: {answer:?}");
            if Cast::may_log_out(&operation) {
                cast.log_in_again().await;
            }
            asked += 1;
        }
    }
    assert!(asked >= 26, "only {asked} examples");
}

#[test]
fn every_example_matches_its_own_schema() {
    let mut matched = 0;
    let mut check = |schema: &Value, example: &Value, here: &str| {
        let outcome = validator(&DOCUMENT, schema)
            .validate(example)
            .map_err(|error| format!("{here}: {error}: {example}"));
        outcome.unwrap();
        matched += 1;
    };
    for operation in Operation::all() {
        let schema = operation.told.pointer("/requestBody/content/application~1json/schema");
        for (name, example) in operation.examples() {
            check(schema.unwrap(), &example, &format!("{}, {name}", operation.id()));
        }
        if let Some(file) = operation.file() {
            let schema = operation
                .told
                .pointer("/requestBody/content/application~1octet-stream/schema");
            check(schema.unwrap(), &file.into(), operation.id());
        }
        for parameter in ["path", "query", "header"]
            .into_iter()
            .flat_map(|place| operation.parameters(place))
        {
            if let Some(example) = parameter.get("example") {
                check(&parameter["schema"], example, operation.id());
            }
        }
    }
    for (name, response) in DOCUMENT["components"]["responses"].as_object().unwrap() {
        let content = &response["content"]["application/problem+json"];
        check(&content["schema"], &content["example"], name);
    }
    for (name, schema) in DOCUMENT["components"]["schemas"].as_object().unwrap() {
        for example in schema["examples"].as_array().into_iter().flatten() {
            check(schema, example, name);
        }
    }
    assert!(matched >= 30, "only {matched} examples");
}
