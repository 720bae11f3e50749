//! The tree as an operator sees it at one moment.

use serde::Serialize;
use utoipa::ToSchema;

use super::gate::MailboxGauge;
use super::spec::Restart;
use super::strategy::Strategy;
use crate::clock::Timestamp;

/// What a node of the tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// An actor with its mailbox, on an arbiter.
    Actor,
    /// A thread for work that blocks, with its mailbox.
    Thread,
    /// A supervisor of others.
    Supervisor,
}

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
    /// Failed too often; waits long before the next try. For a supervisor: one beneath it does.
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
    /// The text of the panic or error, at most 500 characters, or `stopped by itself`.
    pub error: String,
    /// The place of the panic in the source, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub location: Option<String>,
}

/// What a child is at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Doing {
    /// The type of the message that is being handled, or what a thread said of itself.
    pub what: String,
    /// For how long, in milliseconds.
    pub for_ms: u64,
}

/// How long messages take, from the beginning of their handler until the actor is ready for the next; what a handler
/// leaves to a future or a task does not count. While messages take less than 10 µs, one in 32 is timed for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MessageTime {
    /// Half of all messages took no longer, in microseconds, right within a quarter.
    pub p50_us: u64,
    /// 99 % of all messages took no longer, in microseconds, right within a quarter.
    pub p99_us: u64,
}

/// One node of the tree: the root with its children, a supervisor or a child.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct NodeSnapshot {
    /// The name.
    pub name: String,
    /// What it is.
    pub kind: NodeKind,
    /// Where it is in its life.
    pub state: NodeState,
    /// Which of its ends are followed by a restart.
    pub restart: Restart,
    /// How a supervisor treats its children; absent for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub strategy: Option<Strategy>,
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
    /// How long messages take; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub message_time: Option<MessageTime>,
    /// What it is at; absent while it is idle.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub doing: Option<Doing>,
    /// Whether it has made no progress for longer than its spec allows.
    pub stuck: bool,
    /// Threads that were left behind because they did not answer, and are at work still; for a supervisor, of all beneath.
    pub abandoned: usize,
    /// The work it has in flight, if its spec gave a gauge.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub in_flight: Option<usize>,
    /// Accepted messages that were dropped unhandled, when it stopped; for a supervisor, of all beneath.
    pub undelivered: u64,
    /// How many children it has; more than are shown if there are many.
    pub children_count: usize,
    /// Its children, in the order of their start; at most 1,000 are shown.
    #[schema(no_recursion)]
    pub children: Vec<NodeSnapshot>,
}
