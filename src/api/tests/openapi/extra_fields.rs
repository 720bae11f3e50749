//! Fields that nobody may set: added to every object of every body, as the document names them.
//!
//! Guarantees: whatever a client adds to a body is refused by name, so that nothing of a row is set because it happens to be
//! called so (mass assignment).

use actix_web::http::Method;
use serde_json::{Value, json};

use super::cast::{Cast, Who};
use super::places::objects;
use super::spec::Operation;
use crate::api::tests::{Answer, app, ask, request};

/// What rows are made of, and what clients elsewhere have tried.
const EXTRA: &[&str] = &[
    "id",
    "workspace",
    "workspace_id",
    "account_id",
    "is_operator",
    "role",
    "password_hash",
    "email_canonical",
    "email_verified",
    "created_at",
    "created_by",
    "updated_at",
    "expires_at",
    "confirmed_at",
    "finished_at",
    "state",
    "attempt",
    "fence",
    "result",
    "cause",
    "node",
    "rank",
    "request_id",
    "batch_id",
    "schedule_id",
    "args_version",
    "is_bounded",
    "tick",
    "weight",
    "jobs_waiting_max",
    "__proto__",
    "constructor",
];

/// Objects that are read as a whole, and blamed so.
const WHOLE: &[&str] = &["/missed"];

/// The fewest cases: somewhat below what there are, so that they cannot become none unseen.
const CASES_MIN: usize = 1_000;

/// The problem that an answer is, and those of its items, where each of what was sent has an answer of its own.
fn problems(answer: &Answer) -> impl Iterator<Item = &Value> {
    let items = answer.body["data"].as_array().into_iter().flatten();
    std::iter::once(&answer.body).chain(items.filter_map(|item| item.get("problem")))
}

/// Whether the answer, or that of one item, is a 422 that blames the field at this pointer.
fn blames(answer: &Answer, pointer: &str) -> bool {
    problems(answer).any(|problem| {
        let mut errors = problem["errors"].as_array().into_iter().flatten();
        problem["status"] == 422 && errors.any(|error| error["pointer"] == pointer)
    })
}

#[actix_web::test]
async fn a_field_that_nobody_may_set_is_refused_by_its_name_wherever_it_is_added() {
    let cast = Cast::new().await;
    let app = app(cast.world.state.clone()).await;
    let (mut count, mut wrong) = (0, Vec::new());
    for operation in Operation::all() {
        let Some(schema) = operation.body() else { continue };
        let uri = cast.path(&operation).await;
        let method: Method = operation.method.parse().unwrap();
        for (name, example) in operation.examples() {
            for (at, known) in objects(schema, &example) {
                let free = EXTRA
                    .iter()
                    .filter(|field| known.is_none_or(|known| !known.contains_key(**field)));
                for field in free {
                    // As what it would be, as nothing, and as one that is set.
                    let value = [json!(true), Value::Null, json!("wsp_00000000000000000000000000000000")];
                    let mut body = example.clone();
                    let object = body.pointer_mut(&at).and_then(Value::as_object_mut).unwrap();
                    object.insert((*field).to_owned(), value[count % value.len()].clone());
                    let mut asking = request(method.clone(), &uri, "").set_json(&body);
                    if let Some(value) = cast.authorization(&Who::of(&operation)) {
                        asking = asking.insert_header(("authorization", value));
                    }
                    let answer = ask(&app, asking.to_request()).await;
                    count += 1;
                    let pointer = if WHOLE.contains(&at.as_str()) {
                        at.clone()
                    } else {
                        format!("{at}/{field}")
                    };
                    if !blames(&answer, &pointer) {
                        wrong.push(format!(
                            "{}, {name}: {pointer}: {} {}",
                            operation.id(),
                            answer.status,
                            answer.text
                        ));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= CASES_MIN, "only {count} cases");
}
