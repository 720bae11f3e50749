//! Every state against every event, and random lives checked against the rules of the module's head.

use super::*;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_micros(1_000_000);
const LATER: Timestamp = Timestamp::from_micros(2_000_000);

fn standing(state: JobState) -> Standing {
    Standing {
        state,
        attempt: 1,
        max_attempts: 3,
        run_at: NOW,
        cancel_requested: false,
        past_no_return: false,
        worker_panics: 0,
        deaths: 0,
        deadline: None,
    }
}

fn ends() -> Vec<AttemptEnd> {
    let retry = Retry::At(LATER);
    vec![
        AttemptEnd::Completed,
        AttemptEnd::Failed(retry),
        AttemptEnd::Failed(Retry::Never),
        AttemptEnd::Snoozed(LATER),
        AttemptEnd::Cancelled,
        AttemptEnd::Uncertain(WhenUncertain::Hold, retry),
        AttemptEnd::Uncertain(WhenUncertain::Repeat, retry),
        AttemptEnd::Uncertain(WhenUncertain::Repeat, Retry::Unspent(LATER)),
        AttemptEnd::Uncertain(WhenUncertain::Repeat, Retry::Never),
        AttemptEnd::TimedOut(retry),
        AttemptEnd::Panicked(retry),
        AttemptEnd::WorkerPanicked(retry),
        AttemptEnd::Drained,
        AttemptEnd::Lost,
    ]
}

fn events() -> Vec<Event> {
    let mut events = vec![
        Event::Due,
        Event::Claimed,
        Event::CancelRequested,
        Event::RetryRequested,
        Event::Resolved(Resolution::Completed),
        Event::Resolved(Resolution::Discarded),
        Event::DeadlinePassed,
        Event::AwaitedEnded(NOW),
        Event::AwaitedEnded(LATER),
        Event::AwaitedFailed,
    ];
    events.extend(ends().into_iter().map(Event::Ended));
    events
}

/// The whole table: for each state, which events are taken and where they lead; what is not listed is refused.
#[test]
fn every_event_in_every_state_leads_where_the_table_says() {
    use JobState::{Available, Cancelled, Completed, Discarded, Retryable, Running, Scheduled, Uncertain};
    for &state in JobState::ALL {
        for event in events() {
            let expected = match (state, event) {
                (Scheduled | Retryable, Event::Due) => Some(Available),
                (Available, Event::Claimed) => Some(Running),
                (Scheduled, Event::AwaitedEnded(NOW)) => Some(Available),
                (Scheduled, Event::AwaitedEnded(_)) => Some(Scheduled),
                (Scheduled, Event::AwaitedFailed) => Some(Cancelled),
                (Scheduled | Available | Retryable | Cancelled, Event::CancelRequested) => Some(Cancelled),
                (Running, Event::CancelRequested) => Some(Running),
                (Retryable | Completed | Discarded | Cancelled | Uncertain, Event::RetryRequested) => Some(Available),
                (Uncertain, Event::Resolved(Resolution::Completed)) => Some(Completed),
                (Uncertain, Event::Resolved(Resolution::Discarded)) => Some(Discarded),
                (Running, Event::Ended(end)) => Some(match end {
                    AttemptEnd::Completed => Completed,
                    AttemptEnd::Failed(Retry::Never) => Discarded,
                    AttemptEnd::Cancelled => Cancelled,
                    AttemptEnd::Uncertain(WhenUncertain::Hold, _) | AttemptEnd::Uncertain(_, Retry::Never) => Uncertain,
                    AttemptEnd::Snoozed(_) | AttemptEnd::Uncertain(_, Retry::Unspent(_)) => Scheduled,
                    AttemptEnd::Drained | AttemptEnd::Lost => Available,
                    _ => Retryable,
                }),
                _ => None,
            };
            let next = transition(&standing(state), event, NOW).ok().map(|next| next.state);
            assert_eq!(next, expected, "{state} on {event:?}");
        }
    }
}

#[test]
fn a_job_whose_others_have_ended_runs_from_the_time_that_was_asked_for_and_never_from_one_that_has_passed() {
    let held = Standing {
        run_at: crate::domain::job::After::HELD,
        ..standing(JobState::Scheduled)
    };
    let asked = |from, now| transition(&held, Event::AwaitedEnded(from), now).unwrap();
    assert_eq!(
        (asked(NOW, LATER).state, asked(NOW, LATER).run_at),
        (JobState::Available, LATER)
    );
    assert_eq!(
        (asked(LATER, NOW).state, asked(LATER, NOW).run_at),
        (JobState::Scheduled, LATER)
    );
    let failed = transition(&held, Event::AwaitedFailed, NOW).unwrap();
    assert_eq!(
        (failed.state, failed.cause, failed.cancel_requested),
        (JobState::Cancelled, Some(Cause::DependencyFailed), false),
        "nobody asked for it"
    );
}

#[test]
fn the_last_failed_attempt_discards_the_job() {
    let last = Standing {
        attempt: 3,
        ..standing(JobState::Running)
    };
    let next = transition(&last, Event::Ended(AttemptEnd::Failed(Retry::At(LATER))), NOW).unwrap();
    assert_eq!(
        (next.state, next.cause),
        (JobState::Discarded, Some(Cause::AttemptsSpent))
    );
}

#[test]
fn a_snooze_a_drain_and_a_lost_node_give_the_attempt_back() {
    for end in [AttemptEnd::Snoozed(LATER), AttemptEnd::Drained, AttemptEnd::Lost] {
        let next = transition(&standing(JobState::Running), Event::Ended(end), NOW).unwrap();
        assert_eq!(next.attempt, 0, "{end:?}");
    }
}

#[test]
fn a_cancel_that_was_asked_for_wins_over_every_further_attempt() {
    for end in ends() {
        let asked = Standing {
            cancel_requested: true,
            ..standing(JobState::Running)
        };
        let next = transition(&asked, Event::Ended(end), NOW).unwrap();
        assert!(next.state.is_final(), "{end:?} led to {}", next.state);
    }
}

#[test]
fn an_end_from_outside_past_the_point_of_no_return_is_uncertain_and_an_answer_is_believed() {
    for end in ends() {
        let marked = Standing {
            past_no_return: true,
            ..standing(JobState::Running)
        };
        let next = transition(&marked, Event::Ended(end), NOW).unwrap();
        if end.is_imposed() {
            assert_eq!(
                (next.state, next.outcome),
                (JobState::Uncertain, Some(AttemptOutcome::Uncertain)),
                "{end:?}"
            );
        } else {
            let plain = transition(&standing(JobState::Running), Event::Ended(end), NOW).unwrap();
            assert_eq!(next, plain, "{end:?}");
        }
    }
}

#[test]
fn the_third_panic_of_the_worker_and_the_twentieth_death_quarantine() {
    let panicked = Event::Ended(AttemptEnd::WorkerPanicked(Retry::At(LATER)));
    let second = Standing {
        worker_panics: 1,
        ..standing(JobState::Running)
    };
    assert_eq!(transition(&second, panicked, NOW).unwrap().state, JobState::Retryable);
    let third = Standing {
        worker_panics: 2,
        ..standing(JobState::Running)
    };
    let next = transition(&third, panicked, NOW).unwrap();
    assert_eq!(
        (next.state, next.cause),
        (JobState::Discarded, Some(Cause::Quarantined))
    );

    let lost = Event::Ended(AttemptEnd::Lost);
    let nineteenth = Standing {
        deaths: 18,
        ..standing(JobState::Running)
    };
    assert_eq!(transition(&nineteenth, lost, NOW).unwrap().state, JobState::Available);
    let twentieth = Standing {
        deaths: 19,
        ..standing(JobState::Running)
    };
    assert_eq!(
        transition(&twentieth, lost, NOW).unwrap().cause,
        Some(Cause::Quarantined)
    );
}

#[test]
fn a_persons_retry_adds_one_attempt_and_forgets_the_cancel() {
    let cancelled = Standing {
        cancel_requested: true,
        attempt: 3,
        ..standing(JobState::Cancelled)
    };
    let next = transition(&cancelled, Event::RetryRequested, LATER).unwrap();
    assert_eq!(
        (next.state, next.max_attempts, next.cancel_requested, next.run_at),
        (JobState::Available, 4, false, LATER)
    );
    let waiting = transition(&standing(JobState::Retryable), Event::RetryRequested, LATER).unwrap();
    assert_eq!((waiting.max_attempts, waiting.run_at), (3, LATER));
}

#[test]
fn what_may_have_happened_and_is_not_repeated_any_more_is_uncertain_whatever_keeps_it_from_that() {
    let end = |retry| Event::Ended(AttemptEnd::Uncertain(WhenUncertain::Repeat, retry));
    let running = standing(JobState::Running);
    let spent = Standing { attempt: 3, ..running };
    let asked = Standing {
        cancel_requested: true,
        ..running
    };
    for (job, retry, cause) in [
        (&spent, Retry::At(LATER), Cause::AttemptsSpent),
        (&asked, Retry::At(LATER), Cause::Requested),
        (&asked, Retry::Unspent(LATER), Cause::Requested),
        (&running, Retry::Never, Cause::Permanent),
    ] {
        let next = transition(job, end(retry), NOW).unwrap();
        assert_eq!(
            (next.state, next.cause),
            (JobState::Uncertain, Some(cause)),
            "{retry:?}"
        );
    }
    let given_back = transition(&spent, end(Retry::Unspent(LATER)), NOW).unwrap();
    assert_eq!(
        (given_back.state, given_back.attempt, given_back.run_at),
        (JobState::Scheduled, 2, LATER),
        "a shutdown costs no attempt"
    );
    assert_eq!(given_back.outcome, Some(AttemptOutcome::Uncertain));
}

#[test]
fn only_of_an_uncertain_job_a_person_says_what_became_of_it() {
    for &state in JobState::ALL {
        for resolution in [Resolution::Completed, Resolution::Discarded] {
            let next = transition(&standing(state), Event::Resolved(resolution), NOW);
            if state == JobState::Uncertain {
                let next = next.unwrap();
                assert_eq!((next.state, next.cause), (resolution.state(), Some(Cause::Resolved)));
                assert_eq!((next.outcome, next.attempt), (None, 1), "no attempt ended by that");
            } else {
                assert_eq!(next.unwrap_err(), Refused::NotNow(state));
            }
        }
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    let events = events();
    (0..events.len()).prop_map(move |index| events[index])
}

proptest! {
    #[test]
    fn a_random_life_never_breaks_the_rules(
        events in proptest::collection::vec((any_event(), 0_i64..20_000), 0..200),
        deadline in proptest::option::of(0_i64..3_000_000),
    ) {
        let mut job = standing(JobState::Available);
        job.attempt = 0;
        job.deadline = deadline.map(Timestamp::from_micros);
        let mut now = NOW;
        for (event, passes) in events {
            now = Timestamp::from_micros(now.as_micros() + passes);
            let Ok(next) = transition(&job, event, now) else { continue };
            prop_assert!(next.state != JobState::Running || job.state == next.state || !job.is_overdue(now));
            if matches!(event, Event::Ended(_)) && job.is_overdue(now) {
                prop_assert!(next.state.is_final());
            }
            if job.state.is_final() {
                let is_persons = matches!(event, Event::RetryRequested | Event::Resolved(_));
                prop_assert!(
                    is_persons || next.state == job.state,
                    "{} left by {event:?}", job.state
                );
            }
            prop_assert!(next.attempt <= next.max_attempts);
            prop_assert_eq!(next.outcome.is_some(), matches!(event, Event::Ended(_)));
            if next.state == JobState::Running && job.state == JobState::Available {
                prop_assert_eq!(next.attempt, job.attempt + 1);
            }
            job = Standing {
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
        }
    }
}

/// One whose deadline is between [`NOW`] and [`LATER`].
fn with_deadline(state: JobState) -> Standing {
    Standing {
        deadline: Some(Timestamp::from_micros(1_500_000)),
        ..standing(state)
    }
}

#[test]
fn a_deadline_that_passes_cancels_what_waits_leaves_what_runs_to_its_end_and_finds_what_has_ended_ended() {
    for &state in JobState::ALL {
        let job = with_deadline(state);
        let early = transition(&job, Event::DeadlinePassed, NOW);
        let late = transition(&job, Event::DeadlinePassed, LATER);
        if state.is_final() {
            assert_eq!(
                (early, late),
                (Err(Refused::Finished(state)), Err(Refused::Finished(state)))
            );
            continue;
        }
        assert_eq!(early, Err(Refused::NotOverdue), "{state}");
        let late = late.unwrap();
        if state.is_waiting() {
            let seen = (late.state, late.cause, late.cancel_requested);
            assert_eq!(seen, (JobState::Cancelled, Some(Cause::Deadline), false), "{state}");
        } else {
            assert_eq!((late.state, late.cause), (state, None));
        }
    }
}

#[test]
fn no_attempt_begins_once_the_deadline_has_passed() {
    let waiting = with_deadline(JobState::Available);
    assert!(transition(&waiting, Event::Claimed, NOW).is_ok());
    assert_eq!(transition(&waiting, Event::Claimed, LATER), Err(Refused::Overdue));
}

#[test]
fn an_attempt_that_ends_after_the_deadline_or_would_be_followed_by_a_later_one_ends_the_job() {
    let job = with_deadline(JobState::Running);
    for end in ends() {
        let late = transition(&job, Event::Ended(end), LATER).unwrap();
        match end {
            AttemptEnd::Completed => assert_eq!((late.state, late.cause), (JobState::Completed, None)),
            AttemptEnd::Uncertain(..) => assert_eq!(late.state, JobState::Uncertain, "{end:?}"),
            _ => assert_eq!(
                (late.state, late.cause),
                (JobState::Cancelled, Some(Cause::Deadline)),
                "{end:?}"
            ),
        }
        assert_eq!(late.outcome, Some(end.outcome()), "{end:?}");
        let early = transition(&job, Event::Ended(end), NOW).unwrap();
        let plain = transition(&standing(JobState::Running), Event::Ended(end), NOW).unwrap();
        if plain.state.is_final() || plain.run_at == NOW {
            let plain = Next {
                deadline: job.deadline,
                ..plain
            };
            assert_eq!(early, plain, "{end:?}: the deadline is still to come");
        } else {
            // What waits until after the deadline waits in vain.
            let state = match end {
                AttemptEnd::Uncertain(..) => JobState::Uncertain,
                _ => JobState::Cancelled,
            };
            assert_eq!((early.state, early.cause), (state, Some(Cause::Deadline)), "{end:?}");
        }
    }
}

#[test]
fn what_is_known_of_the_effect_and_a_persons_cancel_are_told_rather_than_the_deadline() {
    let marked = Standing {
        past_no_return: true,
        ..with_deadline(JobState::Running)
    };
    assert_eq!(
        transition(&marked, Event::Ended(AttemptEnd::Lost), LATER)
            .unwrap()
            .state,
        JobState::Uncertain
    );
    let asked = Standing {
        cancel_requested: true,
        ..with_deadline(JobState::Running)
    };
    let next = transition(&asked, Event::Ended(AttemptEnd::Cancelled), LATER).unwrap();
    assert_eq!((next.state, next.cause), (JobState::Cancelled, Some(Cause::Requested)));
}

#[test]
fn a_persons_retry_lifts_a_deadline_that_has_passed_and_keeps_one_to_come() {
    let cancelled = with_deadline(JobState::Cancelled);
    assert_eq!(
        transition(&cancelled, Event::RetryRequested, LATER).unwrap().deadline,
        None
    );
    let early = transition(&cancelled, Event::RetryRequested, NOW).unwrap();
    assert_eq!((early.deadline, early.state), (cancelled.deadline, JobState::Available));
}

#[test]
fn what_cannot_be_read_is_given_up_and_what_has_ended_stays() {
    for state in JobState::ALL {
        let expected = if state.is_final() {
            Err(Refused::Finished(*state))
        } else {
            Ok((JobState::Discarded, Cause::Corrupt))
        };
        assert_eq!(set_aside(*state), expected);
    }
}
