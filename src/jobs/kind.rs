//! The contract of a kind of work.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{JobContext, Outcome};
use crate::domain::job::{Backoff, Queue, WhenUncertain};

/// A sort of slow work: what its arguments are, how it is tried, and how it is done.
///
/// A kind must be safe to run twice, since a node may die after the effect and before its end is written; work whose effect
/// cannot be undone calls [`JobContext::point_of_no_return`] before it and says by [`Kind::when_uncertain`] what is worse,
/// twice or not at all.
pub trait Kind: Send + Sync + 'static {
    /// The arguments. They are stored as JSON and hold ids rather than copies, and no secrets.
    type Args: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// The name, in the form `noun.verb`; it never changes, since it is stored.
    const NAME: &'static str;
    /// The version of the arguments' shape. Raise it with every change that older binaries could not read.
    const VERSION: u32 = 1;
    /// The lane in which its jobs wait.
    const QUEUE: Queue;
    /// Attempts that a job may spend, unless its order says otherwise.
    const MAX_ATTEMPTS: u32;
    /// How long one attempt may run, unless the job's order says otherwise.
    const TIMEOUT: Duration;
    /// How long to wait after a failed attempt.
    const BACKOFF: Backoff;

    /// What its asker marked it with, as a JSON object that is shown with the job; nothing by default.
    fn labels(args: &Self::Args) -> Option<String> {
        let _ = args;
        None
    }

    /// Turns arguments of an older version into this one's.
    ///
    /// # Errors
    /// When that version is not known (the default: none is).
    fn upgrade(from: u32, args: Value) -> Result<Value, ArgsError> {
        drop(args);
        Err(ArgsError::Version {
            known: Self::VERSION,
            found: from,
        })
    }

    /// What to do when the effect may have happened and nobody knows. The default is the careful answer.
    fn when_uncertain(&self, args: &Self::Args) -> WhenUncertain {
        let _ = args;
        WhenUncertain::Hold
    }

    /// Called in the worker's own handler, before the attempt begins. It must be quick; a panic here is a panic of the
    /// worker, which probes use to show what supervision does.
    fn received(&self, args: &Self::Args) {
        let _ = args;
    }

    /// Does the work. It should watch [`JobContext::stopped`] and end soon after it.
    fn perform(&self, args: Self::Args, ctx: JobContext) -> impl Future<Output = Outcome> + Send;
}

/// Why stored arguments are not what the kind expects.
#[derive(Debug, thiserror::Error)]
pub enum ArgsError {
    /// Another version than this binary can read.
    #[error("the arguments have version {found}, and this version of legwork reads {known}")]
    Version {
        /// The version that this binary writes.
        known: u32,
        /// The version of the arguments.
        found: u32,
    },
    /// Not the shape that their version says. Only the place is told: the parser's words may quote an argument.
    #[error("the arguments do not have the shape of their version (column {column} of their text)")]
    Shape {
        /// Where in the text, in bytes from 1; 0 where it is not known.
        column: usize,
    },
}

impl From<serde_json::Error> for ArgsError {
    fn from(error: serde_json::Error) -> Self {
        Self::Shape { column: error.column() }
    }
}

impl ArgsError {
    /// Whether a newer version of the service wrote them, so that a newer node may well perform the job.
    #[must_use]
    pub fn is_newer(&self) -> bool {
        matches!(self, Self::Version { known, found } if found > known)
    }
}

/// A [`Kind`] of whatever arguments.
pub trait ErasedKind: Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;
    /// The version of its arguments.
    fn version(&self) -> u32;
    /// Its lane.
    fn queue(&self) -> Queue;
    /// Its backoff.
    fn backoff(&self) -> Backoff;
    /// Reads stored arguments.
    ///
    /// # Errors
    /// When they are of another version or shape.
    fn prepare(self: Arc<Self>, version: u32, args: &str) -> Result<Box<dyn Prepared>, ArgsError>;
}

/// A kind and the arguments of one job.
pub trait Prepared: Send {
    /// See [`Kind::received`].
    fn received(&self);
    /// See [`Kind::when_uncertain`].
    fn when_uncertain(&self) -> WhenUncertain;
    /// See [`Kind::perform`].
    fn perform(self: Box<Self>, ctx: JobContext) -> BoxFuture<'static, Outcome>;
}

struct Ready<K: Kind> {
    kind: Arc<K>,
    args: K::Args,
}

impl<K: Kind> ErasedKind for K {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn version(&self) -> u32 {
        K::VERSION
    }

    fn queue(&self) -> Queue {
        K::QUEUE
    }

    fn backoff(&self) -> Backoff {
        K::BACKOFF
    }

    fn prepare(self: Arc<Self>, version: u32, args: &str) -> Result<Box<dyn Prepared>, ArgsError> {
        let args = if version == K::VERSION {
            serde_json::from_str(args)?
        } else if version > K::VERSION {
            return Err(ArgsError::Version {
                known: K::VERSION,
                found: version,
            });
        } else {
            let old = serde_json::from_str(args)?;
            serde_json::from_value(K::upgrade(version, old)?)?
        };
        Ok(Box::new(Ready { kind: self, args }))
    }
}

impl<K: Kind> Prepared for Ready<K> {
    fn received(&self) {
        self.kind.received(&self.args);
    }

    fn when_uncertain(&self) -> WhenUncertain {
        self.kind.when_uncertain(&self.args)
    }

    fn perform(self: Box<Self>, ctx: JobContext) -> BoxFuture<'static, Outcome> {
        // In a block of its own, so that a panic before the first await is the future's too.
        Box::pin(async move { self.kind.perform(self.args, ctx).await })
    }
}
