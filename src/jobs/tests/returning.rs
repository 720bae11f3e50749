//! The point of no return: when it may be passed, and what ends behind it.

use super::*;
use crate::domain::job::WhenUncertain::{Hold, Repeat};

#[derive(Clone, Copy, Debug)]
enum From {
    TimeLimit,
    Cancel,
    Panic,
}

#[tokio::test(start_paused = true)]
async fn whatever_ends_an_attempt_past_its_point_of_no_return_goes_to_the_rule() {
    for rule in [Hold, Repeat] {
        for from in [From::TimeLimit, From::Cancel, From::Panic] {
            let bench = Bench::new();
            let attempts = bench.attempts.clone();
            let end = bench.run(rule, move |ctx| async move {
                assert!(!ctx.is_past_no_return());
                ctx.point_of_no_return().await.unwrap();
                assert!(ctx.is_past_no_return());
                match from {
                    From::TimeLimit => {}
                    From::Cancel => assert!(attempts.stop(ctx.job(), StopCause::CancelRequested)),
                    From::Panic => panic!("in the middle"),
                }
                forever().await
            });
            let end = end.await;
            let AttemptEnd::Uncertain(written, _) = end.end else {
                panic!("{rule:?} and {from:?} became {:?}", end.end);
            };
            assert!(written == rule && is_retried(end.end));
            assert!(error(&end).contains("may have happened"), "{}", error(&end));
            let noted = if rule == Hold { vec![bench.job.id] } else { Vec::new() };
            assert_eq!(bench.ledger.no_returns(), noted, "{rule:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_past_the_point_of_no_return_costs_no_attempt_where_the_rule_is_to_repeat() {
    for rule in [Hold, Repeat] {
        let bench = Bench::new();
        let attempts = bench.attempts.clone();
        let end = bench.run(rule, move |ctx| async move {
            ctx.point_of_no_return().await.unwrap();
            attempts.stop(ctx.job(), StopCause::Draining);
            forever().await
        });
        let end = end.await.end;
        match rule {
            Repeat => assert_eq!(end, AttemptEnd::Uncertain(Repeat, Retry::Unspent(NOW))),
            Hold => assert!(matches!(end, AttemptEnd::Uncertain(Hold, _)), "{end:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_past_the_point_of_no_return_is_believed() {
    let bench = Bench::new();
    let end = bench.run(Hold, |ctx| async move {
        ctx.point_of_no_return().await.unwrap();
        Outcome::completed()
    });
    assert_eq!(end.await.end, AttemptEnd::Completed);
}

#[tokio::test(start_paused = true)]
async fn the_point_of_no_return_is_shut_after_a_stop() {
    for rule in [Hold, Repeat] {
        let bench = Bench::new();
        let attempts = bench.attempts.clone();
        let end = bench.run(rule, move |ctx| async move {
            attempts.stop(ctx.job(), StopCause::Draining);
            assert_eq!(ctx.point_of_no_return().await, Err(Stopped));
            assert!(!ctx.is_past_no_return());
            Outcome::Cancelled
        });
        assert_eq!(end.await.end, AttemptEnd::Drained);
        assert!(bench.ledger.no_returns().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn the_point_of_no_return_is_shut_when_the_row_says_that_a_cancel_was_asked_for() {
    let bench = Bench::new();
    bench.ledger.request_cancel();
    let end = bench.run(Hold, |ctx| async move {
        assert_eq!(ctx.point_of_no_return().await, Err(Stopped));
        assert_eq!(ctx.stop_cause(), Some(StopCause::CancelRequested));
        Outcome::Cancelled
    });
    assert_eq!(end.await.end, AttemptEnd::Cancelled);
    assert!(bench.ledger.no_returns().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_uncertain_is_repeated_after_the_wait_that_the_work_asks_for() {
    let wait = Duration::from_secs(7);
    for from in [From::TimeLimit, From::Panic] {
        let bench = Bench::new();
        let end = bench.run(Repeat, move |ctx| async move {
            ctx.repeat_uncertain_after(wait);
            ctx.point_of_no_return().await.unwrap();
            match from {
                From::Panic => panic!("in the middle"),
                _ => forever().await,
            }
        });
        let end = end.await.end;
        assert_eq!(
            end,
            AttemptEnd::Uncertain(Repeat, Retry::At(NOW.plus(wait))),
            "{from:?}"
        );
    }
    let bench = Bench::new();
    let end = bench.run(Repeat, move |ctx| async move {
        ctx.repeat_uncertain_after(wait);
        Outcome::Uncertain {
            why: "silence".to_owned(),
            hold: false,
        }
    });
    let end = end.await.end;
    assert_eq!(end, AttemptEnd::Uncertain(Repeat, Retry::At(NOW.plus(wait))));
    let bench = Bench::new();
    let attempts = bench.attempts.clone();
    let end = bench.run(Repeat, move |ctx| async move {
        ctx.repeat_uncertain_after(wait);
        ctx.point_of_no_return().await.unwrap();
        attempts.stop(ctx.job(), StopCause::Draining);
        forever().await
    });
    let end = end.await.end;
    assert_eq!(end, AttemptEnd::Uncertain(Repeat, Retry::Unspent(NOW.plus(wait))));
    // Before its point of no return it backs off as ever.
    let bench = Bench::new();
    let end = bench.run(Repeat, move |ctx| async move {
        ctx.repeat_uncertain_after(wait);
        Outcome::retry("busy")
    });
    assert!(is_retried(end.await.end));
}

/// Tells what was said when it is dropped.
struct Telling(JobContext);

impl Drop for Telling {
    fn drop(&mut self) {
        self.0.transcript("220 hello".to_owned());
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_said_is_kept_however_the_attempt_ends() {
    for from in [None, Some(From::TimeLimit), Some(From::Cancel), Some(From::Panic)] {
        let bench = Bench::new();
        let attempts = bench.attempts.clone();
        let end = bench.run(Hold, move |ctx| async move {
            let _telling = Telling(ctx.clone());
            match from {
                None => return Outcome::completed(),
                Some(From::TimeLimit) => {}
                Some(From::Cancel) => assert!(attempts.stop(ctx.job(), StopCause::CancelRequested)),
                Some(From::Panic) => panic!("in the middle"),
            }
            forever().await
        });
        assert_eq!(end.await.transcript.as_deref(), Some("220 hello"), "{from:?}");
    }
}
