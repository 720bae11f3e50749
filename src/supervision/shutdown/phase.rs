//! One phase: its name, its time, its tasks, and what is done when they do not come to their end.

use std::fmt;
use std::time::Duration;

use super::report::ShutdownReport;
use super::task::{Task, TaskOutput};
use crate::supervision::panics::caught;

/// The time of a phase that names none. Akka's and Pekko's coordinated shutdown give a phase as much.
const WITHIN: Duration = Duration::from_secs(5);

/// What is done with the tasks that are left when a phase runs out of its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OutOfTime {
    /// Their futures are dropped, and the next phase begins.
    #[default]
    CutOff,
    /// They run on beside the later phases, none of which waits for them; those that the last phase leaves are cut off then.
    RunOn,
    /// Their futures are dropped, and the shutdown ends here: for a phase without whose end the later ones would do harm.
    GiveUp,
}

type Condition = Box<dyn FnOnce(&ShutdownReport) -> bool + Send>;

/// A step of a [`Shutdown`](super::Shutdown): tasks that run side by side, within one time.
#[must_use = "a phase does nothing unless it is added to a shutdown"]
pub struct Phase {
    pub(super) name: String,
    pub(super) limit: Duration,
    pub(super) out_of_time: OutOfTime,
    pub(super) gives_up_on_failure: bool,
    pub(super) tasks: Vec<Task>,
    condition: Option<Condition>,
}

impl Phase {
    /// A phase without tasks, over as soon as it begins; its time is 5 s, its rule [`OutOfTime::CutOff`].
    ///
    /// The name is shown in the report and the log, where `begin` and `end` stand for the shutdown as a whole.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            limit: WITHIN,
            out_of_time: OutOfTime::default(),
            gives_up_on_failure: false,
            tasks: Vec::new(),
            condition: None,
        }
    }

    /// How long all its tasks together may take, from the moment at which the phase begins. A task that ends in the very
    /// moment is in time.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// What is done with what is left by then.
    pub fn when_out_of_time(mut self, rule: OutOfTime) -> Self {
        self.out_of_time = rule;
        self
    }

    /// If a task fails, panics or leaves a part undone, the shutdown ends with this phase, once its other tasks are over.
    pub fn give_up_on_failure(mut self) -> Self {
        self.gives_up_on_failure = true;
        self
    }

    /// Begins the phase only if `condition` says so, which is asked in the phase's turn and sees what came of those before;
    /// else the phase is passed over. If it panics the phase begins: to do too much is the lesser evil.
    pub fn only_if(mut self, condition: impl FnOnce(&ShutdownReport) -> bool + Send + 'static) -> Self {
        self.condition = Some(Box::new(condition));
        self
    }

    /// Adds a task. `make` is called when the phase begins, not before, and its future is then driven to its end, or until
    /// the phase runs out of its time. Tasks begin in the order in which they are added.
    pub fn task<F, W>(mut self, name: impl Into<String>, make: F) -> Self
    where
        F: FnOnce() -> W + Send + 'static,
        W: Future + Send,
        W::Output: Into<TaskOutput>,
    {
        self.tasks.push(Task::new(name.into(), make));
        self
    }

    /// Whether the phase is to begin, now that it is its turn.
    pub(super) fn is_wanted(&mut self, so_far: &ShutdownReport) -> bool {
        let condition = self.condition.take();
        condition.is_none_or(|condition| caught(|| condition(so_far)).unwrap_or(true))
    }
}

impl fmt::Debug for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Phase")
            .field("name", &self.name)
            .field("limit", &self.limit)
            .field("out_of_time", &self.out_of_time)
            .field("tasks", &self.tasks)
            .finish_non_exhaustive()
    }
}
