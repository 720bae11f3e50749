//! The tree as an operator sees it at one moment.

use serde::Serialize;
use utoipa::ToSchema;

use super::mailbox::MailboxGauge;
use crate::clock::Timestamp;

/// Where a child is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// Ordered, and not yet built for the first time.
    Starting,
    /// Up.
    Running,
    /// Failed; waits before the next try.
    BackingOff,
    /// Failed too often; waits long before the next try. For the root: one of its children does.
    Degraded,
    /// Told by an operator to handle nothing until told to go on.
    Suspended,
    /// Told to stop.
    Stopping,
    /// Stopped for good.
    Stopped,
}

/// A failure of a child.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Failure {
    /// When it happened.
    pub at: Timestamp,
    /// The text of the panic, at most 500 characters, or `stopped by itself`.
    pub error: String,
}

/// One node of the tree: the root with its children, or a child.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct NodeSnapshot {
    /// The name.
    pub name: String,
    /// Where it is in its life.
    pub state: NodeState,
    /// How a supervisor treats its children; absent for an actor.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub strategy: Option<&'static str>,
    /// How often it was restarted, after failures and by order; 0 for the root, which is not.
    pub restarts: u64,
    /// The last failure, kept after a recovery.
    pub last_failure: Option<Failure>,
    /// When it was last built.
    pub started_at: Option<Timestamp>,
    /// When it is tried again, while it waits for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub retry_at: Option<Timestamp>,
    /// Its mailbox; absent for a supervisor.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub mailbox: Option<MailboxGauge>,
    /// The work it has in flight, if its spec gave a gauge.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub in_flight: Option<usize>,
    /// Accepted messages that were dropped unhandled, when it stopped; for the root, of all its children.
    pub undelivered: u64,
    /// Its children, in the order of their start.
    #[schema(no_recursion)]
    pub children: Vec<NodeSnapshot>,
}
