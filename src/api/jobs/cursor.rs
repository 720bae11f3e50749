//! The place in a list from which its next page goes on, as opaque text.
//!
//! Guarantees: it says nothing that the page itself did not show. It is encoded so that clients treat it as a whole and do
//! not count on what is in it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::id::JobId;

/// A text is not a cursor of ours.
#[derive(Debug, thiserror::Error)]
#[error("is not a cursor that this list gave; leave it out to begin anew")]
pub(super) struct NotACursor;

/// The cursor behind the job `id`.
pub(super) fn write(id: JobId) -> String {
    URL_SAFE_NO_PAD.encode(id.to_string())
}

/// The job behind which the page begins.
pub(super) fn read(text: &str) -> Result<JobId, NotACursor> {
    let bytes = URL_SAFE_NO_PAD.decode(text).or(Err(NotACursor))?;
    let id = String::from_utf8(bytes).or(Err(NotACursor))?;
    id.parse().or(Err(NotACursor))
}
