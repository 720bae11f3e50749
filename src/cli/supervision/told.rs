//! One event of the tree as a line of text.

use legwork::telemetry::harmless;
use serde::Deserialize;
use serde_json::Value;

use super::Failure;

/// An event, as far as it is told.
#[derive(Deserialize)]
struct Event {
    at: String,
    actor: String,
    kind: String,
    #[serde(default)]
    restarts: u64,
    error: Option<String>,
    backoff_ms: Option<u64>,
    refused: Option<u64>,
    undelivered: Option<u64>,
}

/// Tells it.
pub(super) fn event(event: Option<&Value>) -> Result<String, Failure> {
    let event = event.cloned().unwrap_or_default();
    let event: Event = serde_json::from_value(event)
        .map_err(|error| Failure::new(Failure::OTHER, format!("the service's answer is no event: {error}")))?;
    let mut parts = vec![
        event.at,
        event.actor,
        event.kind,
        format!("restarts {}", event.restarts),
    ];
    parts.extend(event.refused.map(|count| format!("refused {count}")));
    parts.extend(
        event
            .undelivered
            .filter(|count| *count > 0)
            .map(|count| format!("undelivered {count}")),
    );
    parts.extend(event.backoff_ms.map(|ms| format!("again in {ms} ms")));
    parts.extend(event.error);
    let parts: Vec<String> = parts.iter().map(|part| harmless(part)).collect();
    Ok(parts.join("  "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_one_line_with_what_it_has() {
        let told = event(Some(&json!({
            "number": 7, "at": "2026-01-31T12:00:00.000000Z", "actor": "mailer", "kind": "panicked", "restarts": 2,
            "backoff_ms": 50, "error": "boom\n\u{1b}[2J", "later": {},
        })));
        let wanted = "2026-01-31T12:00:00.000000Z  mailer  panicked  restarts 2  again in 50 ms  boom\\n\\u{1b}[2J";
        assert_eq!(told.unwrap(), wanted);
        let told = event(Some(
            &json!({ "at": "t", "actor": "mailer", "kind": "stopped", "restarts": 0, "undelivered": 0 }),
        ));
        assert_eq!(told.unwrap(), "t  mailer  stopped  restarts 0");
        assert!(event(Some(&json!({}))).is_err() && event(None).is_err());
    }
}
