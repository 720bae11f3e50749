//! What is an expression, and what is none.

use proptest::prelude::*;

use super::*;

#[test]
fn five_fields_or_a_name_are_an_expression() {
    for text in [
        "* * * * *",
        "*/5 1-3 1,15 JAN-MAR MON#1",
        "0 0 L * *",
        "0 9 15W * ?",
        "@hourly",
        " @daily ",
        "@yearly",
        "0 0 * * 7",
    ] {
        assert_eq!(Cron::parse(text).unwrap().as_str(), text.trim());
    }
}

#[test]
fn seconds_years_and_nonsense_are_none_and_the_reason_is_told() {
    for text in [
        "",
        "* * * *",
        "* * * * * *",
        "0 * * * * * 2024",
        "@reboot",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "a b c d e",
        "*/0 * * * *",
    ] {
        assert!(Cron::parse(text).is_err(), "{text}");
    }
    let told = Cron::parse("61 * * * *").unwrap_err().to_string();
    assert!(told.starts_with("is not a cron expression of five fields"), "{told}");
    assert!(Cron::parse(&format!("{} * * * *", vec!["1"; 300].join(","))).is_err());
}

#[test]
fn hours_are_counted_where_they_are_a_star_and_named_otherwise() {
    for (text, is_hourly) in [
        ("0 * * * *", true),
        ("@hourly", true),
        ("0 */2 * * *", true),
        ("0 0-23 * * *", true),
        ("* 2 * * *", false),
        ("0 1,2 * * *", false),
        ("@daily", false),
    ] {
        assert_eq!(Cron::parse(text).unwrap().is_hourly(), is_hourly, "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_is_a_fault(text in "\\PC{0,60}|[-0-9*/,#LW?+@A-Z ]{0,60}|([-0-9*/,]{1,6} ){4}[-0-7*/,#L]{1,5}") {
        if let Ok(cron) = Cron::parse(&text) {
            let again = Cron::parse(cron.as_str()).unwrap();
            prop_assert_eq!(again.as_str(), cron.as_str());
            let cadence = Cadence::new(cron, Zones::bundled().get("Europe/Dublin").unwrap());
            drop(cadence.next(at("2024-01-01T00:00:00Z")).map(|tick| cadence.local(tick)));
        }
    }
}
