//! One task: a future that is made late, whose panics reach nobody, and what it leaves to be told.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;

use super::report::{PartReport, TaskEnd};
use crate::supervision::panics::caught;
use crate::telemetry::chain;

/// What a task that came to its end leaves to be told. A task gives `()`, a `Result<(), E>`, or this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskOutput {
    pub(super) failure: Option<String>,
    pub(super) parts: Vec<PartReport>,
}

impl From<()> for TaskOutput {
    fn from((): ()) -> Self {
        Self::default()
    }
}

/// An error makes the task a failed one, and is told with its causes.
impl<E: Error> From<Result<(), E>> for TaskOutput {
    fn from(result: Result<(), E>) -> Self {
        Self {
            failure: result.err().map(|error| chain(&error)),
            parts: Vec::new(),
        }
    }
}

/// For a task that ends several things and knows how each of them ended: `parts.collect::<TaskOutput>()`.
impl FromIterator<PartReport> for TaskOutput {
    fn from_iter<I: IntoIterator<Item = PartReport>>(parts: I) -> Self {
        Self {
            failure: None,
            parts: parts.into_iter().collect(),
        }
    }
}

/// How a task ended.
pub(super) struct Ended {
    pub(super) how: TaskEnd,
    pub(super) error: Option<String>,
    pub(super) parts: Vec<PartReport>,
}

/// A task, begun or not. Neither polling nor dropping it panics.
pub(super) struct Task {
    pub(super) name: String,
    /// `None` once it has ended.
    work: Option<BoxFuture<'static, TaskOutput>>,
}

impl Task {
    pub(super) fn new<F, W>(name: String, make: F) -> Self
    where
        F: FnOnce() -> W + Send + 'static,
        W: Future + Send,
        W::Output: Into<TaskOutput>,
    {
        // The first poll calls `make`, and comes when the phase begins.
        let work = async move { make().await.into() };
        Self {
            name,
            work: Some(Box::pin(work)),
        }
    }

    /// Ends it where it is.
    pub(super) fn cut_off(&mut self) -> Ended {
        Ended {
            how: TaskEnd::CutOff,
            error: self.drop_work().err(),
            parts: Vec::new(),
        }
    }

    /// Destructors are the task's code as well: `Err` has the words of one that panicked.
    fn drop_work(&mut self) -> Result<(), String> {
        caught(|| drop(self.work.take())).map_err(|panic| panic.text)
    }
}

impl Future for Task {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let Some(work) = self.work.as_mut() else {
            return Poll::Pending;
        };
        let output = match caught(|| work.as_mut().poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(panic) => Err(panic.text),
        };
        let dropped = self.drop_work();
        Poll::Ready(match output.and_then(|output| dropped.map(|()| output)) {
            Ok(TaskOutput { failure, parts }) => Ended {
                how: failure.as_ref().map_or(TaskEnd::Done, |_| TaskEnd::Failed),
                error: failure,
                parts,
            },
            Err(text) => Ended {
                how: TaskEnd::Panicked,
                error: Some(text),
                parts: Vec::new(),
            },
        })
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // There is nobody left to tell of a panic; the panic hook has logged it.
        drop(self.drop_work());
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Task").field(&self.name).finish()
    }
}
