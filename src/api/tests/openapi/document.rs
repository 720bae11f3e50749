//! The document by itself: whole, sound, and served.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::http::Method;
use serde_json::Value;

use super::spec::{DOCUMENT, Operation};

use crate::api::endpoints;
use crate::api::tests::{World, request};

/// Routes that the document leaves out, each with its reason.
const OUTSIDE: &[(&str, &str)] = &[
    ("/", "a page for people"),
    (
        "/verify",
        "a page for people and its form; programs use /v1/accounts/verify",
    ),
    (
        "/confirm-address",
        "a page for people and its form; programs use /v1/accounts/confirm-address",
    ),
    (
        "/reset",
        "a page for people and its form; programs use /v1/password-resets/confirm",
    ),
    (
        "/unsubscribe",
        "a page for people and its form, to which mail programs post too (RFC 8058)",
    ),
    ("/docs", "the page that shows the document"),
    ("/docs/{file}", "what that page is made of"),
];

#[test]
fn every_route_is_described_or_left_out_for_a_reason() {
    let mut registered = BTreeSet::new();
    for endpoint in endpoints() {
        let methods = endpoint.methods().iter().filter(|method| **method != Method::HEAD);
        registered.extend(methods.map(|method| (method.to_string(), endpoint.pattern().to_owned())));
    }
    let outside = |path: &str| OUTSIDE.iter().any(|(outside, _)| *outside == path);
    for (path, _) in OUTSIDE {
        assert!(
            registered.iter().any(|(_, other)| path == other),
            "{path} is gone; take it off the list"
        );
    }
    registered.retain(|(_, path)| !outside(path));
    let described = Operation::all().into_iter().map(|one| (one.method, one.path)).collect();
    assert_eq!(
        registered, described,
        "left: the routes; right: the document. Annotate the handler, and name it in api/openapi/mod.rs"
    );
}

#[test]
fn every_operation_says_what_it_is_for_who_may_use_it_and_how_it_answers() {
    let document = &*DOCUMENT;
    let tags: BTreeSet<_> = document["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["name"].clone().to_string())
        .collect();
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    let mut ids = BTreeMap::new();
    for Operation {
        method,
        path,
        told: operation,
    } in Operation::all()
    {
        let here = format!("{method} {path}: {operation}");
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(
            summary.len() > 5 && summary.ends_with('.') && !summary.contains('`'),
            "a summary: {here}"
        );
        assert!(
            operation["description"].as_str().unwrap_or_default().len() > 10,
            "a description: {here}"
        );
        let own = operation["tags"].as_array().unwrap();
        assert!(
            own.len() == 1 && tags.contains(&own[0].to_string()),
            "one tag that is described: {here}"
        );
        let id = operation["operationId"].as_str().unwrap().to_owned();
        assert_eq!(ids.insert(id, here.clone()), None, "an operationId of its own");
        for requirement in operation["security"].as_array().unwrap() {
            assert!(
                requirement
                    .as_object()
                    .unwrap()
                    .keys()
                    .all(|scheme| schemes.contains_key(scheme)),
                "{here}"
            );
        }
        let in_path: BTreeSet<_> = path.split(['{', '}']).skip(1).step_by(2).collect();
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let named = parameters
            .iter()
            .filter(|one| one["in"] == "path")
            .map(|one| one["name"].as_str().unwrap());
        assert_eq!(in_path, named.collect(), "the parameters of the path: {here}");
        assert!(
            parameters
                .iter()
                .all(|one| one["description"].is_string() && one["schema"].is_object()),
            "{here}"
        );
        let statuses: Vec<_> = operation["responses"].as_object().unwrap().keys().collect();
        assert!(
            statuses.iter().any(|status| status.starts_with('2')),
            "a success: {here}"
        );
        if let Some(body) = operation.get("requestBody") {
            let may_be_left_out =
                ["retry_job", "preview_template"].contains(&operation["operationId"].as_str().unwrap());
            assert_eq!(body["required"], !may_be_left_out, "{here}");
            let (kind, content) = body["content"].as_object().unwrap().iter().next().unwrap();
            let example = &content["example"];
            let has_example = match kind.as_str() {
                "application/json" => example.is_object() || content["examples"].is_object(),
                // A file as it is.
                _ => example.is_string(),
            };
            assert!(has_example, "an example: {here}");
        }
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_field_of_a_request_is_closed() {
    let document = &*DOCUMENT;
    let mut left = vec![document];
    while let Some(value) = left.pop() {
        if let Some(target) = value.get("$ref").and_then(Value::as_str) {
            let pointer = target.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{target} is nowhere");
        }
        match value {
            Value::Object(fields) => left.extend(fields.values()),
            Value::Array(items) => left.extend(items),
            _ => {}
        }
    }
    for Operation {
        method,
        path,
        told: operation,
    } in Operation::all()
    {
        let Some(body) = operation.get("requestBody") else {
            continue;
        };
        // A file has no fields.
        if body["content"]["application/octet-stream"].is_object() {
            continue;
        }
        let target = body["content"]["application/json"]["schema"]["$ref"].as_str().unwrap();
        let schema = document.pointer(target.strip_prefix('#').unwrap()).unwrap();
        assert_eq!(
            schema["additionalProperties"], false,
            "{method} {path}: deny_unknown_fields is missing"
        );
    }
}

#[test]
fn an_object_says_which_fields_it_has_or_that_it_takes_any() {
    // Without either, makers of clients take it for one that can have none.
    let mut left: Vec<_> = DOCUMENT["components"]["schemas"].as_object().unwrap().iter().collect();
    let mut looked_at = 0;
    while let Some((name, schema)) = left.pop() {
        let is_object = schema["type"] == "object"
            || schema["type"]
                .as_array()
                .is_some_and(|kinds| kinds.contains(&"object".into()));
        if is_object && name != "properties" {
            let is_clear = schema["properties"].is_object() || !schema["additionalProperties"].is_null();
            assert!(is_clear, "{name}: {schema}");
            looked_at += 1;
        }
        match schema {
            Value::Object(fields) => left.extend(fields),
            Value::Array(items) => left.extend(items.iter().map(|item| (name, item))),
            _ => {}
        }
    }
    assert!(looked_at > 30, "only {looked_at} objects");
}

#[test]
fn the_document_is_openapi_and_its_schemas_are_json_schema() {
    // https://spec.openapis.org/oas/3.1/schema/2022-10-07, which leaves the schemas within to their own dialect.
    let meta = serde_json::from_str(include_str!("openapi-3.1.schema.json")).unwrap();
    let wrong: Vec<_> = jsonschema::validator_for(&meta)
        .unwrap()
        .iter_errors(&DOCUMENT)
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    for (name, schema) in DOCUMENT["components"]["schemas"].as_object().unwrap() {
        let outcome = jsonschema::draft202012::meta::validate(schema).map_err(|error| format!("{name}: {error}"));
        outcome.unwrap();
    }
}

#[actix_web::test]
async fn whoever_has_the_document_is_told_that_it_did_not_change() {
    let world = World::new();
    let first = world.get("/openapi.json", "").await;
    assert_eq!((first.status, first.header("content-type")), (200, "application/json"));
    assert_eq!(
        (&first.body, first.body["openapi"].as_str()),
        (&*DOCUMENT, Some("3.1.0"))
    );
    let tag = first.header("etag").to_owned();
    for (given, status) in [(tag.as_str(), 304), ("*", 304), ("\"another\"", 200), ("nonsense", 200)] {
        let again = request(Method::GET, "/openapi.json", "").insert_header(("if-none-match", given));
        let again = world.send(again).await;
        assert_eq!((again.status, again.header("etag")), (status, tag.as_str()), "{given}");
        assert_eq!(again.text.is_empty(), status == 304, "{given}");
    }
}

#[actix_web::test]
async fn the_page_of_the_document_runs_scripts_of_its_own_and_no_other_page_does() {
    let world = World::new();
    let page = world.get("/docs", "").await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, "text/html; charset=utf-8")
    );
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("script-src 'self';") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert!(
        !page.text.contains("<script>") && !page.text.contains("//"),
        "nothing inline, nothing from elsewhere"
    );
    for uri in ["/", "/verify?token=x", "/v1/jobs", "/docs/start.js"] {
        let policy = world.get(uri, "").await.header("content-security-policy").to_owned();
        assert!(
            policy.starts_with("default-src 'none'") && !policy.contains("script-src"),
            "{uri}: {policy}"
        );
    }
    for uri in [
        "/docs/nowhere",
        "/docs/swagger-initializer.js",
        "/docs/..%2fstart.js",
        "/docs/",
    ] {
        world.get(uri, "").await.is(404, &[]);
    }
}
