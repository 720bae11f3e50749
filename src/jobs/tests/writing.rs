//! How an end reaches the ledger, and what becomes of an attempt that is dropped.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::ready;
use tokio::time::Instant;

use super::*;
use crate::domain::job::AttemptOutcome;
use crate::store::{AttemptProgress, Finished, Held, StoreError};

const RULE: WhenUncertain = WhenUncertain::Hold;

/// A ledger that refuses some ends before it takes one.
struct Failing {
    ledger: MemoryLedger,
    left: AtomicUsize,
    with: fn() -> StoreError,
    lost: bool,
}

impl Ledger for Failing {
    fn progress(&self, progress: AttemptProgress) -> BoxFuture<'_, Result<Held, StoreError>> {
        Ledger::progress(&self.ledger, progress)
    }

    fn no_return(&self, job: JobId, fence: i64, now: Timestamp) -> BoxFuture<'_, Result<Held, StoreError>> {
        self.ledger.no_return(job, fence, now)
    }

    fn finish(&self, finish: AttemptFinish) -> BoxFuture<'_, Result<Finished, StoreError>> {
        let left = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match left {
            Ok(_) => ready(Err((self.with)())).boxed(),
            Err(_) if self.lost => ready(Ok(Finished::LeaseLost)).boxed(),
            Err(_) => self.ledger.finish(finish),
        }
    }
}

/// Tells when it is let go.
struct Kept(Arc<Mutex<Vec<usize>>>, MemoryLedger);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(self.1.finishes().len());
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_is_written_again_until_the_ledger_takes_it_and_the_slot_is_kept_until_then() {
    let (bench, freed) = (Bench::new(), Arc::default());
    let failing = Failing {
        ledger: bench.ledger.clone(),
        left: AtomicUsize::new(12),
        with: || StoreError::Unavailable { what: "test" },
        lost: false,
    };
    let kept = Kept(Arc::clone(&freed), bench.ledger.clone());
    let attempt = bench.attempt_with(
        scripted(RULE, |_| async { Outcome::completed() }),
        Arc::new(failing),
        Box::new(kept),
    );
    let received = attempt.receive();
    let began = Instant::now();
    let report = attempt.run(received).await.unwrap();
    // 50 ms doubled to 5 s: seven growing waits and five of the longest.
    assert!(
        (Duration::from_secs(30)..Duration::from_secs(33)).contains(&began.elapsed()),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(report.state, Some(crate::domain::job::JobState::Completed));
    assert_eq!(bench.written().await.end, AttemptEnd::Completed);
    assert_eq!(*freed.lock().unwrap(), [1], "let go before the end was written");
}

#[tokio::test(start_paused = true)]
async fn an_end_that_is_refused_for_its_fence_or_by_a_closed_ledger_is_not_written_again() {
    for (left, lost) in [(0, true), (1, false)] {
        let bench = Bench::new();
        let failing = Failing {
            ledger: bench.ledger.clone(),
            left: AtomicUsize::new(left),
            with: || StoreError::Closed,
            lost,
        };
        let attempt = bench.attempt_with(
            scripted(RULE, |_| async { Outcome::completed() }),
            Arc::new(failing),
            Box::new(()),
        );
        let received = attempt.receive();
        let report = attempt.run(received).await.unwrap();
        assert_eq!((report.state, report.outcome), (None, AttemptOutcome::Completed));
        assert_eq!((bench.attempts.in_flight(), bench.ledger.finishes().len()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_dropped_unsent_gives_its_job_back() {
    let bench = Bench::new();
    let attempt = bench.attempt(scripted(RULE, |_| async { panic!("it began") }));
    assert_eq!(bench.attempts.in_flight(), 1);
    drop(attempt);
    assert_eq!(bench.written().await.end, AttemptEnd::Drained);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_dropped_by_a_panic_says_that_it_panicked_the_worker() {
    let bench = Bench::new();
    let attempt = bench.attempt(scripted(RULE, |_| async { panic!("it began") }));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _held = attempt;
        panic!("the worker broke");
    }));
    assert!(panicked.is_err());
    let end = bench.written().await;
    assert!(
        matches!(end.end, AttemptEnd::WorkerPanicked(_)) && is_retried(end.end),
        "{:?}",
        end.end
    );
}

#[tokio::test(start_paused = true)]
async fn an_attempt_dropped_while_it_runs_gives_its_job_back() {
    let bench = Bench::new();
    let attempt = bench.attempt(scripted(RULE, |_| forever()));
    let received = attempt.receive();
    let mut running = Box::pin(attempt.run(received));
    assert!(futures_util::future::poll_immediate(&mut running).await.is_none());
    drop(running);
    assert_eq!(bench.written().await.end, AttemptEnd::Drained);
}

#[tokio::test(start_paused = true)]
async fn an_older_attempt_does_not_strike_a_newer_one_off_the_list() {
    let bench = Bench::new();
    let older = bench.attempts.begin(bench.job.id, 1);
    let newer = bench.attempts.begin(bench.job.id, 2);
    drop(older);
    assert_eq!(bench.attempts.in_flight(), 1);
    bench.attempts.stop_all(StopCause::Draining);
    drop(newer);
    bench.attempts.idle().await;
    assert!(!bench.attempts.stop(bench.job.id, StopCause::Draining));
}

fn corrupt() -> StoreError {
    StoreError::Corrupt {
        table: "jobs",
        what: "attempt",
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_that_can_never_be_written_gives_the_attempt_up_as_failed_and_then_lets_the_slot_go() {
    for (refusals, state) in [(1, Some(crate::domain::job::JobState::Discarded)), (2, None)] {
        let (bench, freed) = (Bench::new(), Arc::default());
        let failing = Failing {
            ledger: bench.ledger.clone(),
            left: AtomicUsize::new(refusals),
            with: corrupt,
            lost: false,
        };
        let work = scripted(RULE, |_| async {
            Outcome::Completed(Some("what cannot be kept".into()))
        });
        let kept = Kept(Arc::clone(&freed), bench.ledger.clone());
        let attempt = bench.attempt_with(work, Arc::new(failing), Box::new(kept));
        let received = attempt.receive();
        let began = Instant::now();
        let report = attempt.run(received).await.unwrap();
        assert_eq!(
            began.elapsed(),
            Duration::ZERO,
            "it was tried again though it could not succeed"
        );
        assert_eq!((report.state, report.outcome), (state, AttemptOutcome::Failed));
        assert_eq!(freed.lock().unwrap().len(), 1, "the slot is held");
        assert_eq!(bench.attempts.in_flight(), 0);
        if state.is_some() {
            let end = bench.written().await;
            assert_eq!((end.end, end.result), (AttemptEnd::Failed(Retry::Never), None));
            assert_eq!(
                end.error.as_deref(),
                Some("the attempt ended as completed, but that could not be written")
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_waits_to_begin_ends_at_once_when_it_is_stopped_and_its_message_is_empty_then() {
    for (cause, end) in [
        (StopCause::CancelRequested, AttemptEnd::Cancelled),
        (StopCause::Draining, AttemptEnd::Drained),
        (StopCause::LeaseLost, AttemptEnd::Drained),
    ] {
        let bench = Bench::new();
        let attempt = bench.attempt(scripted(RULE, |_| async { panic!("it began") }));
        assert!(bench.attempts.stop(bench.job.id, cause));
        assert_eq!(bench.written().await.end, end);
        bench.attempts.idle().await;
        assert!(attempt.begin().is_none());
        let received = attempt.receive();
        assert!(attempt.run(received).await.is_none());
        assert_eq!(bench.ledger.finishes().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_has_begun_is_told_to_stop_and_ends_by_itself() {
    let bench = Bench::new();
    let attempt = bench.attempt(scripted(RULE, |ctx| async move {
        ctx.stopped().await;
        Outcome::completed()
    }));
    assert!(attempt.begin().is_some());
    bench.attempts.stop(bench.job.id, StopCause::Draining);
    tokio::task::yield_now().await;
    assert!(bench.ledger.finishes().is_empty(), "somebody else ended it");
    let received = attempt.receive();
    let report = attempt.run(received).await.unwrap();
    assert_eq!(
        report.outcome,
        AttemptOutcome::Snoozed,
        "it was told before its work began"
    );
}

proptest::proptest! {
    #[test]
    fn whatever_happens_to_an_attempt_in_whatever_order_one_end_is_written(
        acts in proptest::collection::vec(0_u8..5, 0..6), runs in proptest::prelude::any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let bench = Bench::new();
            let attempt = bench.attempt(scripted(RULE, |_| async { Outcome::completed() }));
            for act in acts {
                match act {
                    0 => drop(attempt.begin().map(|job| job.id)),
                    1 => drop(bench.attempts.stop(bench.job.id, StopCause::CancelRequested)),
                    2 => bench.attempts.stop_all(StopCause::Draining),
                    3 => drop(attempt.receive()),
                    _ => tokio::task::yield_now().await,
                }
            }
            if runs {
                let received = attempt.receive();
                drop(attempt.run(received).await);
            } else {
                drop(attempt);
            }
            bench.attempts.idle().await;
            assert_eq!(bench.ledger.finishes().len(), 1);
        });
    }
}
