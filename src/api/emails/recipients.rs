//! Whom a mail goes to.

use std::collections::HashSet;

use serde_json::Value;

use crate::api::http::Fields;
use crate::domain::email::EmailAddress;
use crate::mail::RECIPIENTS_MAX;

/// The addresses in `given`, each once.
pub(super) fn recipients(given: &Value, fields: &mut Fields) -> Vec<EmailAddress> {
    let (texts, is_list): (&[Value], _) = match given {
        Value::Array(texts) => (texts, true),
        one => (std::slice::from_ref(one), false),
    };
    if texts.is_empty() || texts.len() > RECIPIENTS_MAX {
        fields.refuse("/to", format!("must name 1 to {RECIPIENTS_MAX} addresses"));
        return Vec::new();
    }
    let mut seen = HashSet::new();
    let mut addresses = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let pointer = if is_list {
            format!("/to/{index}")
        } else {
            "/to".to_owned()
        };
        let Some(text) = text.as_str() else {
            let wanted = if is_list {
                "must be a mail address"
            } else {
                "must be a mail address or an array of them"
            };
            fields.refuse(&pointer, wanted);
            continue;
        };
        let address = fields.check(&pointer, EmailAddress::parse(text));
        addresses.extend(address.filter(|address| seen.insert(address.canonical())));
    }
    addresses
}
