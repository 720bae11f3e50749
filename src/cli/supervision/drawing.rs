//! The tree as text: a line for each actor, another for its last failure.
//!
//! Guarantees: every column but the last begins at the same place in each line; fields that this version does not know are
//! left out, and those that are absent too; no text of the service can steer the terminal.

use legwork::telemetry::harmless;
use serde::Deserialize;
use serde_json::Value;

use super::Failure;

/// One node, as far as it is drawn.
#[derive(Deserialize)]
struct Node {
    name: String,
    state: String,
    strategy: Option<String>,
    #[serde(default)]
    restarts: u64,
    last_failure: Option<LastFailure>,
    started_at: Option<String>,
    retry_at: Option<String>,
    mailbox: Option<Mailbox>,
    in_flight: Option<u64>,
    #[serde(default)]
    undelivered: u64,
    message_time: Option<MessageTime>,
    doing: Option<Doing>,
    #[serde(default)]
    stuck: bool,
    #[serde(default)]
    abandoned: u64,
    children_count: Option<u64>,
    #[serde(default)]
    children: Vec<Node>,
}

#[derive(Deserialize)]
struct LastFailure {
    at: String,
    error: String,
}

#[derive(Deserialize)]
struct Mailbox {
    depth: u64,
    capacity: u64,
    #[serde(default)]
    refused: u64,
}

#[derive(Deserialize)]
struct MessageTime {
    p50_us: u64,
    p99_us: u64,
}

#[derive(Deserialize)]
struct Doing {
    what: String,
    for_ms: u64,
}

/// One line: what stands before the columns, and them.
struct Line {
    head: String,
    state: String,
    restarts: String,
    rest: Vec<String>,
    /// What stands before a line about the same node.
    under: String,
    failure: Option<LastFailure>,
}

/// Draws a node with all beneath it.
pub(super) fn draw(node: Option<&Value>) -> Result<String, Failure> {
    let node = node.cloned().unwrap_or_default();
    let node: Node = serde_json::from_value(node)
        .map_err(|error| Failure::new(Failure::OTHER, format!("the service's answer is no tree: {error}")))?;
    let mut lines = Vec::new();
    add(node, "", "", &mut lines);
    let widest = |of: fn(&Line) -> &str| lines.iter().map(|line| of(line).chars().count()).max().unwrap_or(0);
    let (head, state) = (widest(|line| &line.head), widest(|line| &line.state));
    let restarts = widest(|line| &line.restarts);
    let mut text = Vec::new();
    for line in &lines {
        let columns = format!(
            "{:head$}  {:state$}  {:restarts$}  {}",
            line.head,
            line.state,
            line.restarts,
            line.rest.join("  ")
        );
        text.push(columns.trim_end().to_owned());
        if let Some(failure) = &line.failure {
            let at = harmless(&failure.at);
            text.push(format!(
                "{:head$}  last failure {at}: {}",
                line.under,
                harmless(&failure.error)
            ));
        }
    }
    Ok(text.join("\n"))
}

/// Adds the lines of `node`, whose own begins with `branch` and all others with `trunk`.
fn add(node: Node, branch: &str, trunk: &str, lines: &mut Vec<Line>) {
    let stem = if node.children.is_empty() {
        trunk.to_owned()
    } else {
        format!("{trunk}│")
    };
    lines.push(Line {
        head: format!("{branch}{}", harmless(&node.name)),
        state: harmless(&node.state),
        restarts: format!("restarts {}", node.restarts),
        rest: particulars(&node),
        under: stem,
        failure: node.last_failure,
    });
    let last = node.children.len().saturating_sub(1);
    for (at, child) in node.children.into_iter().enumerate() {
        let (tee, bar) = if at == last {
            ("└── ", "    ")
        } else {
            ("├── ", "│   ")
        };
        add(child, &format!("{trunk}{tee}"), &format!("{trunk}{bar}"), lines);
    }
}

fn particulars(node: &Node) -> Vec<String> {
    let mailbox = node.mailbox.as_ref();
    let refused = mailbox.map_or(0, |mailbox| mailbox.refused);
    let counted = |name: &str, count: u64| (count > 0).then(|| format!("{name} {count}"));
    let hidden = node
        .children_count
        .unwrap_or(0)
        .saturating_sub(u64::try_from(node.children.len()).unwrap_or(0));
    let doing = node.doing.as_ref();
    let all = [
        node.stuck.then(|| "STUCK".to_owned()),
        doing.map(|doing| format!("at {} for {} ms", harmless(&doing.what), doing.for_ms)),
        node.strategy.as_deref().map(harmless),
        mailbox.map(|mailbox| format!("mailbox {}/{}", mailbox.depth, mailbox.capacity)),
        counted("refused", refused),
        counted("undelivered", node.undelivered),
        counted("threads abandoned", node.abandoned),
        counted("children not shown", hidden),
        node.message_time
            .as_ref()
            .map(|time| format!("p50 {} µs  p99 {} µs", time.p50_us, time.p99_us)),
        node.in_flight.map(|count| format!("in flight {count}")),
        node.started_at.as_deref().map(|at| format!("since {}", harmless(at))),
        node.retry_at
            .as_deref()
            .map(|at| format!("tried again at {}", harmless(at))),
    ];
    all.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tree_of_any_depth_is_drawn_in_columns() {
        let mailbox = |depth: u64| json!({ "depth": depth, "capacity": 16, "refused": depth, "handled": 9 });
        let tree = json!({
            "name": "root", "state": "degraded", "strategy": "one_for_one", "restarts": 0, "undelivered": 0,
            "last_failure": null, "children": [
                { "name": "work", "state": "running", "strategy": "rest_for_one", "restarts": 2, "new_field": [],
                  "last_failure": { "at": "2026-01-31T12:00:00.000000Z", "error": "a child" }, "children": [
                    { "name": "mailer", "state": "degraded", "restarts": 21, "mailbox": mailbox(3), "in_flight": 2,
                      "retry_at": "2026-01-31T12:00:10.000000Z",
                      "last_failure": { "at": "2026-01-31T12:00:00.000000Z", "error": "boom" } },
                ] },
                { "name": "keeper", "state": "running", "restarts": 0, "mailbox": mailbox(0),
                  "message_time": { "p50_us": 9, "p99_us": 70 }, "doing": { "what": "Beat", "for_ms": 5 }, "stuck": true,
                  "abandoned": 1, "children_count": 3,
                  "started_at": "2026-01-31T11:00:00.000000Z", "last_failure": null, "children": [] },
            ]
        });
        let wanted = "\
root            degraded  restarts 0   one_for_one
├── work        running   restarts 2   rest_for_one
│   │           last failure 2026-01-31T12:00:00.000000Z: a child
│   └── mailer  degraded  restarts 21  mailbox 3/16  refused 3  in flight 2  tried again at 2026-01-31T12:00:10.000000Z
│               last failure 2026-01-31T12:00:00.000000Z: boom
└── keeper      running   restarts 0   STUCK  at Beat for 5 ms  mailbox 0/16  threads abandoned 1  children not shown 3  p50 9 µs  p99 70 µs  since 2026-01-31T11:00:00.000000Z";
        assert_eq!(draw(Some(&tree)).unwrap(), wanted);
    }

    #[test]
    fn no_text_of_the_service_reaches_the_terminal_as_it_is() {
        let text = "\u{1b}[2J\n\u{202e}\u{7}";
        let node = json!({
            "name": text, "state": text, "strategy": text, "started_at": text, "retry_at": text,
            "last_failure": { "at": text, "error": text },
        });
        let drawn = draw(Some(&node)).unwrap();
        assert_eq!(drawn.lines().count(), 2, "{drawn:?}");
        assert!(!drawn.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{drawn:?}");
    }

    #[test]
    fn what_is_no_tree_is_said_to_be_none() {
        for answer in [None, Some(json!({})), Some(json!({ "name": 1 })), Some(json!([]))] {
            let failure = draw(answer.as_ref()).unwrap_err();
            assert_eq!(failure.code, Failure::OTHER);
            assert!(failure.text.contains("no tree"), "{}", failure.text);
        }
    }
}
