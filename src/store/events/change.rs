//! One change of one job, and how it stands in a row: as a JSON array, since the names of its parts would be half of it.

use serde::Deserialize;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use std::fmt;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::domain::id::JobId;
use crate::domain::job::{JobState, Progress};

/// A change that a transaction makes, with what it borrows from those who make it.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct Written<'a> {
    /// The job.
    pub(in crate::store) job: JobId,
    /// What sort of work.
    pub(in crate::store) kind: &'a str,
    /// Its lane.
    pub(in crate::store) queue: &'a str,
    /// Where it is now.
    pub(in crate::store) state: JobState,
    /// Attempts spent.
    pub(in crate::store) attempt: i64,
    /// The number of its latest attempt.
    pub(in crate::store) fence: i64,
    /// Why, where the state alone does not say it.
    pub(in crate::store) cause: Option<&'a str>,
    /// When.
    pub(in crate::store) at: Timestamp,
    /// How far the attempt came, where it said so with this change.
    pub(in crate::store) progress: Option<&'a Progress>,
}

impl Written<'_> {
    /// Appends it to `text`.
    pub(super) fn append_to(&self, text: &mut String) {
        text.push_str("[\"");
        // The prefix says nothing here: there are only jobs.
        let id = self.job.as_uuid().simple();
        text.push_str(id.encode_lower(&mut Uuid::encode_buffer()));
        text.push_str("\",");
        append_text(text, self.kind);
        text.push(',');
        append_text(text, self.queue);
        text.push_str(",\"");
        text.push_str(self.state.as_str());
        text.push_str("\",");
        append_number(text, self.attempt);
        text.push(',');
        append_number(text, self.fence);
        text.push(',');
        match self.cause {
            Some(cause) => append_text(text, cause),
            None => text.push_str("null"),
        }
        text.push(',');
        append_number(text, self.at.as_micros());
        if let Some(progress) = self.progress {
            text.push(',');
            // Numbers and texts always serialize.
            text.push_str(&serde_json::to_string(progress).unwrap_or_default());
        }
        text.push(']');
    }
}

/// A text as JSON. Names of kinds, queues and causes need no escape, and others are written by whoever knows all of them.
fn append_text(text: &mut String, value: &str) {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if value.bytes().all(is_plain) {
        text.push('"');
        text.push_str(value);
        text.push('"');
    } else {
        text.push_str(&serde_json::to_string(value).unwrap_or_default());
    }
}

fn append_number(text: &mut String, value: i64) {
    use fmt::Write as _;
    // Writing into a string never fails.
    if write!(text, "{value}").is_err() {
        text.push('0');
    }
}

/// A change of a job, as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The job.
    pub job: JobId,
    /// What sort of work; possibly one that this version does not know.
    pub kind: String,
    /// Its lane; possibly one that this version does not know.
    pub queue: String,
    /// Where it was then.
    pub state: JobState,
    /// Attempts spent.
    pub attempt: i64,
    /// The number of its latest attempt.
    pub fence: i64,
    /// Why, where the state alone does not say it.
    pub cause: Option<String>,
    /// When.
    pub at: Timestamp,
    /// How far the attempt came, where it said so with this change. Where its state is `running`, that is all that changed.
    pub progress: Option<Progress>,
}

impl Change {
    /// Whether it is one of progress alone.
    #[must_use]
    pub fn is_progress(&self) -> bool {
        self.state == JobState::Running && self.progress.is_some()
    }
}

impl<'de> Deserialize<'de> for Change {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Parts)
    }
}

struct Parts;

impl<'de> Visitor<'de> for Parts {
    type Value = Change;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a change of a job")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Change, A::Error> {
        fn next<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(parts: &mut A) -> Result<T, A::Error> {
            let missing = || serde::de::Error::custom("a part of a change is missing");
            parts.next_element()?.ok_or_else(missing)
        }
        let id: String = next(&mut parts)?;
        let id = Uuid::try_parse(&id).map_err(serde::de::Error::custom)?;
        let change = Change {
            job: JobId::from_bits(id.as_u128()),
            kind: next(&mut parts)?,
            queue: next(&mut parts)?,
            state: next(&mut parts)?,
            attempt: next(&mut parts)?,
            fence: next(&mut parts)?,
            cause: next(&mut parts)?,
            at: Timestamp::from_micros(next(&mut parts)?),
            progress: parts.next_element::<Option<Progress>>()?.flatten(),
        };
        // What a later version may say besides.
        while parts.next_element::<IgnoredAny>()?.is_some() {}
        Ok(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_change_reads_back_as_it_was_written(
            bits: u128,
            kind in ".{0,20}",
            queue in "[a-z\"\\\\]{0,8}",
            state in proptest::sample::select(JobState::ALL),
            (attempt, fence, at) in (0..i64::MAX, 0..i64::MAX, any::<i64>()),
            cause in proptest::option::of(".{0,20}"),
            progress in proptest::option::of((any::<u64>(), proptest::option::of(any::<u64>()), proptest::option::of(".{0,20}"))),
        ) {
            let progress = progress.map(|(done, total, note)| Progress { done, total, note });
            let written = Written {
                job: JobId::from_bits(bits),
                kind: &kind,
                queue: &queue,
                state,
                attempt,
                fence,
                cause: cause.as_deref(),
                at: Timestamp::from_micros(at),
                progress: progress.as_ref(),
            };
            let mut text = String::new();
            written.append_to(&mut text);
            let read: Change = serde_json::from_str(&text).unwrap();
            prop_assert_eq!((read.job, read.state, read.attempt, read.fence), (written.job, state, attempt, fence));
            prop_assert_eq!((read.at, &read.progress), (written.at, &progress));
            prop_assert_eq!((read.kind, read.queue, read.cause), (kind, queue, cause));
        }
    }

    #[test]
    fn what_a_later_version_adds_is_passed_over_and_what_is_no_change_is_refused() {
        let parts = r#""00000000000000000000000000000001","a.b","mail","completed",1,2,null,3"#;
        let read: Change = serde_json::from_str(&format!("[{parts},null,{{\"more\":[1]}}]")).unwrap();
        assert_eq!((read.fence, read.progress), (2, None));
        for bad in [
            "[]",
            "{}",
            "null",
            "[\"x\"]",
            &format!("[{}]", parts.replace("completed", "done")),
        ] {
            assert!(serde_json::from_str::<Change>(bad).is_err(), "{bad}");
        }
    }
}
