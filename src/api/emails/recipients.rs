//! Whom a mail goes to, whom it is from, and to whom an answer goes.

use std::collections::HashSet;

use serde_json::Value;

use super::surroundings::Surroundings;
use crate::api::http::{Fields, pointer_part};
use crate::domain::email::{EmailAddress, Mailbox};
use crate::mail::RECIPIENTS_MAX;

/// The most addresses to which an answer goes.
const REPLY_TO_MAX: usize = 25;

/// Everybody to whom a mail goes, each once: whoever is named in several places is named in the first alone.
pub(super) struct Addressed {
    pub(super) to: Vec<Mailbox>,
    pub(super) cc: Vec<Mailbox>,
    pub(super) bcc: Vec<Mailbox>,
}

/// Those who are `given`, with what is wrong noted in `fields`.
pub(super) fn addressed(to: &Value, cc: Option<&Value>, bcc: Option<&Value>, fields: &mut Fields) -> Addressed {
    let mut seen = HashSet::new();
    let mut once = |given: Option<&Value>, pointer: &str, fields: &mut Fields| {
        let all = given.map(|given| several(given, pointer, RECIPIENTS_MAX, false, fields));
        let mut all = all.unwrap_or_default();
        all.retain(|one| seen.insert(one.address.canonical()));
        all
    };
    let all = Addressed {
        to: once(Some(to), "/to", fields),
        cc: once(cc, "/cc", fields),
        bcc: once(bcc, "/bcc", fields),
    };
    if all.to.len() + all.cc.len() + all.bcc.len() > RECIPIENTS_MAX {
        let pointer = if bcc.is_some() { "/bcc" } else { "/cc" };
        fields.refuse(
            pointer,
            format!("is too long: to, cc and bcc together name at most {RECIPIENTS_MAX} addresses"),
        );
    }
    all
}

/// To whom an answer goes.
pub(super) fn reply_to(given: Option<&Value>, fields: &mut Fields) -> Vec<Mailbox> {
    given.map_or_else(Vec::new, |given| {
        several(given, "/reply_to", REPLY_TO_MAX, true, fields)
    })
}

/// Whom a mail is from, if it says so: the service's own address with whatever name, or an address of a domain that an operator
/// granted to the workspace.
pub(super) fn sender(given: Option<&Value>, surroundings: &Surroundings<'_>, fields: &mut Fields) -> Option<Mailbox> {
    let from = mailbox(
        given?,
        "/from",
        "must be a mail address, or an object with email and name",
        true,
        fields,
    )?;
    if surroundings.may_send_from(&from.address) {
        return Some(from);
    }
    fields.refuse(
        "/from",
        format!(
            "is not an address that this workspace may send from: that is {}, or one of a domain that an operator grants to it",
            surroundings.own.address.as_str()
        ),
    );
    None
}

/// The address in `from`, to see whether its domain must be looked up; none if it is not one.
pub(super) fn address_of(from: &Value) -> Option<EmailAddress> {
    let mut unheeded = Fields::new();
    Some(mailbox(from, "", "", true, &mut unheeded)?.address)
}

/// One or an array of them.
fn several(given: &Value, pointer: &str, max: usize, with_names: bool, fields: &mut Fields) -> Vec<Mailbox> {
    let (given, is_list): (&[Value], _) = match given {
        Value::Array(all) => (all, true),
        one => (std::slice::from_ref(one), false),
    };
    if given.is_empty() || given.len() > max {
        fields.refuse(pointer, format!("must name 1 to {max} addresses"));
        return Vec::new();
    }
    let mut all = Vec::with_capacity(given.len());
    for (index, one) in given.iter().enumerate() {
        let (at, wanted) = if is_list {
            (
                format!("{pointer}/{index}"),
                "must be a mail address, or an object with email and name",
            )
        } else {
            let wanted = "must be a mail address, an object with email and name, or an array of them";
            (pointer.to_owned(), wanted)
        };
        all.extend(mailbox(one, &at, wanted, with_names, fields));
    }
    all
}

/// An address, where `with_names` one with a name in front of it, or an object of both.
fn mailbox(given: &Value, pointer: &str, wanted: &str, with_names: bool, fields: &mut Fields) -> Option<Mailbox> {
    match given {
        Value::String(text) if with_names => fields.check(pointer, Mailbox::parse(text)),
        Value::String(text) => fields.check(pointer, Mailbox::new(text, None)),
        Value::Object(parts) => {
            let mut text = |name: &str| match parts.get(name) {
                None | Some(Value::Null) => Some(None),
                Some(Value::String(text)) => Some(Some(text.as_str())),
                Some(_) => {
                    fields.refuse(&format!("{pointer}/{name}"), "must be a string");
                    None
                }
            };
            let (email, name) = (text("email"), text("name"));
            let unknown = parts.keys().find(|key| !matches!(key.as_str(), "email" | "name"));
            if let Some(unknown) = unknown {
                fields.refuse(&format!("{pointer}/{}", pointer_part(unknown)), "is not a known field");
                return None;
            }
            let Some(email) = email? else {
                fields.refuse(&format!("{pointer}/email"), "is required");
                return None;
            };
            let address = fields.check(&format!("{pointer}/email"), Mailbox::new(email, None))?;
            match name? {
                None => Some(address),
                Some(name) => fields.check(
                    &format!("{pointer}/name"),
                    Mailbox::new(address.address.as_str(), Some(name)),
                ),
            }
        }
        _ => {
            fields.refuse(pointer, wanted);
            None
        }
    }
}
