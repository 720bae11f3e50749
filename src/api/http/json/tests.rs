//! Bodies as clients get them wrong.

use super::*;
use crate::api::http::Slug;
use crate::clock::Timestamp;
use proptest::prelude::*;
use serde::Deserialize;
use std::collections::HashMap;

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Order {
    name: String,
    #[serde(default)]
    count: Option<u8>,
    #[serde(default)]
    ratio: f64,
    #[serde(default)]
    urgent: bool,
    #[serde(default)]
    size: Size,
    #[serde(default)]
    lines: Vec<Line>,
    #[serde(default)]
    data: serde_json::Value,
    #[serde(default)]
    at: Option<Timestamp>,
    #[serde(default)]
    to: Option<Recipients>,
    #[serde(default)]
    labels: HashMap<String, u32>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Line {
    item: String,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Size {
    #[default]
    Small,
    Large,
    Custom {
        width: i64,
    },
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged)]
enum Recipients {
    One(String),
    Many(Vec<String>),
}

fn blamed(body: &str) -> (String, String) {
    let problem = parse::<Order>(body.as_bytes()).unwrap_err();
    assert_eq!(problem.slug(), Slug::InvalidInput, "{body}");
    let [field] = problem.errors() else {
        panic!("one error for {body}")
    };
    (field.pointer.clone(), field.detail.clone())
}

#[test]
fn a_whole_number_may_be_written_with_a_fraction_or_an_exponent() {
    let read = |text: &str| shape::read::<u8>(serde_json::from_str(text).unwrap());
    for (written, number) in [("4.0", 4), ("0.0", 0), ("255.0", 255), ("1e2", 100), ("2.5e1", 25)] {
        assert_eq!(read(written).unwrap(), number, "{written}");
    }
    for refused in ["4.000001", "256.0", "-1.0", "1e300", "-1e300", "9007199254740994.0"] {
        assert!(read(refused).is_err(), "{refused}");
    }
}

#[test]
fn a_whole_body_reads_as_it_was_sent() {
    let body = r#" {"name": "a", "count": 255, "ratio": 2, "urgent": true, "size": {"custom": {"width": -3}}, "lines": [{"item": "b"}],
        "data": {"x": [1, 2.5, null, "é"]}, "at": "2026-01-31T08:30:00Z", "to": ["c"], "labels": {"d": 1}} "#;
    let order: Order = parse(body.as_bytes()).unwrap();
    assert_eq!(
        (order.name.as_str(), order.count, order.ratio, order.urgent),
        ("a", Some(255), 2.0, true)
    );
    assert_eq!(
        (order.size, order.lines),
        (Size::Custom { width: -3 }, vec![Line { item: "b".into() }])
    );
    assert_eq!(order.data, serde_json::json!({"x": [1, 2.5, null, "é"]}));
    assert_eq!(
        (order.to, order.labels["d"]),
        (Some(Recipients::Many(vec!["c".into()])), 1)
    );
    assert_eq!(order.at.unwrap().to_string(), "2026-01-31T08:30:00.000000Z");
}

#[test]
fn the_field_that_is_wrong_is_named_in_plain_words() {
    for (body, pointer, detail) in [
        (r#"{}"#, "/name", "is required"),
        (
            r#"{"name": "a", "nmae": 1}"#,
            "/nmae",
            "is not a known field; known are: name, count",
        ),
        (r#"{"name": "a", "a/b~c": 1}"#, "/a~1b~0c", "is not a known field"),
        (r#"{"name": 1}"#, "/name", "must be a string, not a number"),
        (r#"{"name": null}"#, "/name", "must be a string, not null"),
        (r#"{"name": "a", "name": "b"}"#, "/name", "is given more than once"),
        (
            r#"{"name": "a", "data": {"x": {"y": 1, "y": 1}}}"#,
            "/data/x/y",
            "is given more than once",
        ),
        (
            r#"{"name": "a", "count": 256}"#,
            "/count",
            "must be a whole number from 0 to 255",
        ),
        (
            r#"{"name": "a", "count": -1}"#,
            "/count",
            "must be a whole number from 0 to 255",
        ),
        (
            r#"{"name": "a", "count": 1.5}"#,
            "/count",
            "must be a whole number from 0 to 255",
        ),
        (
            r#"{"name": "a", "count": "1"}"#,
            "/count",
            "must be a whole number from 0 to 255, not a string",
        ),
        (
            r#"{"name": "a", "ratio": []}"#,
            "/ratio",
            "must be a number, not an array",
        ),
        (
            r#"{"name": "a", "urgent": "true"}"#,
            "/urgent",
            "must be true or false, not a string",
        ),
        (
            r#"{"name": "a", "size": "huge"}"#,
            "/size",
            "must be one of: small, large, custom",
        ),
        (
            r#"{"name": "a", "size": 1}"#,
            "/size",
            "must be one of: small, large, custom",
        ),
        (
            r#"{"name": "a", "size": "custom"}"#,
            "/size",
            "must be an object with the field custom",
        ),
        (
            r#"{"name": "a", "size": {"custom": {"width": "1"}}}"#,
            "/size/custom/width",
            "must be a whole number of at most 18 digits, not a string",
        ),
        (
            r#"{"name": "a", "lines": {}}"#,
            "/lines",
            "must be an array, not an object",
        ),
        (
            r#"{"name": "a", "lines": [{"item": "b"}, {}]}"#,
            "/lines/1/item",
            "is required",
        ),
        (
            r#"{"name": "a", "lines": [{"item": "b", "x": 1}]}"#,
            "/lines/0/x",
            "is not a known field; known are: item",
        ),
        (r#"{"name": "a", "at": "tomorrow"}"#, "/at", "not an RFC 3339 time"),
        (
            r#"{"name": "a", "to": 1}"#,
            "/to",
            "is none of the forms that it may have",
        ),
        (
            r#"{"name": "a", "labels": {"d": "e"}}"#,
            "/labels/d",
            "must be a whole number from 0 to 4294967295",
        ),
        (r#"[]"#, "", "must be an object, not an array"),
        (r#""text""#, "", "must be an object, not a string"),
    ] {
        let (found, words) = blamed(body);
        assert_eq!(found, pointer, "{body}");
        assert!(words.starts_with(detail), "{body}: {words}");
    }
}

#[test]
fn text_that_is_not_json_is_told_with_line_and_column() {
    let deep = "[".repeat(200);
    for (body, detail) in [
        ("", "the body is empty"),
        (
            "{\"name\": \"a\",\n  oops}",
            "the body is not JSON, at line 2, column 3",
        ),
        ("{\"name\": \"a\"", "the body ends before its JSON does, at line 1"),
        ("{\"name\": \"a\"} x", "the body is not JSON, at line 1, column 15"),
        ("{'name': 1}", "the body is not JSON, at line 1"),
        ("nul", "the body ends before its JSON does"),
        (deep.as_str(), "the body is not JSON, at line 1, column 128"),
    ] {
        let problem = parse::<Order>(body.as_bytes()).unwrap_err();
        assert_eq!(problem.slug(), Slug::MalformedJson, "{body}");
        assert!(problem.to_string().contains(detail), "{body}: {problem}");
    }
    assert_eq!(
        parse::<Order>(b"{\"name\": \"\xff\"}").unwrap_err().slug(),
        Slug::MalformedJson
    );
}

/// Names that only a reader of the source would know.
const TYPE_NAMES: [&str; 8] = ["Order", "Line", "Size", "Recipients", "struct", "enum", "u8", "i64"];

proptest! {
    #[test]
    fn any_json_is_read_or_refused_without_a_name_of_a_rust_type(
        field in "name|count|ratio|urgent|size|lines|data|at|to|labels|x",
        value in r#"null|true|-?[0-9]{1,25}|[0-9]\.[0-9]e[0-9]|"[a-z]{0,5}"|\[\]|\[1\]|\{\}|\{"custom":1\}|\{"item":\[\]\}"#,
    ) {
        let body = format!("{{\"{field}\": {value}}}");
        if let Err(problem) = parse::<Order>(body.as_bytes()) {
            for error in problem.errors() {
                let named = TYPE_NAMES.iter().find(|name| error.detail.split_whitespace().any(|word| word == **name));
                prop_assert!(named.is_none(), "{} {}", body, error.detail);
            }
        }
    }

    #[test]
    fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _read = parse::<Order>(&body).is_ok();
    }
}
