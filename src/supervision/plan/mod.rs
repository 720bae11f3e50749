//! What a supervisor decides, as a state machine without tasks, clocks or children: what happened goes in, what is to be
//! done comes out.
//!
//! Guarantees: the same inputs give the same acts; a child is told to rise only when its former life is over; a child that
//! is told to end gets its time, then a kill, then is given up, so that nothing a child does or leaves undone can hold the
//! supervisor up; after a stop began nothing rises.
//!
//! In parts: what happens to children (here), what follows a failure ([`failure`]), restarts of groups ([`regroup`]), the
//! way down ([`descent`]).

mod descent;
mod failure;
mod post;
mod regroup;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::policy::{Intensity, Record, Strain, Verdict};
use super::spec::Restart;
use super::strategy::{AutoShutdown, Strategy};
use descent::Descent;
pub(super) use descent::Why;
pub(super) use post::Facts;
use post::{Post, Stage};
use regroup::Regroup;

/// A child's number; they grow in the order of start.
pub(super) type Id = u64;

/// How long a child that is cut off may take to notice. One that takes longer blocks its thread.
pub(super) const CUT_OFF_GRACE: Duration = Duration::from_millis(500);

/// As [`CUT_OFF_GRACE`], for a supervisor: enough for three levels of children beneath it to be cut off in turn.
pub(super) const SUPERVISOR_GRACE: Duration = Duration::from_secs(2);

/// What the supervisor is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Tell the child to rise.
    Raise(Id),
    /// Tell the child to end its life in order, and wait.
    LieDown(Id),
    /// Tell the child to stop for good.
    Stop(Id),
    /// Cut off what is ending.
    Kill(Id),
    /// The child does not answer a kill either: go on without it.
    Abandon(Id),
    /// Make the failure known, and what follows: nothing, if nothing does.
    Failed(Id, Option<Verdict>),
    /// The child was degraded, and is no more.
    Recovered(Id),
    /// Tell a running child to start anew.
    Recycle(Id),
    /// The child has left for good.
    Forget(Id),
    /// The supervisor's own life is over: every child is down, or gone.
    Over(Why),
}

/// How a life of a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By itself, in order.
    Finished,
    /// In any way that is a failure.
    Failed,
    /// As it was told to.
    Ordered,
}

/// Whose time a deadline is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Child(Id),
    Group,
}

/// What the supervisor is in.
#[derive(Debug)]
enum Mode {
    /// Between its own lives: nothing is up.
    Down,
    Running,
    Falling(Descent),
}

#[derive(Debug)]
pub(super) struct Plan {
    strategy: Strategy,
    intensity: Intensity,
    auto_shutdown: AutoShutdown,
    posts: BTreeMap<Id, Post>,
    mode: Mode,
    regroup: Option<Regroup>,
    deadlines: BTreeSet<(Instant, Timer)>,
    strain: Strain,
    /// How many escalating children wait for their backoff.
    strained: usize,
    acts: Vec<Act>,
}

impl Plan {
    pub(super) fn new(strategy: Strategy, intensity: Intensity, auto_shutdown: AutoShutdown) -> Self {
        Self {
            strategy,
            intensity,
            auto_shutdown,
            posts: BTreeMap::new(),
            mode: Mode::Down,
            regroup: None,
            deadlines: BTreeSet::new(),
            strain: Strain::default(),
            strained: 0,
            acts: Vec::new(),
        }
    }

    /// What is to be done, in order.
    pub(super) fn acts(&mut self) -> Vec<Act> {
        std::mem::take(&mut self.acts)
    }

    /// When [`tick`](Self::tick) is to be called next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The supervisor's own life begins: its children rise, from the first to the last, none waiting for another.
    pub(super) fn begin(&mut self, now: Instant) {
        self.mode = Mode::Running;
        self.strain = Strain::default();
        self.strained = 0;
        self.strain.clock(now, true);
        let down: Vec<Id> = self
            .posts
            .iter()
            .filter(|(_, post)| post.stage == Stage::Down)
            .map(|(id, _)| *id)
            .collect();
        for id in down {
            if let Some(post) = self.posts.get_mut(&id) {
                // What failed before belongs to the life before.
                post.record = Record::default();
            }
            self.raise(id, now);
        }
    }

    /// A child was added.
    pub(super) fn added(&mut self, id: Id, facts: Facts, now: Instant) {
        self.posts.insert(id, Post::new(facts));
        match &mut self.mode {
            Mode::Down => {}
            // It comes last in any group, and rises when its turn comes.
            Mode::Running if self.regroup.is_some() => {}
            Mode::Running => self.raise(id, now),
            Mode::Falling(descent) => {
                if descent.ends(Restart::Temporary) {
                    descent.joined(id);
                    self.fall(id, true, now);
                }
            }
        }
    }

    /// A child has risen.
    pub(super) fn up(&mut self, id: Id, now: Instant) {
        if let Some(post) = self.posts.get_mut(&id)
            && post.stage == Stage::Raising
        {
            post.stage = Stage::Up;
            self.step_regroup(now);
        }
    }

    /// A life of a child is over, after `lived`; `random` is any number, evenly spread.
    pub(super) fn down(&mut self, id: Id, end: End, lived: Duration, random: u32, now: Instant) {
        let Some(post) = self.posts.get_mut(&id) else { return };
        match post.stage {
            Stage::Falling { for_good } => {
                if end == End::Failed {
                    self.acts.push(Act::Failed(id, None));
                }
                if !for_good {
                    if end == End::Finished && post.facts.restart == Restart::Transient {
                        // It was done before it heard the order, and does not come back.
                        post.is_done = true;
                        self.fall(id, true, now);
                        return;
                    }
                    self.set_deadline(id, None);
                    self.set_stage(id, Stage::Down);
                    self.fallen(id, now);
                }
            }
            Stage::Up | Stage::Raising if end != End::Ordered => self.unexpected(id, end, lived, random, now),
            // An order that overtook the child's own end; what follows it is under way.
            Stage::Up | Stage::Raising | Stage::Down | Stage::Waiting => {}
        }
    }

    /// A child has ended for good.
    pub(super) fn gone(&mut self, id: Id, now: Instant) {
        self.set_deadline(id, None);
        self.unstrain(id, now);
        let Some(post) = self.posts.remove(&id) else { return };
        self.acts.push(Act::Forget(id));
        self.fallen(id, now);
        if matches!(self.mode, Mode::Running) && post.is_done && post.facts.significant && self.ends_by_itself() {
            self.descend(Why::Finished, now);
        }
    }

    /// A child has run for a calm period.
    pub(super) fn calm(&mut self, id: Id) {
        if let Some(post) = self.posts.get_mut(&id)
            && post.record.calmed()
        {
            self.acts.push(Act::Recovered(id));
        }
    }

    /// An operator wants the child started anew, now.
    pub(super) fn restart(&mut self, id: Id, now: Instant) {
        if !matches!(self.mode, Mode::Running) {
            return;
        }
        match self.posts.get(&id).map(|post| post.stage) {
            Some(Stage::Up) => self.acts.push(Act::Recycle(id)),
            Some(Stage::Waiting) => self.raise(id, now),
            Some(Stage::Down) => self.hasten_regroup(now),
            Some(Stage::Raising | Stage::Falling { .. }) | None => {}
        }
    }

    /// One child is to stop for good.
    pub(super) fn stop(&mut self, id: Id, now: Instant) {
        self.fall(id, true, now);
    }

    /// Does what is due by now.
    pub(super) fn tick(&mut self, now: Instant) {
        while let Some((_, timer)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            match timer {
                Timer::Group => {
                    self.deadlines.pop_first();
                    self.step_regroup(now);
                }
                Timer::Child(id) => {
                    self.set_deadline(id, None);
                    match self.posts.get(&id).map(|post| post.stage) {
                        Some(Stage::Waiting) if matches!(self.mode, Mode::Running) => self.raise(id, now),
                        // Its turn on the way down has not come yet.
                        Some(Stage::Waiting) => self.set_stage(id, Stage::Down),
                        Some(Stage::Falling { .. }) => self.out_of_time(id, now),
                        _ => {}
                    }
                }
            }
        }
    }

    fn raise(&mut self, id: Id, now: Instant) {
        self.set_deadline(id, None);
        self.unstrain(id, now);
        self.set_stage(id, Stage::Raising);
        self.acts.push(Act::Raise(id));
    }

    fn set_stage(&mut self, id: Id, stage: Stage) {
        if let Some(post) = self.posts.get_mut(&id) {
            post.stage = stage;
        }
    }

    fn set_deadline(&mut self, id: Id, at: Option<Instant>) {
        let Some(post) = self.posts.get_mut(&id) else { return };
        if let Some(old) = std::mem::replace(&mut post.deadline, at) {
            self.deadlines.remove(&(old, Timer::Child(id)));
        }
        if let Some(at) = at {
            self.deadlines.insert((at, Timer::Child(id)));
        }
    }
}
