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
