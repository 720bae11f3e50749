//! Places in what an operation takes: where an id may stand, and where there is an object.

use serde_json::{Map, Value, json};

use super::spec::{Operation, choices, name_of, resolved};

/// Objects whose schema is another route's or nobody's: where in a body (`*` is any item), and what ids they take.
const ELSEWHERE: &[(&str, &[(&str, &str)])] = &[
    // What the work routes take.
    ("/jobs/*/args", &[("/after/*", "JobId")]),
    ("/finally/args", &[("/after/*", "JobId")]),
    ("/job/args", &[("/after/*", "JobId")]),
    ("/args", &[("/after/*", "JobId")]),
    // The words of a template.
    ("/data", &[]),
    ("/sample", &[]),
];

/// What is no id in the path, the query or the head of a request.
const NO_IDS: &[&str] = &[
    // Of a queue, a worker, a file of the documentation, and a limit, which is the asker's own workspace's.
    "queue",
    "name",
    "file",
    "key",
    // Of what is shown.
    "action",
    "kind",
    "limit",
    "version",
    "state",
    "since",
    "event",
    "cancel_when_gone",
    "all",
    "backtrace",
    "token",
    "prefix",
    "stream",
    "reason",
    "address",
    // Of a change among those that the reader may see.
    "Last-Event-ID",
    // The asker's own.
    "Idempotency-Key",
    "Prefer",
    "Range",
    "If-Range",
    "If-None-Match",
];

/// A place for an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A part of the path, by its name.
    Path(String),
    /// A parameter of the query.
    Query(String),
    /// A place in the query from which a list goes on, which is an id in other letters.
    Cursor(String),
    /// Within the body: a pointer in which `*` is any item.
    Body(String),
}

/// The places of an operation that take an id, each with the sort of what has it; of a cursor any sort.
pub(super) fn places(operation: &Operation) -> Vec<(Place, Option<&'static str>)> {
    let mut found = Vec::new();
    for place in ["path", "query", "header", "cookie"] {
        for parameter in operation.parameters(place) {
            let name = parameter["name"].as_str().unwrap().to_owned();
            let here = || format!("{}: {place} {name}", operation.id());
            match (place, id_of(&parameter["schema"])) {
                ("path", Some(sort)) => found.push((Place::Path(name), Some(sort))),
                ("query", Some(sort)) => found.push((Place::Query(name), Some(sort))),
                ("query", None) if name == "cursor" => found.push((Place::Cursor(name), None)),
                (_, None) if NO_IDS.contains(&name.as_str()) => {}
                _ => panic!("teach this test whether an id stands there: {}", here()),
            }
        }
    }
    if let Some(body) = operation.body() {
        let mut pointers = Vec::new();
        within(body, String::new(), &mut pointers);
        found.extend(pointers.into_iter().map(|(at, sort)| (Place::Body(at), Some(sort))));
    }
    found
}

/// The sort of id that a schema is of; also where it may be null.
fn id_of(schema: &'static Value) -> Option<&'static str> {
    let parts = ["oneOf", "anyOf", "allOf"]
        .iter()
        .filter_map(|key| schema[*key].as_array());
    let named = std::iter::once(schema).chain(parts.flatten()).filter_map(name_of);
    named.into_iter().find(|name| name.ends_with("Id"))
}

fn within(schema: &'static Value, at: String, found: &mut Vec<(String, &'static str)>) {
    if let Some(sort) = id_of(schema) {
        found.push((at, sort));
        return;
    }
    for choice in choices(schema) {
        let properties = choice["properties"].as_object();
        for (name, field) in properties.into_iter().flatten() {
            within(field, format!("{at}/{name}"), found);
        }
        if let Some(items) = choice.get("items") {
            within(items, format!("{at}/*"), found);
        }
        if properties.is_none() && is_object(choice) {
            let (_, ids) = elsewhere(&at);
            found.extend(ids.iter().map(|(behind, sort)| (format!("{at}{behind}"), *sort)));
        }
    }
}

fn is_object(schema: &Value) -> bool {
    schema["type"] == "object"
        || schema["type"]
            .as_array()
            .is_some_and(|all| all.contains(&json!("object")))
}

fn elsewhere(at: &str) -> &'static (&'static str, &'static [(&'static str, &'static str)]) {
    let known = ELSEWHERE.iter().find(|(place, _)| *place == at);
    known.unwrap_or_else(|| panic!("teach this test what the object at {at} takes"))
}

/// The body with `value` at a pointer, in whose lists it is the only item; none if what is around it is not there.
pub(super) fn with_at(body: &Value, pointer: &str, value: &Value) -> Option<Value> {
    let mut changed = body.clone();
    let parts: Vec<&str> = pointer.split('/').skip(1).collect();
    put(&mut changed, &parts, value).then_some(changed)
}

fn put(into: &mut Value, parts: &[&str], value: &Value) -> bool {
    match parts {
        [] => {
            *into = value.clone();
            true
        }
        ["*"] => {
            *into = json!([value]);
            true
        }
        ["*", rest @ ..] => into
            .as_array_mut()
            .and_then(|items| items.first_mut())
            .is_some_and(|first| put(first, rest, value)),
        [name, rest @ ..] => {
            let Some(fields) = into.as_object_mut() else {
                return false;
            };
            let is_last = rest.iter().all(|part| *part == "*");
            if is_last {
                fields.entry(*name).or_insert(Value::Null);
            }
            fields.get_mut(*name).is_some_and(|field| put(field, rest, value))
        }
    }
}

/// The objects in a body that are read strictly: the pointer of each, and the names that it knows; none of those whose schema is
/// another route's.
pub(super) fn objects(schema: &'static Value, body: &Value) -> Vec<(String, Option<&'static Map<String, Value>>)> {
    let mut found = Vec::new();
    walk(schema, body, "", "", &mut found);
    found
}

fn walk(
    schema: &'static Value,
    value: &Value,
    at: &str,
    place: &str,
    found: &mut Vec<(String, Option<&'static Map<String, Value>>)>,
) {
    for choice in choices(resolved(schema)) {
        if let (Some(items), Some(values)) = (choice.get("items"), value.as_array()) {
            for (index, one) in values.iter().enumerate() {
                walk(items, one, &format!("{at}/{index}"), &format!("{place}/*"), found);
            }
        }
        let Some(fields) = value.as_object() else { continue };
        match choice["properties"].as_object() {
            Some(known) => {
                found.push((at.to_owned(), Some(known)));
                for (name, one) in fields {
                    if let Some(schema) = known.get(name) {
                        walk(schema, one, &format!("{at}/{name}"), &format!("{place}/{name}"), found);
                    }
                }
            }
            None if is_object(choice) && !matches!(elsewhere(place).0, "/data" | "/sample") => {
                found.push((at.to_owned(), None))
            }
            None => {}
        }
    }
}
