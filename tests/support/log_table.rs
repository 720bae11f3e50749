//! The tables of `docs/LOG.md`, and whether a line of the log keeps to them.

use std::collections::BTreeMap;

/// The page.
const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/LOG.md"));

/// What every JSON line has.
const EVERY_LINE: [&str; 4] = ["timestamp", "level", "target", "message"];

/// What the page says of one event.
pub(crate) struct Row {
    pub(crate) levels: Vec<String>,
    pub(crate) always: Vec<String>,
    pub(crate) sometimes: Vec<String>,
}

/// The tables.
pub(crate) struct LogTable {
    pub(crate) events: BTreeMap<String, Row>,
    /// The type of each field: `string`, `number` or `boolean`.
    pub(crate) fields: BTreeMap<String, String>,
}

impl LogTable {
    /// The tables of the page.
    pub(crate) fn read() -> Self {
        Self::parse(PAGE)
    }

    /// The tables of `page`: a row with five cells is an event, one with four a field. A name that comes twice is refused.
    pub(crate) fn parse(page: &str) -> Self {
        let (mut events, mut fields) = (BTreeMap::new(), BTreeMap::new());
        for line in page.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = line.trim_matches('|').split(" |").map(str::trim).collect();
            let is_new = match cells.as_slice() {
                [event, level, _, always, sometimes] => {
                    let levels = level.split(", ").map(str::to_owned).collect();
                    let (always, sometimes) = (quoted(always), quoted(sometimes));
                    let row = Row {
                        levels,
                        always,
                        sometimes,
                    };
                    events.insert(event.trim_matches('`').to_owned(), row).is_none()
                }
                [field, kind, _, _] => fields
                    .insert(field.trim_matches('`').to_owned(), (*kind).to_owned())
                    .is_none(),
                _ => false,
            };
            assert!(
                is_new,
                "docs/LOG.md: a name twice, or a row without its four or five cells: {line}"
            );
        }
        Self { events, fields }
    }

    /// What is wrong with a line of JSON; a line that is no JSON is, and one of a library may have any fields.
    pub(crate) fn objections(&self, line: &str) -> Vec<String> {
        let Ok(serde_json::Value::Object(line)) = serde_json::from_str(line) else {
            return vec!["it is no JSON object".into()];
        };
        let mut wrong: Vec<String> = Vec::new();
        let text = |name: &str| line.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
        wrong.extend(
            EVERY_LINE
                .iter()
                .filter(|name| !line.contains_key(**name))
                .map(|name| format!("it has no {name}")),
        );
        if !text("target").starts_with("legwork") {
            return wrong;
        }
        let others = line
            .iter()
            .filter(|(name, _)| !EVERY_LINE.contains(&name.as_str()) && *name != "event");
        for (name, value) in others {
            let kind = match value {
                serde_json::Value::String(_) => "string",
                serde_json::Value::Number(_) => "number",
                serde_json::Value::Bool(_) => "boolean",
                _ => "nested or null",
            };
            match self.fields.get(name) {
                None => wrong.push(format!("its field {name} is not in the table")),
                Some(known) if known != kind => wrong.push(format!("its field {name} is {kind}, not {known}")),
                Some(_) => {}
            }
        }
        let level = text("level").to_lowercase();
        let event = line.get("event").and_then(serde_json::Value::as_str);
        match event.map(|event| (event, self.events.get(event))) {
            None if matches!(level.as_str(), "debug" | "trace") => {}
            None => wrong.push("it has no event".into()),
            Some((event, None)) => wrong.push(format!("its event {event} is not in the table")),
            Some((_, Some(row))) => {
                if !row.levels.contains(&level) {
                    wrong.push(format!("its level is {level}, which the event's row does not have"));
                }
                let missing = row.always.iter().filter(|name| !line.contains_key(*name));
                wrong.extend(missing.map(|name| format!("it has no {name}, which its event always has")));
                let known = |name: &str| {
                    // A span adds it to whatever is written while a request is handled.
                    name == "request_id" || row.always.iter().chain(&row.sometimes).any(|known| known == name)
                };
                let names = line
                    .keys()
                    .map(String::as_str)
                    .filter(|name| *name != "event" && !EVERY_LINE.contains(name));
                wrong.extend(
                    names
                        .filter(|name| !known(name))
                        .map(|name| format!("its event's row has no field {name}")),
                );
            }
        }
        wrong
    }
}

/// The names in backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn a_line_that_does_not_keep_to_the_tables_is_found() {
    let page = "| `a` | info, warn | when | `x` | `y` |\n| `x` | number | | one |\n| `y` | string | | two |\n| `request_id` | string | | id |";
    let table = LogTable::parse(page);
    let line = |level: &str, rest: &str| {
        table.objections(&format!(
            "{{\"timestamp\":\"t\",\"level\":\"{level}\",\"target\":\"legwork::a\",\"message\":\"m\"{rest}}}"
        ))
    };
    assert_eq!(line("INFO", ",\"event\":\"a\",\"x\":1"), Vec::<String>::new());
    assert_eq!(
        line("WARN", ",\"event\":\"a\",\"x\":1,\"y\":\"z\",\"request_id\":\"r\""),
        Vec::<String>::new()
    );
    assert_eq!(line("DEBUG", ",\"y\":\"z\""), Vec::<String>::new());
    for (level, rest) in [
        ("INFO", ""),
        ("INFO", ",\"event\":\"b\""),
        ("ERROR", ",\"event\":\"a\",\"x\":1"),
        ("INFO", ",\"event\":\"a\""),
        ("INFO", ",\"event\":\"a\",\"x\":\"1\""),
        ("INFO", ",\"event\":\"a\",\"x\":1,\"y\":null"),
        ("DEBUG", ",\"z\":1"),
    ] {
        assert_eq!(line(level, rest).len(), 1, "{level} {rest}");
    }
    assert_eq!(table.objections("legwork: text").len(), 1);
}
