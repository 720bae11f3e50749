//! The restart of a group: the others of it are ended from the last to the first, the backoff passes, all rise from the
//! first to the last, each once the one before is up.
//!
//! A failure on the way up begins the group's restart again; one of an earlier child than the group's first extends it.

use tokio::time::Instant;

use super::post::Stage;
use super::{Id, Mode, Plan, Timer};
use crate::supervision::strategy::Strategy;

/// A restart of a group that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Regroup {
    /// The first child of the group.
    from: Id,
    /// When the group may rise.
    until: Instant,
    step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Ending,
    Waiting,
    Raising,
}

impl Plan {
    /// The child `id` failed: it and its group are to be restarted at `until`.
    pub(super) fn start_regroup(&mut self, id: Id, until: Instant, now: Instant) {
        let first = if self.strategy == Strategy::OneForAll { 0 } else { id };
        let (from, until) = match self.regroup.take() {
            // Whoever rose before the child that failed now is well, and whoever comes after it is in the group anyway.
            Some(other) if other.step == Step::Raising => (first, until),
            Some(other) => (other.from.min(first), other.until.max(until)),
            None => (first, until),
        };
        self.regroup = Some(Regroup {
            from,
            until,
            step: Step::Ending,
        });
        self.deadlines.retain(|(_, timer)| *timer != Timer::Group);
        self.step_regroup(now);
    }

    /// An operator does not want to wait for the backoff.
    pub(super) fn hasten_regroup(&mut self, now: Instant) {
        if let Some(regroup) = &mut self.regroup {
            regroup.until = now;
            self.step_regroup(now);
        }
    }

    /// Goes on with the restart of a group as far as it can.
    pub(super) fn step_regroup(&mut self, now: Instant) {
        while matches!(self.mode, Mode::Running)
            && let Some(regroup) = self.regroup
        {
            let group = || self.posts.range(regroup.from..);
            let step = match regroup.step {
                Step::Ending => {
                    if group().any(|(_, post)| matches!(post.stage, Stage::Falling { .. })) {
                        return;
                    }
                    let last = group()
                        .rev()
                        .find(|(_, post)| matches!(post.stage, Stage::Up | Stage::Raising));
                    if let Some((id, _)) = last {
                        let id = *id;
                        self.fall(id, self.leaves_when_ended(id), now);
                        return;
                    }
                    Step::Waiting
                }
                Step::Waiting if now < regroup.until => {
                    self.deadlines.insert((regroup.until, Timer::Group));
                    return;
                }
                Step::Waiting => {
                    self.deadlines.retain(|(_, timer)| *timer != Timer::Group);
                    Step::Raising
                }
                Step::Raising => {
                    if group().any(|(_, post)| matches!(post.stage, Stage::Raising | Stage::Falling { .. })) {
                        return;
                    }
                    let Some((id, _)) = group().find(|(_, post)| post.stage == Stage::Down) else {
                        self.regroup = None;
                        return;
                    };
                    let id = *id;
                    self.raise(id, now);
                    return;
                }
            };
            self.regroup = Some(Regroup { step, ..regroup });
        }
    }
}
