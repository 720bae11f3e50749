//! Progress on its way to the ledger.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::ready;

use super::*;
use crate::domain::job::Progress;
use crate::store::{AttemptProgress, Finished, Held, StoreError};

const RULE: WhenUncertain = WhenUncertain::Hold;

/// Progress is written at most this often.
const EVERY: Duration = progress::WRITE_EVERY;

/// How a ledger answers progress.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    LeaseLost,
    Fails,
    /// The write never comes back, as one that waits behind others when the attempt ends.
    Never,
}

struct Odd {
    ledger: MemoryLedger,
    answer: Answer,
    asked: AtomicBool,
}

impl Ledger for Odd {
    fn progress(&self, _: AttemptProgress) -> BoxFuture<'_, Result<Held, StoreError>> {
        self.asked.store(true, Ordering::SeqCst);
        match self.answer {
            Answer::LeaseLost => ready(Ok(Held::No)).boxed(),
            Answer::Fails => ready(Err(StoreError::Unavailable { what: "test" })).boxed(),
            Answer::Never => forever().boxed(),
        }
    }

    fn no_return(&self, _: JobId, _: i64, _: Timestamp) -> BoxFuture<'_, Result<Held, StoreError>> {
        match self.answer {
            Answer::LeaseLost => ready(Ok(Held::No)).boxed(),
            Answer::Fails => ready(Err(StoreError::Unavailable { what: "test" })).boxed(),
            Answer::Never => forever().boxed(),
        }
    }

    fn finish(&self, finish: AttemptFinish) -> BoxFuture<'_, Result<Finished, StoreError>> {
        self.ledger.finish(finish)
    }
}

/// Runs a work whose ledger is odd; answers its end and whether progress was written at all.
async fn run_odd<F>(answer: Answer, work: impl FnOnce(JobContext) -> F + Send + 'static) -> (AttemptFinish, bool)
where
    F: Future<Output = Outcome> + Send + 'static,
{
    let bench = Bench::new();
    let odd = Arc::new(Odd {
        ledger: bench.ledger.clone(),
        answer,
        asked: AtomicBool::new(false),
    });
    let attempt = bench.attempt_with(scripted(RULE, work), odd.clone(), Box::new(()));
    let received = attempt.receive();
    attempt.run(received).await.unwrap();
    (bench.written().await, odd.asked.load(Ordering::SeqCst))
}

#[tokio::test(start_paused = true)]
async fn progress_is_coalesced_to_a_few_writes_and_the_last_is_never_lost() {
    let bench = Bench::new();
    let end = bench.run(RULE, |ctx| async move {
        for step in 1..=1_000 {
            ctx.progress(step, Some(1_000), None);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Outcome::completed()
    });
    let end = end.await;
    let written: Vec<u64> = bench.ledger.progress().iter().map(|one| one.progress.done).collect();
    assert!((4..=5).contains(&written.len()), "{written:?}");
    assert!(written.is_sorted());
    assert_eq!(
        end.progress.map_or(written.last().copied(), |last| Some(last.done)),
        Some(1_000)
    );
}

#[tokio::test(start_paused = true)]
async fn progress_that_was_written_is_not_written_again_with_the_end() {
    let bench = Bench::new();
    let end = bench.run(RULE, |ctx| async move {
        ctx.progress(1, None, None);
        tokio::time::sleep(EVERY).await;
        Outcome::completed()
    });
    assert_eq!(end.await.progress, None);
    assert_eq!(bench.ledger.progress().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn progress_whose_write_failed_or_was_overtaken_is_carried_by_the_end() {
    for answer in [Answer::Fails, Answer::Never] {
        let (end, asked) = run_odd(answer, |ctx| async move {
            ctx.progress(7, Some(9), Some("seven"));
            tokio::time::sleep(EVERY * 3).await;
            Outcome::completed()
        })
        .await;
        assert!(asked, "nothing was on its way");
        assert_eq!(end.progress, Some(Progress::new(7, Some(9), Some("seven"))));
    }
}

#[tokio::test(start_paused = true)]
async fn newer_progress_is_not_replaced_by_older_that_could_not_be_written() {
    let (end, _) = run_odd(Answer::Never, |ctx| async move {
        ctx.progress(1, None, None);
        tokio::time::sleep(EVERY).await;
        ctx.progress(2, None, None);
        Outcome::completed()
    })
    .await;
    assert_eq!(end.progress.map(|progress| progress.done), Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_tells_the_work_to_stop() {
    let (end, _) = run_odd(Answer::LeaseLost, |ctx| async move {
        ctx.progress(1, None, None);
        ctx.stopped().await;
        assert_eq!(ctx.stop_cause(), Some(StopCause::LeaseLost));
        Outcome::Cancelled
    })
    .await;
    assert_eq!(end.end, AttemptEnd::Drained, "which the fence refuses");
    let (end, _) = run_odd(Answer::LeaseLost, |ctx| async move {
        assert_eq!(ctx.point_of_no_return().await, Err(Stopped));
        assert_eq!(ctx.stop_cause(), Some(StopCause::LeaseLost));
        Outcome::Cancelled
    })
    .await;
    assert_eq!(end.end, AttemptEnd::Drained);
}

#[tokio::test(start_paused = true)]
async fn a_point_of_no_return_that_could_not_be_noted_is_not_passed() {
    let (end, _) = run_odd(Answer::Fails, |ctx| async move {
        assert_eq!(ctx.point_of_no_return().await, Err(Stopped));
        assert!(!ctx.is_past_no_return());
        Outcome::retry("the database was away")
    })
    .await;
    assert!(is_retried(end.end));
}

#[tokio::test(start_paused = true)]
async fn a_cancel_that_the_ledger_knows_of_reaches_the_work_with_its_next_progress() {
    let bench = Bench::new();
    bench.ledger.request_cancel();
    let end = bench.run(RULE, |ctx| async move {
        ctx.progress(1, None, None);
        ctx.stopped().await;
        Outcome::Cancelled
    });
    assert_eq!(end.await.end, AttemptEnd::Cancelled);
}
