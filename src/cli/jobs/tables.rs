//! Jobs, one job and causes as text.
//!
//! Guarantees: columns begin at the same place in each line; fields that this version does not know are left out, and those
//! that are absent are `-`; no text of the service can steer the terminal.

use legwork::telemetry::harmless;
use serde_json::Value;

/// A page of jobs, and how to see the next.
pub(super) fn jobs(told: &Value) -> String {
    let rows = list(told, "data").iter().map(|job| {
        let names = ["id", "state", "kind", "queue", "attempt", "created_at", "cause"];
        names.iter().map(|name| text(job, name)).collect()
    });
    let mut drawn = table(
        &["ID", "STATE", "KIND", "QUEUE", "ATTEMPT", "ACCEPTED", "CAUSE"],
        rows.collect(),
    );
    if let Some(cursor) = told.get("next_cursor").and_then(Value::as_str) {
        drawn.push_str(&format!("\n… more: --cursor {}", harmless(cursor)));
    }
    drawn
}

/// One job: what is known of it, and its attempts.
pub(super) fn job(told: &Value) -> String {
    let mut lines = Vec::new();
    for (name, value) in told.as_object().into_iter().flatten() {
        if name != "attempts" && !value.is_null() {
            lines.push(format!("{:20} {}", harmless(name), shown(value)));
        }
    }
    let rows: Vec<Vec<String>> = list(told, "attempts")
        .iter()
        .map(|attempt| {
            let names = ["number", "outcome", "started_at", "finished_at", "error"];
            names.iter().map(|name| text(attempt, name)).collect()
        })
        .collect();
    if !rows.is_empty() {
        lines.push(String::new());
        lines.push(table(&["ATTEMPT", "OUTCOME", "BEGAN", "ENDED", "ERROR"], rows));
    }
    for attempt in list(told, "attempts") {
        if let Some(said) = attempt.get("transcript").and_then(Value::as_str) {
            lines.push(format!(
                "\nattempt {}, milliseconds since it began:",
                text(attempt, "number")
            ));
            lines.extend(said.lines().map(|line| format!("  {}", harmless(line))));
        }
    }
    lines.join("\n")
}

/// Causes, those of most jobs first.
pub(super) fn causes(told: &Value) -> String {
    let rows = list(told, "data").iter().map(|group| {
        let sample = list(group, "samples").first().map_or_else(|| "-".to_owned(), shown);
        let names = ["count", "kind", "queue", "cause", "last_at"];
        let mut row: Vec<String> = names.iter().map(|name| text(group, name)).collect();
        row.push(sample);
        row.push(text(group, "error"));
        row
    });
    let mut drawn = table(
        &["JOBS", "KIND", "QUEUE", "CAUSE", "LAST", "ONE OF THEM", "ERROR"],
        rows.collect(),
    );
    if told.get("is_capped").and_then(Value::as_bool) == Some(true) {
        let looked_at = told.get("looked_at").map_or_else(String::new, shown);
        drawn.push_str(&format!("\n… of the newest {looked_at}; there are more"));
    }
    drawn
}

fn list<'a>(told: &'a Value, name: &str) -> &'a [Value] {
    told.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(in crate::cli) fn text(of: &Value, name: &str) -> String {
    match of.get(name) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(value) => shown(value),
    }
}

/// A text as it is, anything else as JSON.
fn shown(value: &Value) -> String {
    harmless(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

pub(in crate::cli) fn table(heads: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut all = vec![heads.iter().map(|head| (*head).to_owned()).collect::<Vec<_>>()];
    all.extend(rows);
    let widths: Vec<usize> = (0..heads.len())
        .map(|column| {
            let cells = all.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let lines = all.iter().map(|row| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tables_have_columns_and_no_text_of_the_service_steers_the_terminal() {
        let told = json!({ "data": [
            { "id": "job_1", "state": "running", "kind": "\u{1b}[2J", "queue": "mail", "attempt": 2, "cause": null },
        ], "next_cursor": "abc" });
        let drawn = jobs(&told);
        assert_eq!(
            drawn.lines().collect::<Vec<_>>(),
            [
                "ID     STATE    KIND       QUEUE  ATTEMPT  ACCEPTED  CAUSE",
                "job_1  running  \\u{1b}[2J  mail   2        -         -",
                "… more: --cursor abc",
            ]
        );
        let told = json!({ "looked_at": 100_000, "is_capped": true, "data": [
            { "count": 7, "kind": "email.send", "queue": "mail", "cause": "permanent", "error": "no\nline", "last_at": "t",
              "samples": ["job_2"] },
        ]});
        let drawn = causes(&told);
        assert!(
            drawn.contains("7     email.send  mail   permanent  t     job_2        no\\nline"),
            "{drawn}"
        );
        assert!(drawn.ends_with("… of the newest 100000; there are more"), "{drawn}");
        let told = json!({ "id": "job_3", "result": { "a": 1 }, "cause": null, "attempts": [{ "number": 1, "error": "x", "transcript": "0 C: a\n1 S: \u{1b}b\n" }] });
        let drawn = job(&told);
        assert!(drawn.ends_with("  0 C: a\n  1 S: \\u{1b}b"), "{drawn}");
        assert!(
            drawn.contains("result               {\"a\":1}") && !drawn.contains("cause"),
            "{drawn}"
        );
        assert!(drawn.contains("ATTEMPT  OUTCOME  BEGAN  ENDED  ERROR"), "{drawn}");
    }
}
