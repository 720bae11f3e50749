//! What a shutdown came to: what took how long, and what was cut off.
//!
//! Times are tokio's, so that they stand still where a test pauses them; in JSON they are whole milliseconds.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// How a phase ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseEnd {
    /// In time, with nothing left undone.
    Done,
    /// In time, but a task failed or panicked, or told of a part that did not come to its end.
    Failed,
    /// Its time was over before its tasks were.
    OutOfTime,
    /// It was not to begin ([`Phase::only_if`](super::Phase::only_if)).
    Skipped,
    /// The shutdown was given up before its turn.
    NotReached,
}

/// How a task, or a part of one, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskEnd {
    /// By itself.
    Done,
    /// By itself, with an error.
    Failed,
    /// By a panic.
    Panicked,
    /// From outside, since its time was over.
    CutOff,
    /// Not at all: it is still at work. Of tasks this is said while a shutdown is under way, or of parts that cannot be
    /// ended, such as an actor that blocks its thread.
    StillRunning,
    /// It never began: its phase was skipped or not reached.
    NotBegun,
}

/// One of several things that a task brought to their end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartReport {
    /// What it is, such as the name of an actor.
    pub name: String,
    /// How it ended.
    pub how: TaskEnd,
}

/// What a task came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TaskReport {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub how: TaskEnd,
    /// How long that took from the beginning of its phase, `duration_ms` in JSON; zero while it is
    /// [`StillRunning`](TaskEnd::StillRunning).
    #[serde(rename = "duration_ms", serialize_with = "as_millis")]
    pub duration: Duration,
    /// The error with its causes, or the words of the panic, at most 500 characters; also that of a destructor which panicked
    /// when the task was cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How the things ended that the task brought to their end, if it told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartReport>,
}

impl TaskReport {
    /// It, and each of its parts, with their places in the phase.
    fn places(&self) -> impl Iterator<Item = (String, TaskEnd)> {
        let parts = self
            .parts
            .iter()
            .map(|part| (format!("{}/{}", self.name, part.name), part.how));
        std::iter::once((self.name.clone(), self.how)).chain(parts)
    }
}

/// What a phase came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PhaseReport {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub how: PhaseEnd,
    /// The time that it had, `limit_ms` in JSON.
    #[serde(rename = "limit_ms", serialize_with = "as_millis")]
    pub limit: Duration,
    /// The time that it took, `duration_ms` in JSON; zero if it did not begin.
    #[serde(rename = "duration_ms", serialize_with = "as_millis")]
    pub duration: Duration,
    /// Its tasks, in the order in which they were added.
    pub tasks: Vec<TaskReport>,
}

impl PhaseReport {
    /// Its tasks, and parts of tasks (`task/part`), that were cut off or are still running.
    #[must_use]
    pub fn cut_off(&self) -> Vec<String> {
        let places = self.tasks.iter().flat_map(TaskReport::places);
        let unfinished = places.filter(|(_, how)| matches!(how, TaskEnd::CutOff | TaskEnd::StillRunning));
        unfinished.map(|(place, _)| place).collect()
    }

    /// Whether any of its tasks failed or panicked, or told of a part that did not come to its end.
    pub(super) fn has_failed(&self) -> bool {
        self.tasks.iter().any(|task| {
            matches!(task.how, TaskEnd::Failed | TaskEnd::Panicked)
                || task.parts.iter().any(|part| part.how != TaskEnd::Done)
        })
    }

    /// The errors of its tasks, each after the name of its task.
    pub(super) fn errors(&self) -> Vec<String> {
        let error = |task: &TaskReport| Some(format!("{}: {}", task.name, task.error.as_ref()?));
        self.tasks.iter().filter_map(error).collect()
    }
}

/// What a shutdown came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ShutdownReport {
    /// How long it took in all, `duration_ms` in JSON.
    #[serde(rename = "duration_ms", serialize_with = "as_millis")]
    pub duration: Duration,
    /// All phases of the plan, in their order; those that did not begin too.
    pub phases: Vec<PhaseReport>,
}

impl ShutdownReport {
    /// The first phase of that name, if its turn has come.
    #[must_use]
    pub fn phase(&self, name: &str) -> Option<&PhaseReport> {
        self.phases.iter().find(|phase| phase.name == name)
    }

    /// Whether the first phase of that name ran out of its time.
    #[must_use]
    pub fn ran_out(&self, name: &str) -> bool {
        self.phase(name).is_some_and(|phase| phase.how == PhaseEnd::OutOfTime)
    }

    /// Whether every phase that was to begin came to its end in its time, with nothing left undone.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let clean = |phase: &PhaseReport| matches!(phase.how, PhaseEnd::Done | PhaseEnd::Skipped);
        self.phases.iter().all(clean)
    }

    /// Everything that was cut off or is still running, as `phase/task` or `phase/task/part`.
    #[must_use]
    pub fn cut_off(&self) -> Vec<String> {
        let within = |phase: &PhaseReport| {
            let name = phase.name.clone();
            phase.cut_off().into_iter().map(move |place| format!("{name}/{place}"))
        };
        self.phases.iter().flat_map(within).collect()
    }

    /// The phases that did not begin because the shutdown was given up before them.
    #[must_use]
    pub fn not_reached(&self) -> Vec<&str> {
        let phases = self.phases.iter().filter(|phase| phase.how == PhaseEnd::NotReached);
        phases.map(|phase| phase.name.as_str()).collect()
    }
}

/// Whole milliseconds; the largest number for what is longer.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn as_millis<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(millis(*duration))
}
