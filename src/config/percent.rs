//! Percent-encoding in the addresses among the settings.

/// `text` with each `%41` as the byte it stands for; none if a % is not followed by two hexadecimal digits, or what comes out
/// is not UTF-8.
pub(super) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let digits = after
            .get(..2)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after.get(2..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_is_a_fault_and_what_is_encoded_reads_back(text in any::<String>(), percents in "[%0-9a-fA-F\u{e9}]{0,20}") {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
            prop_assert_eq!(decoded(&encoded), Some(text.clone()));
            for text in [text, percents] {
                let found = decoded(&text);
                prop_assert!(text.contains('%') || found == Some(text));
            }
        }
    }
}
