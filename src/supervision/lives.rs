//! The lives of a child, and the tasks that live them.
//!
//! Guarantees: a task that was left behind begins no life, is not taken for one that came up, and does not end the life of the
//! task that took over; of each life one end is told, by the task that lived it or for one that was left behind in it.
//!
//! Both rest on one lock, that of the child's status: the task is looked at and changed under it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::child::{Child, Notice};
use super::event::EventKind;
use super::snapshot::NodeState;

impl Child {
    /// Begins a life of that task: its number; none if the task was left behind.
    pub(super) fn begin_life(&self, task: u64) -> Option<u64> {
        let mut status = self.status();
        if task != self.present_task() {
            return None;
        }
        status.has_life = true;
        Some(self.next_life())
    }

    /// The life of that task is over; false if the task was left behind, in whose name that was told already.
    pub(super) fn end_life(&self, task: u64) -> bool {
        let mut status = self.status();
        if task != self.present_task() {
            return false;
        }
        status.has_life = false;
        status.goes_down();
        drop(status);
        // No other life begins until this task begins it.
        if let Some(queue) = &self.queue {
            queue.end_life();
        }
        true
    }

    fn next_life(&self) -> u64 {
        let life = self.life.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some(queue) = &self.queue {
            queue.begin_life(life);
        }
        life
    }

    /// How late the next life is to begin, for tests; the child is not up until then.
    pub(super) fn starts_late(&self) -> Option<Duration> {
        let delay = self.faults.start_delay()?;
        let mut status = self.status();
        if status.state == NodeState::Running {
            status.state = NodeState::Starting;
        }
        drop(status);
        Some(delay)
    }

    pub(super) fn present_task(&self) -> u64 {
        self.task.load(Ordering::SeqCst)
    }

    /// Leaves the present task behind in its life: it may do nothing in the child's name any more. The number of the next;
    /// none if the life has ended after all, so that its task answers.
    pub(super) fn leave_task_behind(&self) -> Option<u64> {
        let mut status = self.status();
        if !std::mem::take(&mut status.has_life) {
            return None;
        }
        self.next_life();
        self.abandoned.fetch_add(1, Ordering::SeqCst);
        self.around.left_behind.fetch_add(1, Ordering::SeqCst);
        Some(self.task.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// A life began: the child was built, for the first time or anew. False if its task was left behind meanwhile.
    pub(super) fn came_up(&self, task: u64) -> bool {
        let kind = {
            let mut status = self.status();
            if task != self.present_task() {
                return false;
            }
            let first = status.started_at.is_none();
            status.started_at = Some(self.around.clock.now());
            status.retry_at = None;
            status.is_stuck = false;
            if status.state != NodeState::Stopping {
                status.state = NodeState::Running;
            }
            if first {
                EventKind::Started
            } else {
                status.restarts += 1;
                EventKind::Restarted
            }
        };
        self.publish(kind, |_| {});
        self.tell(Notice::Up(self.id));
        true
    }
}
