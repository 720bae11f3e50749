//! Every field of every body: missing, given twice, of each wrong type, and on both sides of each limit.

use serde_json::{Value, json};

use super::{Asked, Case, Wanted};
use crate::api::tests::openapi::conformance::validator;
use crate::api::tests::openapi::spec::{DOCUMENT, Operation, choices, resolved, types};

/// A value of each JSON type.
fn samples() -> Vec<(&'static str, Value)> {
    vec![
        ("null", Value::Null),
        ("boolean", json!(true)),
        ("integer", json!(5)),
        ("number", json!(1.5)),
        ("string", json!("x")),
        ("array", json!([])),
        ("object", json!({})),
    ]
}

/// What is no mail address.
const NO_ADDRESSES: &[&str] = &[
    "",
    "x",
    "x@",
    "@example.com",
    "a b@example.com",
    "a@b@example.com",
    "a@[127.0.0.1]",
    "\u{e9}@example.com",
    "a@example.com\r\nBcc: eve@example.com",
    "a@example.com\u{0}",
];

/// What is no moment.
const NO_TIMES: &[&str] = &[
    "",
    "x",
    "tomorrow",
    "2026-01-31",
    "2026-13-01T00:00:00Z",
    "99999-01-01T00:00:00Z",
    "1700000000",
];

/// Texts that some fields take and others do not.
const ODD: &[&str] = &[
    " ",
    "\n",
    "a\nb",
    "a\rb",
    "a\r\nBcc: eve@example.com",
    "a\u{0}b",
    "a\u{9b}b",
    "a\u{2028}b",
    "a\u{202e}b",
    "\u{feff}",
    "{{x}}",
    "'; drop table jobs; --",
];

/// A text of so many characters that is no word, so that it passes for a password too.
fn text(chars: usize) -> Value {
    "q7x!mZ2v".chars().cycle().take(chars).collect::<String>().into()
}

pub(super) fn cases(operation: &Operation, good: &Asked, body: &Value) -> Vec<Case> {
    let schema = operation.body().unwrap();
    let fields = schema["properties"].as_object().unwrap();
    let mut cases = Vec::new();
    let mut more = body.clone();
    more["no_such_field"] = json!(1);
    cases.push(
        good.json(more.to_string())
            .case("an unknown field", Wanted::Blamed("/no_such_field".into())),
    );
    for required in schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|name| name.as_str().unwrap())
    {
        let mut less = body.clone();
        less.as_object_mut().unwrap().remove(required);
        cases.push(
            good.json(less.to_string())
                .case("a field is missing", Wanted::Blamed(format!("/{required}"))),
        );
    }
    for (name, field) in fields {
        let base = base(operation, body, name);
        let pointer = format!("/{name}");
        let with = |value: &Value| {
            let mut changed = base.clone();
            changed[name] = value.clone();
            good.json(changed.to_string())
        };
        for (told, value, at) in wrong(field) {
            let name = format!("{pointer}: {told}: {}", short(&value));
            cases.push(with(&value).case(name, Wanted::Blamed(format!("{pointer}{at}"))));
        }
        for value in right(field) {
            let name = format!("{pointer}: just within: {}", short(&value));
            cases.push(with(&value).case(name, Wanted::Spared(pointer.clone())));
        }
        if types(field).contains(&"null") {
            // As good as left out, so that an example without the field is asked with it.
            let mut null = example(operation, |example| example.get(name).is_none()).unwrap_or_else(|| body.clone());
            null[name] = Value::Null;
            cases.push(
                good.json(null.to_string())
                    .case(format!("{pointer}: null"), Wanted::Spared(pointer.clone())),
            );
        }
        let validator = validator(&DOCUMENT, field);
        for odd in ODD {
            let value = Value::from(*odd);
            let wanted = if validator.is_valid(&value) {
                Wanted::Described
            } else {
                Wanted::Blamed(pointer.clone())
            };
            cases.push(with(&value).case(format!("{pointer}: an odd text: {value}"), wanted));
        }
        cases.extend(raw(good, &base, name));
    }
    cases
}

/// The example that has the field, since fields may depend on one another; else the one that was prepared.
fn base(operation: &Operation, prepared: &Value, name: &str) -> Value {
    let has_it = |example: &Value| example.get(name).is_some();
    let other = || example(operation, has_it).unwrap_or_else(|| prepared.clone());
    if has_it(prepared) { prepared.clone() } else { other() }
}

/// The first example that is `wanted`.
fn example(operation: &Operation, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
    operation
        .examples()
        .into_iter()
        .map(|(_, example)| example)
        .find(wanted)
}

/// The beginning of a value, for the name of a case.
fn short(value: &Value) -> String {
    value.to_string().chars().take(60).collect()
}

/// Cases that no tree of JSON can hold.
fn raw(good: &Asked, base: &Value, name: &str) -> Vec<Case> {
    let mut rest = base.clone();
    let value = rest.as_object_mut().unwrap().remove(name).unwrap_or(Value::Null);
    let rest = rest.to_string();
    let rest = rest.strip_suffix('}').unwrap();
    let comma = if rest == "{" { "" } else { "," };
    let written = |text: &str| good.json(format!("{rest}{comma}\"{name}\":{text}}}"));
    let twice = format!("{value},\"{name}\":{value}");
    vec![
        written(&twice).case(format!("/{name}: given twice"), Wanted::Blamed(format!("/{name}"))),
        written("\"\\ud800\"").case(format!("/{name}: half a surrogate pair"), Wanted::Refused(400)),
        written("1e999").case(format!("/{name}: a number beyond all"), Wanted::Refused(400)),
        written("-0").case(format!("/{name}: minus nothing"), Wanted::Described),
        written("123456789012345678901234567890")
            .case(format!("/{name}: a huge number"), Wanted::Blamed(format!("/{name}"))),
        written(&format!("{}{}", "[".repeat(100), "]".repeat(100))).case(
            format!("/{name}: deep, but not too deep"),
            Wanted::Blamed(format!("/{name}")),
        ),
        written(&format!("{}{}", "{\"a\":".repeat(500), "}".repeat(500)))
            .case(format!("/{name}: too deep"), Wanted::Refused(400)),
    ]
}

/// Values that the schema does not take: what is wrong, the value, and where within it.
fn wrong(schema: &'static Value) -> Vec<(&'static str, Value, String)> {
    let mut found = Vec::new();
    let taken = types(schema);
    for (kind, value) in samples() {
        let is_taken = taken.contains(&kind) || kind == "integer" && taken.contains(&"number");
        if !is_taken {
            found.push(("a wrong type", value, String::new()));
        }
    }
    for choice in choices(schema) {
        let here = |told: &'static str, value: Value| (told, value, String::new());
        if choice["enum"].is_array() {
            found.extend(["", "no-such", "null"].map(|value| here("not one of them", value.into())));
        }
        let length = |key: &str| choice[key].as_u64().map(|chars| usize::try_from(chars).unwrap());
        if let Some(chars) = length("minLength").filter(|chars| *chars > 0) {
            found.push(here("too short", text(chars - 1)));
        }
        if let Some(chars) = length("maxLength") {
            found.push(here("too long", text(chars + 1)));
        }
        found.extend(
            choice["minimum"]
                .as_i64()
                .map(|least| here("too low", json!(least - 1))),
        );
        found.extend(choice["maximum"].as_i64().map(|most| here("too high", json!(most + 1))));
        if taken.contains(&"integer") {
            found.extend(
                [json!(i64::MIN), json!(1_u64 << 63), json!(u64::MAX), json!(1e300)]
                    .map(|value| here("far out", value)),
            );
        }
        match choice["format"].as_str() {
            Some("email") => found.extend(NO_ADDRESSES.iter().map(|value| here("no address", (*value).into()))),
            Some("date-time") => found.extend(NO_TIMES.iter().map(|value| here("no time", (*value).into()))),
            _ => {}
        }
        found.extend(wrong_arrays(choice));
    }
    found
}

fn wrong_arrays(choice: &'static Value) -> Vec<(&'static str, Value, String)> {
    let Some(items) = choice.get("items") else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let count = |key: &str| choice[key].as_u64().map(|count| usize::try_from(count).unwrap());
    let item = resolved(items)["examples"][0].clone();
    let item = if item.is_null() {
        resolved(items)["enum"][0].clone()
    } else {
        item
    };
    if let Some(least) = count("minItems").filter(|least| *least > 0) {
        found.push(("too few", vec![item.clone(); least - 1].into(), String::new()));
    }
    if let Some(most) = count("maxItems") {
        found.push(("too many", vec![item; most + 1].into(), String::new()));
    }
    for (told, value, at) in wrong(items) {
        found.push((told, json!([value]), format!("/0{at}")));
    }
    found
}

/// Values on this side of each limit of the schema.
fn right(schema: &'static Value) -> Vec<Value> {
    let mut found = Vec::new();
    for choice in choices(schema) {
        found.extend(choice["enum"].as_array().into_iter().flatten().cloned());
        found.extend(
            ["minimum", "maximum"]
                .iter()
                .filter_map(|key| choice[*key].as_i64())
                .map(|number| json!(number)),
        );
        let lengths = ["minLength", "maxLength"]
            .iter()
            .filter_map(|key| choice[*key].as_u64());
        found.extend(lengths.map(|chars| text(usize::try_from(chars).unwrap())));
        if choice["format"] == "date-time" {
            found.extend(["2030-01-31T08:30:00Z", "2030-01-31T08:30:00.123456+02:00"].map(Value::from));
        }
        if types(choice).contains(&"integer") {
            found.push(json!(4.0));
        }
    }
    // A text of the right length may still be no address.
    let validator = validator(&DOCUMENT, schema);
    found.retain(|value| validator.is_valid(value));
    found
}
