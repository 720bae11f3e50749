//! What follows an end that was not ordered: nothing, a restart of the child or of its group, or the supervisor's own end.

use std::time::Duration;

use tokio::time::Instant;

use super::post::Stage;
use super::{Act, End, Id, Mode, Plan, Why};
use crate::supervision::moment::after;
use crate::supervision::policy::Beyond;
use crate::supervision::spec::Restart;
use crate::supervision::strategy::{AutoShutdown, Strategy};

impl Plan {
    pub(super) fn unexpected(&mut self, id: Id, end: End, lived: Duration, random: u32, now: Instant) {
        let Some(post) = self.posts.get_mut(&id) else { return };
        if let Mode::Falling(descent) = &self.mode {
            // Nobody is restarted on the way down: it is only the sooner at its end.
            let is_done = end == End::Finished && post.facts.restart == Restart::Transient;
            let leaves = is_done || descent.ends(post.facts.restart);
            self.acts.push(Act::Failed(id, None));
            if leaves {
                self.fall(id, true, now);
            } else {
                self.set_stage(id, Stage::Down);
            }
            return;
        }
        let again = match post.facts.restart {
            Restart::Permanent => true,
            Restart::Transient => end == End::Failed,
            Restart::Temporary => false,
        };
        if !again {
            post.is_done = true;
            self.acts.push(Act::Failed(id, None));
            self.fall(id, true, now);
            return;
        }
        let verdict = match post.facts.policy.beyond {
            Beyond::Degrade => post.record.failed(lived, &post.facts.policy, random),
            Beyond::Escalate => {
                if self.strain.failed(now, &self.intensity) {
                    self.set_stage(id, Stage::Down);
                    self.acts.push(Act::Failed(id, None));
                    self.descend(Why::Escalated(id), now);
                    return;
                }
                post.is_strained = true;
                self.strained += 1;
                self.strain.clock(now, false);
                post.record.borne(lived, &post.facts.policy, random)
            }
        };
        self.acts.push(Act::Failed(id, Some(verdict)));
        let until = after(now, verdict.wait());
        match self.strategy {
            Strategy::OneForOne | Strategy::Dynamic => {
                self.set_stage(id, Stage::Waiting);
                self.set_deadline(id, Some(until));
            }
            Strategy::OneForAll | Strategy::RestForOne => {
                self.set_stage(id, Stage::Down);
                self.start_regroup(id, until, now);
            }
        }
    }

    /// Whether the end of a significant child, which has left, ends the supervisor.
    pub(super) fn ends_by_itself(&self) -> bool {
        match self.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            AutoShutdown::AllSignificant => !self.posts.values().any(|post| post.facts.significant),
        }
    }

    /// The child waits no more, so that the clock of the intensity may go on.
    pub(super) fn unstrain(&mut self, id: Id, now: Instant) {
        if let Some(post) = self.posts.get_mut(&id)
            && std::mem::take(&mut post.is_strained)
        {
            self.strained = self.strained.saturating_sub(1);
            if self.strained == 0 {
                self.strain.clock(now, true);
            }
        }
    }
}
