//! A mail to several, of whom some are refused: who gets it, how often, and what the job tells.

use std::time::Duration;

use legwork::domain::id::JobId;
use legwork::domain::job::JobState;
use serde_json::{Value, json};

use super::simulation::{Simulation, after};
use crate::support::relay::Step;

const HOUR: Duration = Duration::from_secs(3600);
const THREE: [&str; 3] = ["ada@example.org", "bob@example.net", "eve@example.com"];

async fn told(world: &Simulation, id: JobId) -> (JobState, Value) {
    let (job, _) = world.job(id).await;
    let result: Value = serde_json::from_str(job.result.as_deref().unwrap()).unwrap();
    (job.state, result["recipients"].clone())
}

fn envelopes(world: &Simulation) -> Vec<Vec<String>> {
    world.relay.taken().into_iter().map(|mail| mail.to).collect()
}

#[actix::test]
async fn one_who_is_refused_for_good_does_not_keep_the_mail_from_the_others() {
    let world = Simulation::new();
    world
        .relay
        .at(Step::Rcpt)
        .recipient(THREE[1])
        .reply("550 5.1.1 user unknown");
    let id = world.accept(&THREE).await;
    assert!(!world.run_until(after(HOUR)).await);
    assert_eq!(envelopes(&world), [[THREE[0], THREE[2]]]);
    let (state, recipients) = told(&world, id).await;
    assert_eq!(state, JobState::Completed);
    assert_eq!(
        recipients,
        json!([
            { "to": THREE[0], "status": "sent", "reply": null },
            { "to": THREE[1], "status": "refused", "reply": "550 5.1.1 user unknown" },
            { "to": THREE[2], "status": "sent", "reply": null },
        ])
    );
}

#[actix::test]
async fn one_who_is_deferred_is_tried_again_alone_and_with_the_same_mail() {
    let world = Simulation::new();
    world
        .relay
        .at(Step::Rcpt)
        .recipient(THREE[2])
        .times(2)
        .reply("450 4.2.0 greylisted");
    let id = world.accept(&THREE).await;
    world.run_until(after(Duration::from_secs(1))).await;
    let (state, recipients) = told(&world, id).await;
    assert_eq!(state, JobState::Retryable);
    assert_eq!(
        recipients[2],
        json!({ "to": THREE[2], "status": "deferred", "reply": "450 4.2.0 greylisted" })
    );
    let (_, attempts) = world.job(id).await;
    let error = attempts[0].error.as_deref().unwrap();
    assert_eq!(error, "sent to 2 of 3; e***@example.com: 450 4.2.0 greylisted");
    assert!(!world.run_until(after(HOUR)).await);
    assert_eq!(envelopes(&world), [vec![THREE[0], THREE[1]], vec![THREE[2]]]);
    let taken = world.relay.taken();
    assert_eq!(taken[0].data, taken[1].data, "all see each other, and one Message-ID");
    let (state, recipients) = told(&world, id).await;
    assert_eq!(state, JobState::Completed);
    assert!(recipients.as_array().unwrap().iter().all(|one| one["status"] == "sent"));
}

#[actix::test]
async fn where_all_are_refused_the_job_is_discarded_and_tells_of_each() {
    let world = Simulation::new();
    world.relay.at(Step::Rcpt).times(3).reply("550 5.7.1 not from you");
    let id = world.accept(&THREE).await;
    assert!(!world.run_until(after(HOUR)).await);
    let (state, recipients) = told(&world, id).await;
    assert_eq!(state, JobState::Discarded);
    assert!(
        recipients
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["status"] == "refused")
    );
    assert!(world.relay.taken().is_empty());
    world.retry(id).await;
    world.run_until(after(2 * HOUR)).await;
    assert_eq!(told(&world, id).await.0, JobState::Completed);
    assert_eq!(envelopes(&world), [THREE]);
}

#[actix::test]
async fn a_deferred_one_who_is_refused_in_the_end_leaves_the_job_completed_for_the_rest() {
    let world = Simulation::new();
    world
        .relay
        .at(Step::Rcpt)
        .recipient(THREE[0])
        .times(1)
        .reply("450 4.2.0 busy");
    world
        .relay
        .at(Step::Rcpt)
        .recipient(THREE[0])
        .reply("550 5.7.1 not from you");
    let id = world.accept(&THREE).await;
    assert!(!world.run_until(after(HOUR)).await);
    let (state, recipients) = told(&world, id).await;
    assert_eq!(
        (state, &recipients[0]["status"]),
        (JobState::Completed, &json!("refused"))
    );
    assert_eq!(envelopes(&world), [[THREE[1], THREE[2]]]);
    world.relay.heal();
    world.retry(id).await;
    world.run_until(after(2 * HOUR)).await;
    assert_eq!(
        envelopes(&world).last().unwrap(),
        &[THREE[0]],
        "a retry is for whom it has not reached"
    );
}

#[actix::test]
async fn an_outage_between_two_attempts_does_not_forget_who_has_got_the_mail() {
    let world = Simulation::new();
    world
        .relay
        .at(Step::Rcpt)
        .recipient(THREE[2])
        .times(1)
        .reply("450 4.2.0 busy");
    world.accept(&THREE).await;
    world.run_until(after(Duration::from_secs(1))).await;
    world.relay.refuse().await;
    assert!(world.run_until(after(HOUR)).await);
    world.relay.listen_again().await;
    assert!(!world.run_until(after(2 * HOUR)).await);
    assert_eq!(envelopes(&world), [vec![THREE[0], THREE[1]], vec![THREE[2]]]);
}

#[actix::test]
async fn a_lost_answer_to_the_second_mail_is_uncertain_and_does_not_touch_the_first() {
    let world = Simulation::new();
    world
        .relay
        .at(Step::Rcpt)
        .recipient(THREE[2])
        .times(1)
        .reply("450 4.2.0 busy");
    let id = world.accept(&THREE).await;
    world.run_until(after(Duration::from_secs(1))).await;
    world.relay.at(Step::Dot).take_then_drop();
    assert!(!world.run_until(after(HOUR)).await);
    assert_eq!(told(&world, id).await.0, JobState::Uncertain);
    assert_eq!(envelopes(&world), [vec![THREE[0], THREE[1]], vec![THREE[2]]]);
}
