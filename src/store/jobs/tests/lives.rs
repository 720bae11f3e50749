//! Random lives of many jobs through the real store, each step compared with the one function that decides them.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::job::{AttemptOutcome, Event, Standing, rank, transition};
use crate::store::NewJob;
use crate::store::testing::NOW;

const JOBS: usize = 4;

/// What is done to one job in one round, after all that may run were claimed.
#[derive(Clone, Copy, Debug)]
enum Step {
    Nothing,
    /// An end, by its place in [`ends`].
    End(usize),
    NoReturnThenEnd(usize),
    /// An end under the fence before.
    StaleEnd(usize),
    Cancel,
    Retry,
}

fn any_step() -> impl Strategy<Value = Step> {
    let count = ends(NOW).len();
    prop_oneof![
        1 => Just(Step::Nothing),
        6 => (0..count).prop_map(Step::End),
        2 => (0..count).prop_map(Step::NoReturnThenEnd),
        1 => (0..count).prop_map(Step::StaleEnd),
        1 => Just(Step::Cancel),
        2 => Just(Step::Retry),
    ]
}

/// A job as it should be.
#[derive(Debug)]
struct Model {
    new: NewJob,
    standing: Standing,
    fence: i64,
    cause: Option<String>,
    finished_at: Option<Timestamp>,
    attempts: Vec<(i64, AttemptOutcome)>,
}

impl Model {
    fn new(max_attempts: u32) -> Self {
        let new = NewJob { max_attempts, ..job() };
        let standing = Standing {
            state: JobState::Available,
            attempt: 0,
            max_attempts,
            run_at: NOW,
            cancel_requested: false,
            past_no_return: false,
            worker_panics: 0,
            deaths: 0,
            deadline: new.deadline,
        };
        Self {
            new,
            standing,
            fence: 0,
            cause: None,
            finished_at: None,
            attempts: Vec::new(),
        }
    }

    /// Has something happen; answers whether it could.
    fn take(&mut self, event: Event, now: Timestamp) -> bool {
        let before = self.standing.state;
        let Ok(next) = transition(&self.standing, event, now) else {
            return false;
        };
        if next.state != before {
            self.finished_at = next.state.is_final().then_some(now);
            if !matches!(event, Event::Due) {
                self.cause = next.cause.map(|cause| cause.to_string());
            }
        }
        self.attempts.extend(next.outcome.map(|outcome| (self.fence, outcome)));
        self.standing = Standing {
            state: next.state,
            attempt: next.attempt,
            max_attempts: next.max_attempts,
            run_at: next.run_at,
            cancel_requested: next.cancel_requested,
            past_no_return: false,
            worker_panics: next.worker_panics,
            deaths: next.deaths,
            deadline: next.deadline,
        };
        true
    }

    fn is_running(&self) -> bool {
        self.standing.state == JobState::Running
    }
}

/// Claims what may run, and checks who was claimed and in which order.
async fn claim(store: &TestStore, models: &mut [Model], now: Timestamp) {
    let mut expected = Vec::new();
    for model in models.iter_mut() {
        if model.standing.run_at <= now {
            model.take(Event::Due, now);
        }
        let place = (rank(model.standing.run_at, 0), model.new.id);
        if model.take(Event::Claimed, now) {
            model.fence += 1;
            expected.push(place);
        }
    }
    expected.sort_unstable();
    let claimed = store.claim(request(JOBS, now)).await.unwrap().jobs;
    let order: Vec<_> = claimed.iter().map(|job| job.id).collect();
    assert_eq!(order, expected.iter().map(|(_, id)| *id).collect::<Vec<_>>());
    for job in claimed {
        let model = models.iter().find(|model| model.new.id == job.id).unwrap();
        assert_eq!((job.fence, job.attempt), (model.fence, model.standing.attempt));
    }
}

async fn round(store: &TestStore, models: &mut [Model], steps: &[Step], now: Timestamp) {
    claim(store, models, now).await;
    let mut writes = Vec::new();
    let mut expected = Vec::new();
    for (model, step) in models.iter_mut().zip(steps) {
        let id = model.new.id;
        let (place, fence) = match *step {
            Step::Nothing => continue,
            Step::Cancel => {
                let done = cancel(store, id, now).await.is_ok();
                assert_eq!(done, model.take(Event::CancelRequested, now));
                continue;
            }
            Step::Retry => {
                let done = retry(store, id, now).await.is_ok();
                assert_eq!(done, model.take(Event::RetryRequested, now));
                continue;
            }
            Step::End(place) => (place, model.fence),
            Step::StaleEnd(place) => (place, model.fence - 1),
            Step::NoReturnThenEnd(place) => {
                let fence = model.fence;
                let noted =
                    store.write(move |tx| Ok::<_, Abort<()>>(jobs::no_return(tx.connection(), id, fence, now)?));
                noted.await.unwrap();
                // Not once a cancel was asked for.
                model.standing.past_no_return = model.is_running() && !model.standing.cancel_requested;
                (place, fence)
            }
        };
        let how = ends(now)[place];
        let holds = fence == model.fence && model.is_running();
        expected.push(if holds && model.take(Event::Ended(how), now) {
            Finished::Written(model.standing.state)
        } else {
            Finished::LeaseLost
        });
        let (store, written) = ((**store).clone(), end(id, fence, how, now));
        writes.push(async move { store.finish(written).await.unwrap() });
    }
    if !writes.is_empty() {
        let held = store.hold_writer().await;
        assert_eq!(held.release_with(writes).await, expected);
    }
}

async fn compare(store: &TestStore, model: &Model) {
    let (row, standing) = (one(store, model.new.id).await, &model.standing);
    assert_eq!(row.state, standing.state, "{model:?}");
    assert_eq!(
        (row.attempt, row.max_attempts, row.fence),
        (standing.attempt, standing.max_attempts, model.fence)
    );
    assert_eq!(
        (row.run_at, row.finished_at),
        (standing.run_at, model.finished_at),
        "{model:?}"
    );
    assert_eq!(row.cause, model.cause, "{model:?}");
    assert!(row.node.is_some() || !model.is_running());
    let id = model.new.id;
    let number = |column: &str| store.number(&format!("SELECT {column} AS value FROM jobs WHERE id = '{id}'"));
    assert_eq!(number("worker_panics"), Some(i64::from(standing.worker_panics)));
    assert_eq!(number("deaths"), Some(i64::from(standing.deaths)));
    assert_eq!(number("rank"), Some(rank(standing.run_at, 0)));
    let written = attempts(store, id).await.into_iter();
    let ended: Vec<_> = written
        .filter_map(|attempt| Some((attempt.number, attempt.outcome?)))
        .collect();
    assert_eq!(ended, model.attempts);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn random_lives_stand_in_the_rows_as_the_transition_function_says(
        max_attempts in 1_u32..4,
        rounds in proptest::collection::vec(proptest::collection::vec(any_step(), JOBS), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = TestStore::new();
            let mut models: Vec<Model> = (0..JOBS).map(|_| Model::new(max_attempts)).collect();
            store.enqueue(models.iter().map(|model| model.new.clone()).collect()).await.unwrap();
            let mut now = NOW;
            for steps in &rounds {
                round(&store, &mut models, steps, now).await;
                for model in &models {
                    compare(&store, model).await;
                }
                now = now.plus(Duration::from_secs(1));
            }
        });
    }
}
