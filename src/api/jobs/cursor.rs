//! The place in a list from which its next page goes on, as opaque text.
//!
//! Guarantees: it says nothing that the page itself did not show. It is encoded so that clients treat it as a whole and do
//! not count on what is in it.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A text is not a cursor of ours.
#[derive(Debug, thiserror::Error)]
#[error("is not a cursor that this list gave; leave it out to begin anew")]
pub(in crate::api) struct NotACursor;

/// The cursor behind the thing with this id.
pub(in crate::api) fn write(id: impl fmt::Display) -> String {
    URL_SAFE_NO_PAD.encode(id.to_string())
}

/// The id of the thing behind which the page begins.
pub(in crate::api) fn read<Id: FromStr>(text: &str) -> Result<Id, NotACursor> {
    let bytes = URL_SAFE_NO_PAD.decode(text).or(Err(NotACursor))?;
    let id = String::from_utf8(bytes).or(Err(NotACursor))?;
    id.parse().or(Err(NotACursor))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::id::{BatchId, JobId};

    proptest! {
        #[test]
        fn a_cursor_reads_back_and_is_no_cursor_of_another_list(bits: u128) {
            let id = JobId::from_bits(bits);
            prop_assert_eq!(read::<JobId>(&write(id)).ok(), Some(id));
            prop_assert!(read::<BatchId>(&write(id)).is_err());
        }

        #[test]
        fn no_text_is_a_fault_and_each_cursor_is_written_in_one_way(text in any::<String>(), encoded in "[A-Za-z0-9_=+/-]{0,60}") {
            for text in [text, encoded] {
                if let Ok(id) = read::<JobId>(&text) {
                    prop_assert_eq!(write(id), text);
                }
            }
        }
    }
}
