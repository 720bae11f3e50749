//! The document as the tests read it: operations, schemas behind references, examples.

use std::sync::LazyLock;

use serde_json::Value;

use crate::api::openapi::document;

/// The document as clients read it.
pub(super) static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::to_value(document()).unwrap());

/// One operation.
pub(in crate::api::tests) struct Operation {
    pub(in crate::api::tests) method: String,
    /// With its parameters in braces.
    pub(in crate::api::tests) path: String,
    /// What the document says about it.
    pub(super) told: &'static Value,
}

impl Operation {
    /// Every operation of the document.
    pub(super) fn all() -> Vec<Self> {
        let mut found = Vec::new();
        for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
            for (method, told) in item.as_object().unwrap() {
                let (method, path) = (method.to_uppercase(), path.clone());
                found.push(Self { method, path, told });
            }
        }
        found
    }

    pub(super) fn id(&self) -> &'static str {
        self.told["operationId"].as_str().unwrap()
    }

    /// The role that the document names: `open`, `member`, `session` or `operator`.
    pub(super) fn role(&self) -> &'static str {
        let first = self.told["security"]
            .get(0)
            .and_then(|one| one.as_object()?.values().next());
        first.map_or("open", |roles| roles[0].as_str().unwrap())
    }

    /// The scope that the document names for API keys; none where it lets no key in.
    pub(in crate::api::tests) fn scope(&self) -> Option<&'static str> {
        let all = self.told["security"].as_array().into_iter().flatten();
        let mut by_key = all.filter_map(|one| one["api_key"].as_array());
        by_key.next().map(|names| names[1].as_str().unwrap())
    }

    /// Its parameters in this place: `path`, `query` or `header`.
    pub(super) fn parameters(&self, place: &str) -> Vec<&'static Value> {
        let all = self.told["parameters"].as_array().into_iter().flatten();
        all.filter(|one| one["in"] == place).collect()
    }

    /// The schema of its body, if it takes one.
    pub(super) fn body(&self) -> Option<&'static Value> {
        self.told
            .pointer("/requestBody/content/application~1json/schema")
            .map(resolved)
    }

    /// The example of its body, where that is a file as it is.
    pub(super) fn file(&self) -> Option<&'static str> {
        let content = self.told.pointer("/requestBody/content/application~1octet-stream");
        content.map(|content| content["example"].as_str().unwrap())
    }

    /// The examples of its body, by name, where that is JSON.
    pub(super) fn examples(&self) -> Vec<(&'static str, Value)> {
        let Some(content) = self.told.pointer("/requestBody/content/application~1json") else {
            return Vec::new();
        };
        match content["examples"].as_object() {
            Some(named) => named
                .iter()
                .map(|(name, one)| (name.as_str(), one["value"].clone()))
                .collect(),
            None => vec![("example", content["example"].clone())],
        }
    }
}

/// The schema itself, also where it is named by a reference.
pub(super) fn resolved(schema: &'static Value) -> &'static Value {
    match schema["$ref"].as_str() {
        Some(target) => resolved(DOCUMENT.pointer(target.strip_prefix('#').unwrap()).unwrap()),
        None => schema,
    }
}

/// The name under which a schema stands among the components, if it does.
pub(super) fn name_of(schema: &'static Value) -> Option<&'static str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

/// The schemas any of which a value may match: itself, or the choices that it gives.
pub(super) fn choices(schema: &'static Value) -> Vec<&'static Value> {
    let schema = resolved(schema);
    match schema["oneOf"].as_array() {
        Some(several) => several.iter().flat_map(choices).collect(),
        None => vec![schema],
    }
}

/// The JSON types that a value may have; all of them where the schema names none.
pub(super) fn types(schema: &'static Value) -> Vec<&'static str> {
    let mut found = Vec::new();
    for choice in choices(schema) {
        match &choice["type"] {
            Value::String(one) => found.push(one.as_str()),
            Value::Array(several) => found.extend(several.iter().map(|one| one.as_str().unwrap())),
            _ => found.extend(["null", "boolean", "integer", "number", "string", "array", "object"]),
        }
    }
    found
}
