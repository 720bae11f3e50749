//! Which fields of an answer are always there.
//!
//! Guarantees: one rule for all answers: a field that may be null is always there, and one that may be absent is never null.
//! It is said here once, since the derived schema calls every field that may be null optional. Bodies of requests, which are
//! closed to unknown fields, are left as they are.

use serde_json::Value;
use utoipa::Modify;
use utoipa::openapi::{OpenApi, RefOr, Schema};

/// Names the fields that are always there as required.
pub(super) struct Presence;

impl Modify for Presence {
    fn modify(&self, document: &mut OpenApi) {
        for schema in document.components.iter_mut().flat_map(|all| all.schemas.values_mut()) {
            let RefOr::T(Schema::Object(object)) = schema else {
                continue;
            };
            if object.additional_properties.is_some() {
                continue;
            }
            for (name, field) in &object.properties {
                if may_be_null(field) && !object.required.contains(name) {
                    object.required.push(name.clone());
                }
            }
        }
    }
}

fn may_be_null(field: &RefOr<Schema>) -> bool {
    let Ok(field) = serde_json::to_value(field) else {
        return false;
    };
    let names_null =
        |kind: &Value| kind == "null" || kind.as_array().is_some_and(|kinds| kinds.contains(&"null".into()));
    let of_any_kind = ["type", "$ref", "oneOf", "allOf", "anyOf"]
        .iter()
        .all(|key| field.get(key).is_none());
    let choices = field.get("oneOf").and_then(Value::as_array);
    let mut kinds = choices
        .into_iter()
        .flatten()
        .chain([&field])
        .filter_map(|one| one.get("type"));
    of_any_kind || kinds.any(names_null)
}
