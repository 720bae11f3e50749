//! The life of a job among several nodes, checked through every order in which its steps can happen.
//!
//! What decides is [`transition`], the code that runs. Modelled around it are the steps of the database, each of them atomic,
//! and what lies between: a claimer that looked and has not written, an end that is written late, a rescuer that looked at a
//! lease and has not ended the attempt, a node that dies, and one that stands still and goes on when its lease is over.
//!
//! Each guard that the code keeps can be left out, and the check must then find what goes wrong: so it is known that the
//! check sees such faults, and that each guard is needed.
//!
//! Bounded: two nodes, one job, few claims and moments; one crash, one cancel and one retry by a person.

mod checks;

use stateright::{Model, Property};

use super::{AttemptEnd, Event, JobState, Next, Retry, Standing, WhenUncertain, transition};
use crate::clock::Timestamp;

/// Nodes that claim, and rescue each other's work.
const NODES: usize = 2;
/// The last moment: everything that waits for a time has come by then.
const LAST: i64 = 2;
/// For how many moments a beat renews a lease.
const LEASE: i64 = 1;
/// Claims in one life; a longer one shows nothing new, since fences are only compared.
const CLAIMS_MAX: u8 = 3;
/// Fences that there can be, that of a job which nobody claimed included.
const FENCES: usize = 4;

/// Which guards are kept, and what the job is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    /// Whether an end is written only under the fence that the row has.
    pub(super) checks_fence: bool,
    /// Whether a rescue looks at the lease again in the transaction that ends the attempt.
    pub(super) looks_at_lease_again: bool,
    /// Whether a claim writes only to the row that it looked at.
    pub(super) checks_state: bool,
    /// When all attempts must have ended.
    pub(super) deadline: Option<i64>,
    /// How often a person asks for a cancel, and for a retry.
    pub(super) orders: u8,
    /// How many nodes may die.
    pub(super) crashes: u8,
}

/// The database, the nodes, and what was seen to go wrong.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    now: i64,
    standing: Standing,
    fence: u8,
    /// The node of the running attempt.
    runs_on: Option<usize>,
    nodes: [Node; NODES],
    /// How often the end of the attempt with each fence was written.
    ends: [u8; FENCES],
    crashes: u8,
    cancels: u8,
    retries: u8,
    /// Whether a cancel was asked for that no person took back.
    is_cancelled: bool,
    wrong: Wrong,
}

/// One node: what it knows, and its lease, which is a row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Node {
    is_alive: bool,
    lease_until: i64,
    /// The fence of the attempt that it performs.
    performs: Option<u8>,
    /// The row as a claim of it saw it: its fence.
    saw_waiting: Option<u8>,
    /// The fence and the node of an attempt whose lease a rescue of it saw ended.
    saw_lapsed: Option<(u8, usize)>,
}

/// What must never happen, noted where it does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Wrong {
    left_its_end: bool,
    begun_after_cancel: bool,
    begun_after_deadline: bool,
    accepted_after_handover: bool,
    taken_from_the_living: bool,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Tick,
    Due,
    DeadlineLook,
    Beat(usize),
    Crash(usize),
    ClaimLook(usize),
    ClaimWrite(usize),
    End(usize, AttemptEnd),
    RescueLook(usize),
    RescueWrite(usize),
    NoReturn(usize),
    Cancel,
    PersonsRetry,
}

fn at(moment: i64) -> Timestamp {
    Timestamp::from_micros(moment.min(LAST))
}

impl World {
    fn lease_holds(&self, node: usize) -> bool {
        self.now < self.nodes[node].lease_until
    }

    /// Has the deciding function decide, and writes what it says; answers whether it did.
    fn decide(&mut self, event: Event) -> bool {
        let was_final = self.standing.state.is_final();
        let Ok(next) = transition(&self.standing, event, at(self.now)) else {
            return false;
        };
        let is_persons = matches!(event, Event::RetryRequested);
        if was_final && next.state != self.standing.state && !is_persons {
            self.wrong.left_its_end = true;
        }
        self.write(&next);
        true
    }

    fn write(&mut self, next: &Next) {
        self.standing = Standing {
            state: next.state,
            attempt: next.attempt,
            max_attempts: next.max_attempts,
            run_at: at(next.run_at.as_micros()),
            cancel_requested: next.cancel_requested,
            past_no_return: self.standing.past_no_return && next.state == JobState::Running,
            worker_panics: next.worker_panics,
            deaths: next.deaths,
            deadline: next.deadline,
        };
        if next.state != JobState::Running {
            self.runs_on = None;
        }
    }

    fn claim(&mut self, node: usize, life: &Life) -> bool {
        let Some(seen) = self.nodes[node].saw_waiting.take() else {
            return false;
        };
        let is_as_seen = self.standing.state == JobState::Available && self.fence == seen;
        if life.checks_state && !is_as_seen {
            return true;
        }
        let before = self.standing.clone();
        // Without the guard the row is overwritten by what follows from what was seen.
        self.standing.state = JobState::Available;
        if !self.decide(Event::Claimed) {
            self.standing = before;
            return true;
        }
        self.wrong.left_its_end |= before.state.is_final();
        self.wrong.begun_after_cancel |= self.is_cancelled;
        self.wrong.begun_after_deadline |= before.deadline.is_some_and(|deadline| deadline <= at(self.now));
        self.fence = seen + 1;
        self.runs_on = Some(node);
        self.nodes[node].performs = Some(self.fence);
        true
    }

    fn end(&mut self, node: usize, end: AttemptEnd, life: &Life) -> bool {
        let Some(fence) = self.nodes[node].performs.take() else {
            return false;
        };
        if life.checks_fence && fence != self.fence {
            return true;
        }
        if self.decide(Event::Ended(end)) {
            self.ends[usize::from(fence)] += 1;
            self.wrong.accepted_after_handover |= fence != self.fence;
        }
        true
    }

    fn rescue(&mut self, node: usize, life: &Life) -> bool {
        let Some((fence, lapsed)) = self.nodes[node].saw_lapsed.take() else {
            return false;
        };
        let holds_again = self.lease_holds(lapsed);
        if life.looks_at_lease_again && holds_again || fence != self.fence {
            return true;
        }
        if self.decide(Event::Ended(AttemptEnd::Lost)) {
            self.ends[usize::from(fence)] += 1;
            self.wrong.taken_from_the_living |= holds_again;
        }
        true
    }

    /// Every end that the work of `node` may come to now.
    fn ends_of(&self) -> Vec<AttemptEnd> {
        let again = Retry::At(at(self.now + 1));
        let mut ends = vec![
            AttemptEnd::Completed,
            AttemptEnd::Failed(again),
            AttemptEnd::Drained,
            AttemptEnd::Uncertain(WhenUncertain::Hold, again),
        ];
        if self.standing.cancel_requested || self.standing.deadline.is_some() {
            ends.push(AttemptEnd::Cancelled);
        }
        ends
    }
}

impl Model for Life {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let node = Node {
            is_alive: true,
            lease_until: LEASE,
            performs: None,
            saw_waiting: None,
            saw_lapsed: None,
        };
        vec![World {
            now: 0,
            standing: Standing {
                state: JobState::Available,
                attempt: 0,
                max_attempts: 2,
                run_at: at(0),
                cancel_requested: false,
                past_no_return: false,
                worker_panics: 0,
                deaths: 0,
                deadline: self.deadline.map(at),
            },
            fence: 0,
            runs_on: None,
            nodes: [node.clone(), node],
            ends: [0; FENCES],
            crashes: 0,
            cancels: 0,
            retries: 0,
            is_cancelled: false,
            wrong: Wrong::default(),
        }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        let state = world.standing.state;
        steps.push(Step::Tick);
        steps.push(Step::Due);
        steps.push(Step::Cancel);
        steps.push(Step::PersonsRetry);
        if self.deadline.is_some() {
            steps.push(Step::DeadlineLook);
        }
        for (index, node) in world.nodes.iter().enumerate().filter(|(_, node)| node.is_alive) {
            steps.push(Step::Beat(index));
            steps.push(Step::Crash(index));
            if node.saw_waiting.is_some() {
                steps.push(Step::ClaimWrite(index));
            } else if state == JobState::Available && node.performs.is_none() && world.fence < CLAIMS_MAX {
                steps.push(Step::ClaimLook(index));
            }
            if node.performs.is_some() {
                steps.extend(world.ends_of().into_iter().map(|end| Step::End(index, end)));
                steps.push(Step::NoReturn(index));
            }
            if node.saw_lapsed.is_some() {
                steps.push(Step::RescueWrite(index));
            } else if world.runs_on.is_some_and(|lapsed| !world.lease_holds(lapsed)) {
                steps.push(Step::RescueLook(index));
            }
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        let happened = match step {
            Step::Tick => {
                next.now += 1;
                next.now <= LAST
            }
            Step::Due => next.standing.run_at <= at(next.now) && next.decide(Event::Due),
            Step::DeadlineLook => next.decide(Event::DeadlinePassed),
            Step::Beat(node) => {
                next.nodes[node].lease_until = (next.now + LEASE).min(LAST);
                true
            }
            Step::Crash(node) => {
                next.crashes += 1;
                let lease_until = next.nodes[node].lease_until;
                next.nodes[node] = Node {
                    is_alive: false,
                    lease_until,
                    performs: None,
                    saw_waiting: None,
                    saw_lapsed: None,
                };
                next.crashes <= self.crashes
            }
            Step::ClaimLook(node) => {
                next.nodes[node].saw_waiting = Some(next.fence);
                true
            }
            Step::ClaimWrite(node) => next.claim(node, self),
            Step::End(node, end) => next.end(node, end, self),
            Step::RescueLook(node) => {
                next.nodes[node].saw_lapsed = next.runs_on.map(|lapsed| (next.fence, lapsed));
                true
            }
            Step::RescueWrite(node) => next.rescue(node, self),
            Step::NoReturn(node) => {
                // A compare-and-set like an end.
                let holds = next.nodes[node].performs == Some(next.fence) && next.standing.state == JobState::Running;
                next.standing.past_no_return |= holds && !next.standing.cancel_requested;
                holds
            }
            Step::Cancel => {
                next.cancels += 1;
                let asked = next.cancels <= self.orders && next.decide(Event::CancelRequested);
                next.is_cancelled |= asked;
                asked
            }
            Step::PersonsRetry => {
                next.retries += 1;
                next.is_cancelled = false;
                next.retries <= self.orders && next.decide(Event::RetryRequested)
            }
        };
        (happened && next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(checks::ONE_END, |_, world: &World| {
                world.ends.iter().all(|ends| *ends <= 1)
            }),
            Property::always(checks::FINISHED_STAYS, |_, world: &World| !world.wrong.left_its_end),
            Property::always(checks::CANCEL_WINS, |_, world: &World| !world.wrong.begun_after_cancel),
            Property::always(checks::DEADLINE_WINS, |_, world: &World| {
                !world.wrong.begun_after_deadline
            }),
            Property::always(checks::NOT_AFTER_HANDOVER, |_, world: &World| {
                !world.wrong.accepted_after_handover
            }),
            Property::always(checks::LIVING_KEEP, |_, world: &World| {
                !world.wrong.taken_from_the_living
            }),
            Property::sometimes("a job completes", |_, world: &World| {
                world.standing.state == JobState::Completed
            }),
            Property::sometimes("a job is cancelled while it runs", |_, world: &World| {
                world.standing.state == JobState::Cancelled && world.fence > 0
            }),
            Property::sometimes("a job is handed on after its node died", |_, world: &World| {
                world.crashes == 1 && world.standing.deaths > 0 && world.standing.state == JobState::Running
            }),
            Property::sometimes("a job completes in a second life", |_, world: &World| {
                world.standing.state == JobState::Completed && world.retries == 1
            }),
        ]
    }
}
