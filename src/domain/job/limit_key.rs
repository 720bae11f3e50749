//! The key under which a job counts for limits.

use std::fmt;
use std::str::FromStr;

/// A key: jobs of a workspace and queue that have the same one share a limit, such as one for each customer or each account
/// elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LimitKey(String);

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {max} bytes without control characters, and not * alone", max = LimitKey::BYTES_MAX)]
pub struct NotALimitKey;

impl LimitKey {
    /// The longest key, in bytes: a name, an address or a hash fits.
    pub const BYTES_MAX: usize = 200;
    /// What stands for every key that has no limit of its own; no job has it.
    pub const EACH: &'static str = "*";

    /// The key as it is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LimitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for LimitKey {
    type Err = NotALimitKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=Self::BYTES_MAX).contains(&text.len());
        if !fits || text == Self::EACH || text.chars().any(char::is_control) {
            return Err(NotALimitKey);
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_is_a_fault_and_a_key_is_kept_as_it_was_given(text in any::<String>(), plain in "[ -~\u{7f}-\u{ff}*]{0,210}") {
            for text in [text, plain] {
                if let Ok(key) = text.parse::<LimitKey>() {
                    prop_assert_eq!(key.as_str(), &text);
                    prop_assert!(text.len() <= LimitKey::BYTES_MAX && text != LimitKey::EACH);
                    prop_assert!(!text.chars().any(char::is_control));
                }
            }
        }
    }

    #[test]
    fn a_key_is_short_and_printable_and_never_the_one_that_stands_for_all() {
        for good in ["a", "customer 7", "**", "ä", &"k".repeat(200)] {
            assert_eq!(good.parse::<LimitKey>().map(|key| key.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "*", "a\nb", "\u{85}", &"k".repeat(201), &"ä".repeat(101)] {
            assert_eq!(bad.parse::<LimitKey>(), Err(NotALimitKey), "{bad:?}");
        }
    }
}
