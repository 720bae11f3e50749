//! What became of a child that was told to stop.

use serde::Serialize;

/// How a child came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StopKind {
    /// Within its time; also if it failed before its turn came and was not restarted any more.
    Clean,
    /// Its time was over; it was ended, with its `stopped` hook.
    CutOff,
    /// Its time was over and its thread did not answer: it is blocked, and may still be at work.
    Abandoned,
}

/// What became of a child that was told to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stopped {
    /// The child's name.
    pub name: String,
    /// How it ended.
    pub how: StopKind,
    /// Accepted messages that were dropped unhandled.
    pub undelivered: u64,
}
