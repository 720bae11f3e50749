//! Taking snapshots of the tree.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::child::Child;
use super::nest::Nest;
use super::snapshot::{Doing, MessageTime, NodeKind, NodeSnapshot, NodeState};

/// How many children of a supervisor a snapshot shows: what a person can look through, and an answer can hold.
const CHILDREN_SHOWN_MAX: usize = 1_000;

impl Child {
    /// The child, or supervisor, with all beneath it.
    pub(super) fn snapshot(&self) -> NodeSnapshot {
        let mut node = self.own_snapshot();
        if let Some(nest) = self.nest.get().and_then(std::sync::Weak::upgrade) {
            nest.add_to(&mut node);
        }
        node
    }

    fn own_snapshot(&self) -> NodeSnapshot {
        // The gauge is the application's code: it is not called under our lock.
        let in_flight = self.spec.in_flight.as_ref().map(|gauge| gauge());
        let queue = self.queue.as_deref();
        let doing = queue.and_then(super::queue::AnyQueue::doing).map(|doing| Doing {
            what: doing.what.to_owned(),
            for_ms: u64::try_from(Instant::now().saturating_duration_since(doing.since).as_millis())
                .unwrap_or(u64::MAX),
        });
        let times = queue.and_then(super::queue::AnyQueue::times_us);
        let status = self.status();
        let state = match status.state {
            NodeState::Running | NodeState::BackingOff | NodeState::Degraded if self.orders.is_suspended() => {
                NodeState::Suspended
            }
            state => state,
        };
        NodeSnapshot {
            name: self.name.clone(),
            kind: self.kind,
            state,
            restart: self.spec.restart,
            strategy: None,
            restarts: status.restarts,
            last_failure: status.last_failure.clone(),
            started_at: status.started_at,
            retry_at: status.retry_at,
            mailbox: queue.map(|_| self.gate.gauge()),
            message_time: times.map(|(p50_us, p99_us)| MessageTime { p50_us, p99_us }),
            doing,
            stuck: status.is_stuck,
            abandoned: self.abandoned.load(Ordering::SeqCst),
            in_flight,
            undelivered: self.gate.undelivered(),
            children_count: 0,
            children: Vec::new(),
        }
    }

    /// The child, and all beneath it, as far as they are no supervisors.
    pub(super) fn leaves(self: &Arc<Self>) -> Vec<Arc<Self>> {
        match self.nest.get().and_then(std::sync::Weak::upgrade) {
            Some(nest) => nest.list().iter().flat_map(Self::leaves).collect(),
            None if self.kind == NodeKind::Supervisor => Vec::new(),
            None => vec![Arc::clone(self)],
        }
    }
}

impl Nest {
    fn add_to(&self, node: &mut NodeSnapshot) {
        let children = self.list();
        node.strategy = Some(self.rules.strategy);
        node.children_count = children.len();
        let mut is_degraded = false;
        for (place, child) in children.iter().enumerate() {
            let below = child.snapshot();
            is_degraded |= below.state == NodeState::Degraded;
            node.undelivered += below.undelivered;
            node.abandoned += below.abandoned;
            if place < CHILDREN_SHOWN_MAX {
                node.children.push(below);
            }
        }
        node.state = match node.state {
            NodeState::Running | NodeState::Starting if is_degraded => NodeState::Degraded,
            state => state,
        };
    }
}
