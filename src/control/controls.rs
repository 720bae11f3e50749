//! Orders of operators to the supervision tree, by whichever way they come.
//!
//! Guarantees: an order that was passed on is one line in the log, with who gave it, and one of the acts that are kept; one
//! that was refused changed nothing. An order does not wait for the database, which may be what is steered: its act is written
//! beside it, as soon as that can.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::clock::Clock;
use crate::domain::act::Action;
use crate::domain::id::{AccountId, WorkspaceId};
use crate::store::acts::{self, ActBy, NewAct};
use crate::store::{Abort, Store};
use crate::supervision::{NoSuchChild, NodeSnapshot, OrderError, Tree};
use crate::telemetry;
use crate::telemetry::names::event;

/// What may be ordered of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Start anew now; also out of a backoff, or when degraded.
    Restart,
    /// Handle nothing until resumed.
    Suspend,
    /// Go on after a suspension.
    Resume,
    /// Panic, to see what that does; only with fault injection.
    Panic,
}

impl Act {
    /// The word for it: in paths, on the command line and in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Panic => "panic",
        }
    }

    const fn action(self) -> Action {
        match self {
            Self::Restart => Action::RestartActor,
            Self::Suspend => Action::SuspendActor,
            Self::Resume => Action::ResumeActor,
            Self::Panic => Action::PanicActor,
        }
    }
}

/// Who gives an order, for the log.
#[derive(Clone, Copy)]
pub enum By<'a> {
    /// An account, over HTTP.
    Api {
        /// The account's id.
        account: AccountId,
        /// Its workspace.
        workspace: WorkspaceId,
        /// The request's id.
        request_id: &'a str,
    },
    /// A user of this machine, over the control socket.
    Socket {
        /// The user's number, as the kernel says.
        uid: u32,
    },
}

impl From<By<'_>> for ActBy {
    fn from(by: By<'_>) -> Self {
        match by {
            By::Api {
                account,
                workspace,
                request_id,
            } => Self::Account {
                account,
                workspace,
                request_id: request_id.to_owned(),
            },
            By::Socket { uid } => Self::CommandLine { uid: Some(uid) },
        }
    }
}

/// The tree, as operators see and steer it. Cheap to clone.
#[derive(Clone)]
pub struct Controls {
    tree: Tree,
    /// Where orders are written down, and the time.
    acts: Option<(Store, Clock)>,
}

impl Controls {
    /// Controls of `tree`; panics may be ordered if it was made with fault injection.
    #[must_use]
    pub fn new(tree: Tree) -> Self {
        Self { tree, acts: None }
    }

    /// The same, whose orders are written down in `store`.
    #[must_use]
    pub fn recording(self, store: Store, clock: Clock) -> Self {
        Self {
            acts: Some((store, clock)),
            ..self
        }
    }

    /// The tree.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// One node with all beneath it.
    ///
    /// # Errors
    /// [`NoSuchChild`] if no running child has that name.
    pub fn inspect(&self, name: &str) -> Result<NodeSnapshot, NoSuchChild> {
        self.tree.inspect(name)
    }

    /// The backtrace of the child's last failure, if one was caught. Its names are resolved on a thread that may block.
    ///
    /// # Errors
    /// [`NoSuchChild`] if no running child has that name.
    pub async fn backtrace(&self, name: &str) -> Result<Option<String>, NoSuchChild> {
        let (tree, name) = (self.tree.clone(), name.to_owned());
        let resolved = tokio::task::spawn_blocking(move || tree.backtrace(&name));
        // A panic while resolving is in the log by its hook; then there is no backtrace to be had.
        resolved.await.unwrap_or(Ok(None))
    }

    /// Passes an order on, and writes it into the log and among the acts. Needs a runtime.
    ///
    /// # Errors
    /// [`OrderError`] if it was not passed on.
    pub fn give(&self, act: Act, name: &str, by: By<'_>) -> Result<(), OrderError> {
        match act {
            Act::Restart => self.tree.restart(name)?,
            Act::Suspend => self.tree.suspend(name)?,
            Act::Resume => self.tree.resume(name)?,
            Act::Panic => self.tree.inject_panic(name)?,
        }
        log(act, name, by);
        self.record(act, name, by);
        Ok(())
    }

    /// Writes the order down, beside it.
    fn record(&self, act: Act, name: &str, by: By<'_>) {
        let Some((store, clock)) = self.acts.clone() else {
            return;
        };
        let new = NewAct {
            at: clock.now(),
            by: by.into(),
            action: act.action(),
            subject_kind: "actor",
            subject: name.to_owned(),
            detail: json!({}),
        };
        tokio::spawn(async move {
            let (action, actor) = (new.action, new.subject.clone());
            let written = store.write(move |tx| Ok::<_, Abort<()>>(acts::record(tx, &new)?));
            if let Err(Abort::Store(error)) = written.await {
                let error = telemetry::chain(&error);
                tracing::warn!(event = event::ACT_UNRECORDED, %action, actor, error, "an operator's order could not be written down");
            }
        });
    }
}

/// One call for each event, since its name must be known where the line is written.
fn log(act: Act, actor: &str, by: By<'_>) {
    const TARGET: &str = "legwork::supervision";
    let (by, account, request_id, uid) = match by {
        By::Api {
            account, request_id, ..
        } => ("api", Some(tracing::field::display(account)), Some(request_id), None),
        By::Socket { uid } => ("control socket", None, None, Some(uid)),
    };
    match act {
        Act::Restart => tracing::warn!(
            target: TARGET,
            event = event::RESTART_ORDERED,
            actor,
            by,
            account,
            request_id,
            uid,
            "an operator ordered a restart"
        ),
        Act::Suspend => tracing::warn!(
            target: TARGET,
            event = event::SUSPEND_ORDERED,
            actor,
            by,
            account,
            request_id,
            uid,
            "an operator suspended an actor"
        ),
        Act::Resume => tracing::warn!(
            target: TARGET,
            event = event::RESUME_ORDERED,
            actor,
            by,
            account,
            request_id,
            uid,
            "an operator resumed an actor"
        ),
        Act::Panic => tracing::warn!(
            target: TARGET,
            event = event::PANIC_ORDERED,
            actor,
            by,
            account,
            request_id,
            uid,
            "an operator ordered a panic"
        ),
    }
}
