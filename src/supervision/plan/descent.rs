//! The way down: the children are ended from the last to the first, those of one phase together.

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::post::Stage;
use super::{Act, Id, Mode, Plan};
use crate::supervision::moment::after;
use crate::supervision::spec::{Restart, Shutdown};
use crate::supervision::strategy::Strategy;

/// Why a supervisor ends its children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::supervision) enum Why {
    /// This child failed once more than the supervisor bears.
    Escalated(Id),
    /// Its significant children are done.
    Finished,
    /// An operator wants it started anew.
    Recycled,
    /// An operator wants to see it fail.
    Injected,
    /// Its parent told it to lie down.
    LaidDown,
    /// It is stopped for good.
    Stopped,
}

impl Why {
    /// A later reason takes the place of an earlier one if it weighs more.
    const fn weight(self) -> u8 {
        match self {
            Self::Escalated(_) | Self::Finished | Self::Recycled | Self::Injected => 0,
            Self::LaidDown => 1,
            Self::Stopped => 2,
        }
    }
}

/// A way down that is under way.
#[derive(Debug)]
pub(super) struct Descent {
    why: Why,
    /// Children from this one on have had their turn.
    cursor: Option<Id>,
    /// Those whose end is awaited now.
    awaited: BTreeSet<Id>,
    /// Whether the time for it is over.
    hurried: bool,
}

impl Descent {
    /// Whether a child of that restart type leaves the tree by this.
    pub(super) fn ends(&self, restart: Restart) -> bool {
        self.why == Why::Stopped || restart == Restart::Temporary
    }

    /// A child came that must be ended too.
    pub(super) fn joined(&mut self, id: Id) {
        self.awaited.insert(id);
    }
}

impl Plan {
    /// Begins the way down, or changes what it is for.
    pub(in crate::supervision) fn descend(&mut self, why: Why, now: Instant) {
        self.regroup = None;
        self.deadlines.retain(|(_, timer)| *timer != super::Timer::Group);
        let mut hurried = false;
        if let Mode::Falling(descent) = &self.mode {
            if descent.why.weight() >= why.weight() {
                return;
            }
            hurried = descent.hurried;
        }
        self.mode = Mode::Falling(Descent {
            why,
            cursor: None,
            awaited: BTreeSet::new(),
            hurried,
        });
        self.step_descent(now);
    }

    /// The time for the way down is over: whoever is not down is cut off.
    pub(in crate::supervision) fn hurry(&mut self, now: Instant) {
        let Mode::Falling(descent) = &mut self.mode else { return };
        descent.hurried = true;
        let (why, cursor, awaited) = (descent.why, descent.cursor, descent.awaited.clone());
        for id in awaited {
            self.kill(id, now);
        }
        // There is no time for turns: all others are cut off with them, the last first.
        let others: Vec<Id> = self
            .posts
            .range(..cursor.unwrap_or(Id::MAX))
            .rev()
            .map(|(id, _)| *id)
            .collect();
        for id in others {
            self.have_turn(id, why, now);
        }
    }

    /// A child that was told to end has.
    pub(super) fn fallen(&mut self, id: Id, now: Instant) {
        match &mut self.mode {
            Mode::Falling(descent) => {
                descent.awaited.remove(&id);
                self.step_descent(now);
            }
            Mode::Running => self.step_regroup(now),
            Mode::Down => {}
        }
    }

    /// Tells a child to end, for good or until it is raised.
    pub(super) fn fall(&mut self, id: Id, for_good: bool, now: Instant) {
        let Some(post) = self.posts.get_mut(&id) else { return };
        let was = post.stage;
        let nothing_new = match was {
            Stage::Falling { for_good: already } => already || !for_good,
            Stage::Down | Stage::Waiting => !for_good,
            Stage::Raising | Stage::Up => false,
        };
        if nothing_new {
            if was == Stage::Waiting {
                self.set_stage(id, Stage::Down);
                self.set_deadline(id, None);
            }
            return;
        }
        post.stage = Stage::Falling { for_good };
        let shutdown = post.facts.shutdown;
        post.is_killed = false;
        self.acts.push(if for_good { Act::Stop(id) } else { Act::LieDown(id) });
        let hurried = matches!(&self.mode, Mode::Falling(descent) if descent.hurried);
        match shutdown {
            Shutdown::Within(limit) if !hurried => self.set_deadline(id, Some(after(now, limit))),
            Shutdown::Unbounded if !hurried => self.set_deadline(id, None),
            Shutdown::Kill | Shutdown::Within(_) | Shutdown::Unbounded => self.kill(id, now),
        }
    }

    /// Whether the child leaves the tree when its group or its supervisor is ended.
    pub(super) fn leaves_when_ended(&self, id: Id) -> bool {
        let restart = self.posts.get(&id).map(|post| post.facts.restart);
        self.strategy == Strategy::Dynamic || restart == Some(Restart::Temporary)
    }

    /// The time that a child had to end is over.
    pub(super) fn out_of_time(&mut self, id: Id, now: Instant) {
        let Some(post) = self.posts.get_mut(&id) else { return };
        let Stage::Falling { for_good } = post.stage else {
            return;
        };
        if !post.is_killed {
            self.kill(id, now);
            return;
        }
        self.acts.push(Act::Abandon(id));
        if for_good {
            self.gone(id, now);
        } else {
            self.set_stage(id, Stage::Down);
            self.fallen(id, now);
        }
    }

    fn kill(&mut self, id: Id, now: Instant) {
        if let Some(post) = self.posts.get_mut(&id)
            && !std::mem::replace(&mut post.is_killed, true)
        {
            let grace = post.facts.grace;
            self.acts.push(Act::Kill(id));
            self.set_deadline(id, Some(now + grace));
        }
    }

    /// Goes on down once nobody is awaited.
    fn step_descent(&mut self, now: Instant) {
        loop {
            let Mode::Falling(descent) = &self.mode else { return };
            if !descent.awaited.is_empty() {
                return;
            }
            let why = descent.why;
            let batch = self.batch_before(descent.cursor);
            if batch.is_empty() {
                self.mode = Mode::Down;
                self.acts.push(Act::Over(why));
                return;
            }
            for id in batch {
                self.have_turn(id, why, now);
            }
        }
    }

    /// The turn of a child on the way down.
    fn have_turn(&mut self, id: Id, why: Why, now: Instant) {
        let for_good = why == Why::Stopped || self.leaves_when_ended(id);
        self.fall(id, for_good, now);
        let is_awaited = self
            .posts
            .get(&id)
            .is_some_and(|post| matches!(post.stage, Stage::Falling { .. }));
        if let Mode::Falling(descent) = &mut self.mode {
            descent.cursor = Some(descent.cursor.map_or(id, |cursor| cursor.min(id)));
            if is_awaited {
                descent.awaited.insert(id);
            }
        }
    }

    /// The children whose turn is next, the last started first.
    fn batch_before(&self, cursor: Option<Id>) -> Vec<Id> {
        let end = cursor.unwrap_or(Id::MAX);
        let mut before = self.posts.range(..end).rev();
        if self.strategy == Strategy::Dynamic {
            return before.map(|(id, _)| *id).collect();
        }
        let Some((last, post)) = before.next() else {
            return Vec::new();
        };
        let phase = post.facts.phase;
        let mut batch = vec![*last];
        if phase.is_some() {
            batch.extend(
                before
                    .take_while(|(_, post)| post.facts.phase == phase)
                    .map(|(id, _)| *id),
            );
        }
        batch
    }
}
