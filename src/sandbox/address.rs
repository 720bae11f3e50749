//! Faults that the recipient's address asks for, so that a test needs no rule: `ann+450@example.com`.
//!
//! What stands after the last `+` of the local part is `[STEP-]ACT[-once]`: a step (`rcpt` unless it is said, or `data`, `dot`,
//! `taken`), what happens there, and whether only the first time for this address. Any other tag is a tag and no fault.

use std::time::Duration;

use super::act::Act;
use super::step::Step;

/// The longest wait that an address can ask for, in milliseconds.
const DELAY_MAX: u64 = 600_000;

/// What may stand after the `+`, and what it does: the table of the README and of the page.
pub const ADDRESS_FAULTS: &[(&str, &str)] = &[
    ("450", "RCPT is answered 450; so with each code from 400 to 599"),
    (
        "450-once",
        "the same for the first RCPT of this address, and then it is taken (greylisting)",
    ),
    ("data-451", "DATA is answered 451"),
    (
        "dot-554",
        "the final dot, or the last chunk, is answered 554: the mail is not taken",
    ),
    (
        "dot-close",
        "the connection is closed at the dot, and the mail is not taken",
    ),
    (
        "taken-close",
        "the mail is taken, and the connection closed without an answer; -once for the first",
    ),
    (
        "taken-reset",
        "the same with a reset connection; rcpt-, data- and dot- too",
    ),
    (
        "taken-hang",
        "the mail is taken, and no answer comes; rcpt-, data- and dot- too",
    ),
    (
        "slow-2000",
        "the answer to RCPT comes 2,000 ms later; data-slow-…, dot-slow-… and taken-slow-… too",
    ),
    (
        "garbage",
        "RCPT is answered with what is no SMTP; data-, dot- and taken- too",
    ),
    (
        "bounce",
        "the mail is taken, and a bounce (RFC 3464) to its sender is among the captured mails",
    ),
];

/// The fault that the address asks for: where, what, and whether only once.
#[must_use]
pub fn address_fault(address: &str) -> Option<(Step, Act, bool)> {
    let (local, _) = address.rsplit_once('@')?;
    let (_, tag) = local.rsplit_once('+')?;
    let tag = tag.to_ascii_lowercase();
    let (tag, is_once) = match tag.strip_suffix("-once") {
        Some(tag) => (tag, true),
        None => (tag.as_str(), false),
    };
    if tag == "bounce" {
        return Some((Step::Taken, Act::Bounce, is_once));
    }
    let stepped = tag.split_once('-').and_then(|(step, act)| {
        let step = step.parse().ok()?;
        matches!(step, Step::Rcpt | Step::Data | Step::Dot | Step::Taken).then_some((step, act))
    });
    let (step, act) = stepped.unwrap_or((Step::Rcpt, tag));
    let act = match act.strip_prefix("slow-") {
        Some(millis) => Act::Delay(Duration::from_millis(
            millis.parse().ok().filter(|millis| *millis <= DELAY_MAX)?,
        )),
        None => act_named(act)?,
    };
    Some((step, act, is_once))
}

fn act_named(name: &str) -> Option<Act> {
    match name {
        "close" => Some(Act::Drop),
        "reset" => Some(Act::Reset),
        "hang" => Some(Act::Hang),
        "slow" => Some(Act::Delay(Duration::from_secs(5))),
        "garbage" => Some(Act::garbage_text()),
        code => {
            let code: u16 = code.parse().ok().filter(|code| (400..600).contains(code))?;
            Some(Act::Reply(words_of(code).into_bytes()))
        }
    }
}

/// An answer with this code, in words that servers use.
fn words_of(code: u16) -> String {
    let words = match code {
        421 => "4.3.2 The sandbox closes the connection",
        450 => "4.2.1 The mailbox is busy",
        451 => "4.3.0 Try again later",
        452 => "4.2.2 The mailbox is full",
        400..500 => "4.0.0 Not now",
        550 => "5.1.1 No such mailbox",
        551 => "5.1.6 The mailbox has moved",
        552 => "5.2.2 The mailbox is full for good",
        553 => "5.1.3 The address is not one",
        554 => "5.7.1 Refused by policy",
        _ => "5.0.0 Never",
    };
    format!("{code} {words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_asks_for_a_fault_or_is_an_ordinary_one() {
        let of = |address: &str| address_fault(address).map(|(step, act, is_once)| (step, format!("{act:?}"), is_once));
        for (address, step, act, is_once) in [
            ("ann+450@example.com", Step::Rcpt, "Reply(", false),
            ("ann+x+450-once@example.com", Step::Rcpt, "Reply(", true),
            ("ann+DOT-554@example.com", Step::Dot, "Reply(", false),
            ("ann+data-close@example.com", Step::Data, "Drop", false),
            ("ann+taken-hang@example.com", Step::Taken, "Hang", false),
            ("ann+slow-2000@example.com", Step::Rcpt, "Delay(2s)", false),
            ("ann+dot-slow-30-once@example.com", Step::Dot, "Delay(30ms)", true),
            ("ann+bounce@example.com", Step::Taken, "Bounce", false),
        ] {
            let (found_step, found_act, found_once) = of(address).unwrap_or_else(|| panic!("{address}"));
            assert_eq!((found_step, found_once), (step, is_once), "{address}");
            assert!(found_act.starts_with(act), "{address}: {found_act}");
        }
        for address in [
            "ann@example.com",
            "ann+news@example.com",
            "ann+250@example.com",
            "ann+600@example.com",
            "ann+slow-600001@example.com",
            "ann+ehlo-450@example.com",
            "ann+once@example.com",
            "+@example.com",
            "nowhere",
        ] {
            assert_eq!(of(address), None, "{address}");
        }
    }

    #[test]
    fn each_line_of_the_table_is_a_fault() {
        for (tag, _) in ADDRESS_FAULTS {
            assert!(address_fault(&format!("ann+{tag}@example.com")).is_some(), "{tag}");
        }
    }
}
