//! Every way in which an attempt can end.

use serde_json::json;
use tokio::time::Instant;

use super::*;

const RULE: WhenUncertain = WhenUncertain::Hold;

/// Whether an end is the one that is wanted.
type IsRight = fn(AttemptEnd) -> bool;

#[tokio::test(start_paused = true)]
async fn what_the_work_answers_is_what_is_written() {
    let after = Duration::from_secs(7);
    let failed = |retry| {
        Outcome::Failed(Failure {
            error: "no luck".to_owned(),
            retry,
            result: None,
        })
    };
    let uncertain = |hold| Outcome::Uncertain {
        why: "silence".to_owned(),
        hold,
    };
    let answers: [(Outcome, IsRight); 7] = [
        (Outcome::completed(), |end| end == AttemptEnd::Completed),
        (failed(RetryWish::Never), |end| end == AttemptEnd::Failed(Retry::Never)),
        (failed(RetryWish::Backoff), |end| {
            matches!(end, AttemptEnd::Failed(_)) && is_retried(end)
        }),
        (failed(RetryWish::After(after)), |end| {
            end == AttemptEnd::Failed(Retry::At(NOW.plus(Duration::from_secs(7))))
        }),
        (Outcome::Snoozed { wait: after, why: None }, |end| {
            end == AttemptEnd::Snoozed(NOW.plus(Duration::from_secs(7)))
        }),
        (Outcome::Cancelled, |end| end == AttemptEnd::Cancelled),
        (uncertain(false), |end| {
            matches!(end, AttemptEnd::Uncertain(RULE, _)) && is_retried(end)
        }),
    ];
    for (answer, is_right) in answers {
        let bench = Bench::new();
        let given = answer.clone();
        let end = bench.run(RULE, |_| async move { given }).await;
        assert!(is_right(end.end), "{answer:?} became {:?}", end.end);
        match answer {
            Outcome::Failed(failure) => assert_eq!(error(&end), failure.error),
            Outcome::Uncertain { why, .. } => assert_eq!(error(&end), why),
            _ => {}
        }
    }
    for (hold, rule) in [(false, WhenUncertain::Repeat), (true, WhenUncertain::Hold)] {
        let given = uncertain(hold);
        let end = Bench::new().run(WhenUncertain::Repeat, |_| async move { given }).await;
        assert!(matches!(end.end, AttemptEnd::Uncertain(written, _) if written == rule));
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_is_kept_unless_it_is_too_large() {
    let end = Bench::new()
        .run(RULE, |_| async { Outcome::Completed(Some(json!({ "n": 1 }))) })
        .await;
    assert_eq!((end.result.as_deref(), end.error), (Some(r#"{"n":1}"#), None));
    let fits = "x".repeat(64 * 1024 - 2);
    let end = Bench::new()
        .run(RULE, move |_| async move { Outcome::Completed(Some(json!(fits))) })
        .await;
    assert_eq!(end.result.map(|text| text.len()), Some(64 * 1024));
    let large = "x".repeat(64 * 1024 - 1);
    let end = Bench::new()
        .run(RULE, move |_| async move { Outcome::Completed(Some(json!(large))) })
        .await;
    assert_eq!((end.end, &end.result), (AttemptEnd::Completed, &None));
    assert!(error(&end).contains("65537 bytes"), "{}", error(&end));
}

#[tokio::test(start_paused = true)]
async fn an_error_is_cut_to_what_a_row_should_hold() {
    let end = Bench::new()
        .run(RULE, |_| async { Outcome::permanent("ü".repeat(9_000)) })
        .await;
    assert_eq!(error(&end).chars().count(), 2_000);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_is_obeyed_ends_the_attempt_as_its_cause_says() {
    let causes: [(StopCause, IsRight); 4] = [
        (StopCause::DeadlinePassed, |end| end == AttemptEnd::Cancelled),
        (StopCause::CancelRequested, |end| end == AttemptEnd::Cancelled),
        (StopCause::Draining, |end| end == AttemptEnd::Drained),
        (StopCause::TimedOut, |end| {
            matches!(end, AttemptEnd::TimedOut(_)) && is_retried(end)
        }),
    ];
    for (cause, is_right) in causes {
        let bench = Bench::new();
        let attempts = bench.attempts.clone();
        let began = Instant::now();
        let end = bench.run(RULE, move |ctx| async move {
            attempts.stop(ctx.job(), cause);
            ctx.stopped().await;
            assert_eq!(ctx.stop_cause(), Some(cause));
            Outcome::Cancelled
        });
        let end = end.await;
        assert!(is_right(end.end), "{cause:?} became {:?}", end.end);
        assert_eq!(began.elapsed(), Duration::ZERO, "{cause:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_is_ignored_drops_the_work_after_its_grace() {
    let causes: [(StopCause, IsRight); 2] = [
        (StopCause::CancelRequested, |end| end == AttemptEnd::Cancelled),
        (StopCause::Draining, |end| end == AttemptEnd::Drained),
    ];
    for (cause, is_right) in causes {
        let bench = Bench::new();
        let attempts = bench.attempts.clone();
        let began = Instant::now();
        let end = bench.run(RULE, move |ctx| async move {
            attempts.stop(ctx.job(), cause);
            forever().await
        });
        let end = end.await;
        assert!(is_right(end.end), "{cause:?} became {:?}", end.end);
        assert!(
            (GRACE..GRACE * 2).contains(&began.elapsed()),
            "{cause:?}: {:?}",
            began.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_within_the_grace_is_believed() {
    let bench = Bench::new();
    let attempts = bench.attempts.clone();
    let end = bench.run(RULE, move |ctx| async move {
        attempts.stop(ctx.job(), StopCause::CancelRequested);
        tokio::time::sleep(GRACE - Duration::from_millis(10)).await;
        Outcome::completed()
    });
    assert_eq!(end.await.end, AttemptEnd::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_work_that_runs_too_long_is_told_so_and_then_dropped() {
    let began = Instant::now();
    let bench = Bench::new();
    let obeyed = bench.run(RULE, |ctx| async move {
        ctx.stopped().await;
        Outcome::Cancelled
    });
    let obeyed = obeyed.await;
    assert!(
        matches!(obeyed.end, AttemptEnd::TimedOut(_)) && is_retried(obeyed.end),
        "{:?}",
        obeyed.end
    );
    assert!(error(&obeyed).contains("60000 ms"), "{}", error(&obeyed));
    assert!((LIMIT..LIMIT + GRACE).contains(&began.elapsed()));
    let began = Instant::now();
    let ignored = Bench::new().run(RULE, |_| forever()).await;
    assert!(matches!(ignored.end, AttemptEnd::TimedOut(_)), "{:?}", ignored.end);
    assert!((LIMIT + GRACE..LIMIT + GRACE * 2).contains(&began.elapsed()));
}

#[tokio::test(start_paused = true)]
async fn the_first_cause_of_a_stop_stays() {
    let bench = Bench::new();
    let attempts = bench.attempts.clone();
    let end = bench.run(RULE, move |ctx| async move {
        attempts.stop(ctx.job(), StopCause::Draining);
        attempts.stop(ctx.job(), StopCause::CancelRequested);
        Outcome::Cancelled
    });
    assert_eq!(end.await.end, AttemptEnd::Drained);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_was_told_to_stop_before_it_began_does_not_begin() {
    let causes = [
        (StopCause::CancelRequested, AttemptEnd::Cancelled),
        (StopCause::Draining, AttemptEnd::Drained),
    ];
    for (cause, expected) in causes {
        let bench = Bench::new();
        let attempt = bench.attempt(scripted(RULE, |_| async { panic!("it began") }));
        bench.stop(cause);
        let received = attempt.receive();
        attempt.run(received).await;
        assert_eq!(bench.written().await.end, expected);
    }
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("the destructor broke");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_anywhere_in_the_work_is_a_panicked_attempt_is_tried_again_and_keeps_its_words_to_the_log() {
    let ends = [
        Bench::new().run(RULE, |_| async { panic!("at once") }).await,
        Bench::new()
            .run(RULE, |_| async {
                tokio::task::yield_now().await;
                panic!("later")
            })
            .await,
        Bench::new()
            .run::<BoxFuture<'static, Outcome>>(RULE, |_| panic!("before its first await"))
            .await,
        Bench::new()
            .run(RULE, |_| async {
                let _broken = PanicsWhenDropped;
                forever().await
            })
            .await,
    ];
    for (end, text) in ends
        .iter()
        .zip(["at once", "later", "before its first await", "the destructor broke"])
    {
        assert!(
            matches!(end.end, AttemptEnd::Panicked(_)) && is_retried(end.end),
            "{text}: {:?}",
            end.end
        );
        assert_eq!(error(end), "the work panicked", "{text}");
    }
}

/// Panics when it is asked for its rule.
struct Undecided;

impl Kind for Undecided {
    type Args = ();

    const NAME: &'static str = "test.undecided";
    const VERSION: u32 = 2;
    const QUEUE: Queue = Queue::Probes;
    const MAX_ATTEMPTS: u32 = 3;
    const TIMEOUT: Duration = LIMIT;
    const BACKOFF: Backoff = Scripted::BACKOFF;

    fn when_uncertain(&self, (): &()) -> WhenUncertain {
        panic!("it cannot say")
    }

    async fn perform(&self, (): (), _: JobContext) -> Outcome {
        panic!("it began")
    }
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_panics_when_asked_for_its_rule_spends_its_attempt_and_does_not_blame_the_worker() {
    let bench = Bench::new();
    let attempt = bench.attempt(Arc::new(Undecided));
    let received = attempt.receive();
    attempt.run(received).await.unwrap();
    let end = bench.written().await;
    assert!(
        matches!(end.end, AttemptEnd::Panicked(_)) && is_retried(end.end),
        "{:?}",
        end.end
    );
    assert_eq!(error(&end), "the work panicked");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_an_attempt_before_its_own_time_does_and_is_told() {
    for (deadline, is_it) in [(LIMIT / 2, true), (LIMIT * 2, false)] {
        let mut bench = Bench::new();
        bench.job.deadline = Some(NOW.plus(deadline));
        let began = Instant::now();
        let attempt = bench.attempt(scripted(RULE, |ctx| async move {
            ctx.stopped().await;
            Outcome::Cancelled
        }));
        let received = attempt.receive();
        attempt.run(received).await.unwrap();
        let end = bench.ledger.finishes().remove(0);
        assert_eq!(began.elapsed(), LIMIT.min(deadline));
        if is_it {
            assert_eq!(
                (end.end, end.at),
                (AttemptEnd::Cancelled, NOW.plus(deadline)),
                "not before it"
            );
            assert!(error(&end).contains("deadline"), "{}", error(&end));
        } else {
            assert!(matches!(end.end, AttemptEnd::TimedOut(_)), "{:?}", end.end);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_key_of_an_effect_is_that_of_the_job_and_its_arguments() {
    let id = Bench::new().job.id;
    let mut keys = Vec::new();
    for (attempt, args) in [(1, "null"), (2, "null"), (3, " null")] {
        let mut bench = Bench::new();
        bench.job.id = id;
        bench.job.attempt = attempt;
        bench.job.args = args.into();
        let (tell, told) = std::sync::mpsc::channel();
        bench
            .run(RULE, move |ctx| async move {
                tell.send(ctx.effect_key()).unwrap();
                Outcome::completed()
            })
            .await;
        keys.push(told.recv().unwrap());
    }
    assert!(keys[0].starts_with(&id.to_string()) && keys[0].len() <= 48, "{keys:?}");
    assert_eq!(keys[0], keys[1], "the same over all attempts");
    assert_ne!(keys[1], keys[2], "other arguments ask for another effect");
}
