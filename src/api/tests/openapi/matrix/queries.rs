//! Query strings.

use serde_json::Value;

use super::{Asked, Case, Wanted};
use crate::api::tests::openapi::spec::{Operation, choices};

pub(super) fn cases(operation: &Operation, good: &Asked) -> Vec<Case> {
    let with = |query: &str| good.at(format!("{}?{query}", good.uri));
    let parameters = operation.parameters("query");
    let odd = [
        "&&&",
        "=",
        "%",
        "%00=%00",
        "%ff=%ff",
        "a=b=c",
        "?",
        "no_such=1&no_such=2",
        "%5B%5D=1",
    ];
    let mut cases: Vec<_> = odd
        .iter()
        .map(|query| with(query).case(format!("an odd query: {query}"), Wanted::Described))
        .collect();
    let long = with(&format!("x={}", "a".repeat(10_000)));
    cases.push(long.case("a long query", Wanted::Described));
    if parameters.is_empty() {
        return cases;
    }
    let mut blamed = |name: &str, query: &str, field: &str| {
        cases.push(with(query).case(
            format!("{name}: {query:.60}"),
            Wanted::Blamed(format!("/query/{field}")),
        ));
    };
    blamed("an unknown parameter", "no_such=1", "no_such");
    for parameter in parameters {
        let field = parameter["name"].as_str().unwrap();
        blamed("given twice", &format!("{field}=1&{field}=1"), field);
        for schema in choices(&parameter["schema"]) {
            for value in wrong_values(schema) {
                blamed("a wrong value", &format!("{field}={value}"), field);
            }
        }
    }
    for parameter in operation.parameters("query") {
        let field = parameter["name"].as_str().unwrap();
        let schema = choices(&parameter["schema"])[0];
        for value in [&schema["minimum"], &schema["maximum"], &schema["enum"][0]] {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if !value.is_null() {
                cases.push(
                    with(&format!("{field}={text}")).case("just within", Wanted::Spared(format!("/query/{field}"))),
                );
            }
        }
        for value in ["%00", "%ff", "", &"a".repeat(10_000)] {
            cases.push(with(&format!("{field}={value}")).case("an odd value", Wanted::Described));
        }
    }
    cases
}

/// Texts that the schema of a parameter does not take.
fn wrong_values(schema: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    if schema["enum"].is_array() {
        wrong.extend(["", "no-such", "%00", "null", "1"].map(str::to_owned));
    }
    if schema["type"] == "integer" {
        wrong.extend(["", "x", "1.5", "1e2", "0x1", "99999999999999999999", "null", "%2B"].map(str::to_owned));
        wrong.extend(schema["minimum"].as_i64().map(|least| (least - 1).to_string()));
        wrong.extend(schema["maximum"].as_i64().map(|most| (most + 1).to_string()));
    }
    wrong
}
