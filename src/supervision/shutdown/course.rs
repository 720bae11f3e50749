//! A shutdown under way: the tasks that are at work, and the report that they are written into.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout};

use super::log;
use super::phase::{OutOfTime, Phase};
use super::report::{PhaseEnd, PhaseReport, ShutdownReport, TaskEnd, TaskReport};
use super::task::{Ended, Task};

/// Goes through the phases, one at a time.
pub(super) struct Course {
    begun: Instant,
    /// The last phase that was taken up is the last in here.
    report: ShutdownReport,
    /// The tasks of the current phase, and those of earlier ones that run on.
    at_work: FuturesUnordered<AtWork>,
    given_up: bool,
}

/// A task that has begun.
struct AtWork {
    place: Place,
    begun: Instant,
    task: Task,
}

/// Where the report has a task: the numbers of its phase, and of itself within that.
#[derive(Clone, Copy)]
struct Place {
    phase: usize,
    task: usize,
}

impl Future for AtWork {
    type Output = (Place, Instant, Ended);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (place, begun) = (self.place, self.begun);
        Pin::new(&mut self.task).poll(cx).map(|ended| (place, begun, ended))
    }
}

impl Course {
    pub(super) fn begin() -> Self {
        Self {
            begun: Instant::now(),
            report: ShutdownReport::default(),
            at_work: FuturesUnordered::new(),
            given_up: false,
        }
    }

    /// Takes up the next phase, and returns when it is over.
    pub(super) async fn take(&mut self, mut phase: Phase) {
        if self.given_up {
            self.pass_over(&phase, PhaseEnd::NotReached);
        } else if phase.is_wanted(&self.report) {
            self.go_through(phase).await;
        } else {
            self.pass_over(&phase, PhaseEnd::Skipped);
        }
    }

    /// Cuts off what still runs on, and gives the report.
    pub(super) fn end(mut self) -> ShutdownReport {
        self.cut_off(|_| true);
        self.report.duration = self.begun.elapsed();
        log::end(&self.report);
        self.report
    }

    fn pass_over(&mut self, phase: &Phase, how: PhaseEnd) {
        self.report.phases.push(initial(phase, how, TaskEnd::NotBegun));
    }

    async fn go_through(&mut self, phase: Phase) {
        let number = self.report.phases.len();
        self.report
            .phases
            .push(initial(&phase, PhaseEnd::Done, TaskEnd::StillRunning));
        let begun = Instant::now();
        let count = phase.tasks.len();
        let tasks = phase.tasks.into_iter().enumerate();
        self.at_work.extend(tasks.map(|(at, task)| AtWork {
            place: Place {
                phase: number,
                task: at,
            },
            begun,
            task,
        }));
        let in_time = timeout(phase.limit, self.work(number, count)).await.is_ok();
        if !in_time && phase.out_of_time != OutOfTime::RunOn {
            self.cut_off(|place| place.phase == number);
        }
        let Some(report) = self.report.phases.last_mut() else {
            return;
        };
        report.duration = begun.elapsed();
        let failed = report.has_failed();
        report.how = match (in_time, failed) {
            (true, false) => PhaseEnd::Done,
            (true, true) => PhaseEnd::Failed,
            (false, _) => PhaseEnd::OutOfTime,
        };
        self.given_up = !in_time && phase.out_of_time == OutOfTime::GiveUp || failed && phase.gives_up_on_failure;
        log::phase(report);
    }

    /// Drives all that is at work until `left` tasks of the phase have ended.
    async fn work(&mut self, phase: usize, mut left: usize) {
        while left > 0 {
            let Some((place, begun, ended)) = self.at_work.next().await else {
                return;
            };
            self.note(place, begun, ended);
            if place.phase == phase {
                left -= 1;
            }
        }
    }

    fn cut_off(&mut self, is_meant: impl Fn(Place) -> bool) {
        for mut one in mem::take(&mut self.at_work) {
            if is_meant(one.place) {
                let ended = one.task.cut_off();
                self.note(one.place, one.begun, ended);
            } else {
                self.at_work.push(one);
            }
        }
    }

    fn note(&mut self, place: Place, begun: Instant, ended: Ended) {
        let phase = self.report.phases.get_mut(place.phase);
        if let Some(task) = phase.and_then(|phase| phase.tasks.get_mut(place.task)) {
            task.how = ended.how;
            task.duration = begun.elapsed();
            task.error = ended.error;
            task.parts = ended.parts;
        }
    }
}

/// What the report says of a phase whose tasks have all come equally far.
fn initial(phase: &Phase, how: PhaseEnd, tasks: TaskEnd) -> PhaseReport {
    let task = |task: &Task| TaskReport {
        name: task.name.clone(),
        how: tasks,
        duration: Duration::ZERO,
        error: None,
        parts: Vec::new(),
    };
    PhaseReport {
        name: phase.name.clone(),
        how,
        limit: phase.limit,
        duration: Duration::ZERO,
        tasks: phase.tasks.iter().map(task).collect(),
    }
}
