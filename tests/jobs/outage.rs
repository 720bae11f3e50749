//! A relay that is away, or holds mail back: no mail is lost, none is sent twice, and all go out soon after it is back.

use std::collections::HashSet;
use std::time::Duration;

use legwork::domain::job::{AttemptOutcome, JobState, WhenUncertain};

use super::simulation::{Simulation, after};
use crate::support::relay::Step;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What the README states: a mail goes out within this after the relay is back.
const WITHIN: Duration = Duration::from_secs(20 * 60);

/// All mails arrived, each once, at the latest `WITHIN` after `back`, and each spent one attempt.
async fn all_arrived(world: &Simulation, ids: &[legwork::domain::id::JobId], back: Duration) {
    for id in ids {
        let (job, attempts) = world.job(*id).await;
        assert_eq!(job.state, JobState::Completed, "{:?}", attempts.last());
        assert_eq!(job.attempt, 1, "an outage spends no attempt");
        assert!(job.finished_at.unwrap() <= after(back + WITHIN));
        let snoozed = attempts
            .iter()
            .filter(|one| one.outcome == Some(AttemptOutcome::Snoozed));
        assert_eq!(snoozed.clone().count(), attempts.len() - 1);
        for one in snoozed {
            let why = one.error.as_deref().unwrap();
            assert!(
                why.contains("the relay cannot be used") && why.contains("refused"),
                "{why}"
            );
        }
    }
    let taken = world.relay.taken();
    let different: HashSet<_> = taken.iter().map(|mail| mail.message_id.clone()).collect();
    assert_eq!((taken.len(), different.len()), (ids.len(), ids.len()));
}

#[actix::test]
async fn an_outage_of_an_hour_loses_no_mail_and_all_go_out_within_twenty_minutes() {
    let world = Simulation::new();
    world.relay.refuse().await;
    let ids = world.accept_many(200).await;
    assert!(world.run_until(after(HOUR)).await);
    world.relay.listen_again().await;
    assert!(!world.run_until(after(HOUR + WITHIN)).await);
    all_arrived(&world, &ids, HOUR).await;
    let (_, attempts) = world.job(ids[0]).await;
    assert!(
        attempts.len() < 20,
        "a mail that waits is seldom touched: {}",
        attempts.len()
    );
}

#[actix::test]
async fn an_outage_of_two_days_loses_no_mail_either() {
    let world = Simulation::new();
    world.relay.refuse().await;
    let ids = world.accept_many(3).await;
    assert!(world.run_until(after(2 * DAY)).await);
    world.relay.listen_again().await;
    assert!(!world.run_until(after(2 * DAY + WITHIN)).await);
    all_arrived(&world, &ids, 2 * DAY).await;
}

#[actix::test]
async fn a_relay_that_never_comes_back_ends_a_mail_after_three_days_with_the_cause() {
    let world = Simulation::new();
    world.relay.refuse().await;
    let id = world.accept(&["ada@example.org"]).await;
    assert!(world.run_until(after(Duration::from_secs(66 * 3600))).await);
    assert_eq!(world.job(id).await.0.attempt, 0);
    assert!(!world.run_until(after(4 * DAY)).await);
    let (job, attempts) = world.job(id).await;
    assert_eq!(
        (job.state, job.cause.as_deref()),
        (JobState::Discarded, Some("attempts_spent"))
    );
    assert!(job.finished_at.unwrap() > after(Duration::from_secs(72 * 3600)));
    assert!(
        attempts
            .last()
            .unwrap()
            .error
            .as_deref()
            .unwrap()
            .contains("failed at connect")
    );
    assert_eq!(attempts.last().unwrap().number, 350);
    world.relay.listen_again().await;
    world.retry(id).await;
    world.run_until(after(4 * DAY + MINUTE)).await;
    assert_eq!(
        world.job(id).await.0.state,
        JobState::Completed,
        "a person's retry sends it"
    );
}

#[actix::test]
async fn greylisting_delays_a_mail_by_minutes() {
    // Five minutes is what greylists ask for; some ask for more. The latest is the window and the longest wait that may
    // begin within it, its jitter included: 320 s after the sixth attempt, or the cap of ten minutes.
    for (window, latest) in [(5 * MINUTE, 12 * MINUTE), (30 * MINUTE, 43 * MINUTE)] {
        let world = Simulation::new();
        world
            .relay
            .at(Step::Rcpt)
            .reply("451 4.7.1 greylisted, try again later");
        let id = world.accept(&["ada@example.org"]).await;
        assert!(world.run_until(after(window)).await);
        world.relay.heal();
        assert!(!world.run_until(after(latest)).await, "{window:?}");
        let (job, attempts) = world.job(id).await;
        assert_eq!(job.state, JobState::Completed);
        assert!(attempts.len() <= 12, "{}", attempts.len());
        assert_eq!(world.relay.taken().len(), 1);
    }
}

#[actix::test]
async fn a_relay_that_takes_no_mail_for_six_hours_loses_none() {
    let world = Simulation::new();
    world
        .relay
        .at(Step::Mail)
        .reply("452 4.3.1 insufficient system storage");
    let ids = world.accept_many(5).await;
    assert!(world.run_until(after(6 * HOUR)).await);
    world.relay.heal();
    assert!(!world.run_until(after(6 * HOUR + WITHIN)).await);
    for id in ids {
        assert_eq!(world.job(id).await.0.state, JobState::Completed);
    }
    assert_eq!(world.relay.taken().len(), 5);
}

#[actix::test]
async fn a_relay_that_takes_mails_and_never_says_so_delivers_five_copies_at_most() {
    let world = Simulation::new();
    world.relay.at(Step::Dot).take_then_drop();
    let id = world.accept_by(WhenUncertain::Repeat, &["ada@example.org"]).await;
    assert!(!world.run_until(after(DAY)).await);
    assert_eq!(world.job(id).await.0.state, JobState::Uncertain);
    assert_eq!(world.relay.taken().len(), 5);
}
