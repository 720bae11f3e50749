//! Mails of which nobody knows whether they went out: what is asked for beforehand, what a job says of them, and what a person
//! says.

use serde_json::{Value, json};

use super::World;
use crate::control::{JobAsk, JobDesk as _};
use crate::domain::job::{AttemptEnd, Retry, WhenUncertain};
use crate::store::testing::end;
use crate::store::{AttemptFinish, ClaimedJob};

const HELD: AttemptEnd = AttemptEnd::Uncertain(WhenUncertain::Hold, Retry::Never);

impl World {
    /// Orders a mail with these fields beside those that it needs, and claims it.
    async fn mail(&self, token: &str, fields: &Value) -> ClaimedJob {
        let mut body = json!({ "to": "bob@example.org", "subject": "Hello", "text": "Hello Bob" });
        let all = body.as_object_mut().unwrap();
        all.extend(fields.as_object().unwrap().clone());
        self.post("/v1/emails", token, &body).await.is(202, &[]);
        self.claim_email().await
    }

    async fn end_mail(&self, held: &ClaimedJob, how: AttemptEnd, transcript: Option<&str>) {
        let finish = AttemptFinish {
            transcript: transcript.map(str::to_owned),
            ..end(held.id, held.fence, how, self.clock.now())
        };
        self.state.store.finish(finish).await.unwrap();
    }
}

#[actix_web::test]
async fn what_is_uncertain_is_tried_again_or_held_as_the_order_says_under_either_name_and_not_under_both() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    for (fields, rule) in [
        (json!({}), "repeat"),
        (json!({ "on_uncertain": "retry" }), "repeat"),
        (json!({ "on_uncertain": "hold" }), "hold"),
        (json!({ "when_uncertain": "repeat" }), "repeat"),
        (json!({ "when_uncertain": "hold" }), "hold"),
    ] {
        let held = world.mail(&token, &fields).await;
        let args: Value = serde_json::from_str(&held.args).unwrap();
        assert_eq!(args["when_uncertain"], rule, "{fields}");
    }
    let mail = |fields: Value| {
        let mut body = json!({ "to": "bob@example.org", "subject": "Hello", "text": "Hello Bob" });
        body.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        body
    };
    for (fields, pointers) in [
        (
            json!({ "on_uncertain": "hold", "when_uncertain": "hold" }),
            vec!["/on_uncertain", "/when_uncertain"],
        ),
        (json!({ "on_uncertain": "repeat" }), vec!["/on_uncertain"]),
        (json!({ "on_uncertain": true }), vec!["/on_uncertain"]),
        (json!({ "when_uncertain": "retry" }), vec!["/when_uncertain"]),
    ] {
        world.post("/v1/emails", &token, &mail(fields)).await.is(422, &pointers);
    }
}

#[actix_web::test]
async fn a_job_tells_what_was_said_and_how_many_copies_there_may_be() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let repeat = AttemptEnd::Uncertain(WhenUncertain::Repeat, Retry::Unspent(world.clock.now()));
    for (fields, ends, copies) in [
        (json!({}), vec![AttemptEnd::Completed], Value::Null),
        (json!({}), vec![repeat, AttemptEnd::Completed], json!(1)),
        (json!({}), vec![repeat, AttemptEnd::Drained, repeat], json!(2)),
        // Of one that is repeated nobody knows how far it came when its node died; of one that is held it is on disk.
        (
            json!({}),
            vec![AttemptEnd::Lost, repeat, AttemptEnd::Completed],
            json!(2),
        ),
        (
            json!({ "on_uncertain": "hold" }),
            vec![AttemptEnd::Lost, AttemptEnd::Completed],
            Value::Null,
        ),
        (json!({ "on_uncertain": "hold" }), vec![HELD], json!(1)),
    ] {
        let mut held = world.mail(&token, &fields).await;
        let id = held.id;
        let count = ends.len();
        for (number, how) in ends.into_iter().enumerate() {
            if number > 0 {
                held = world.claim_email().await;
            }
            world
                .end_mail(&held, how, Some(&format!("0 C: attempt {number}\n")))
                .await;
        }
        let job = world.get(&format!("/v1/jobs/{id}"), &token).await.body;
        assert_eq!(job.get("copies_possible").cloned().unwrap_or_default(), copies, "{job}");
        let attempts = job["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), count);
        for (number, attempt) in attempts.iter().enumerate() {
            assert_eq!(attempt["transcript"], format!("0 C: attempt {number}\n"));
        }
        let listed = world.get("/v1/jobs?limit=1", &token).await.body;
        assert_eq!(
            listed["data"][0].get("copies_possible").cloned().unwrap_or_default(),
            copies
        );
        assert!(
            listed["data"][0]["attempts"][0].get("transcript").is_none(),
            "too much for a list"
        );
        if job["state"] != "completed" && job["state"] != "uncertain" {
            world
                .post(&format!("/v1/jobs/{id}/cancel"), &token, &json!({}))
                .await
                .is(200, &[]);
        }
    }
}

#[actix_web::test]
async fn a_person_says_what_became_of_an_uncertain_mail_and_that_is_written_down() {
    let world = World::new();
    let (ada, eve) = (
        world.member("ada@example.org").await,
        world.member("eve@example.org").await,
    );
    let operator = world.operator().await;
    let held = world.mail(&ada, &json!({ "on_uncertain": "hold" })).await;
    let path = format!("/v1/jobs/{}/resolve", held.id);
    let completed = json!({ "as": "completed" });
    // Not while it runs, not by anybody else, and nothing but what there is to say.
    world.post(&path, &ada, &completed).await.is(409, &[]);
    world.end_mail(&held, HELD, None).await;
    world.post(&path, &eve, &completed).await.is(404, &[]);
    for (body, pointer) in [
        (json!({}), "/as"),
        (json!({ "as": "uncertain" }), "/as"),
        (json!({ "as": null }), "/as"),
        (json!({ "as": "completed", "note": 1 }), "/note"),
    ] {
        world.post(&path, &ada, &body).await.is(422, &[pointer]);
    }
    let answer = world.post(&path, &ada, &completed).await;
    answer.is(200, &[]);
    assert_eq!(
        (&answer.body["state"], &answer.body["cause"]),
        (&json!("completed"), &json!("resolved"))
    );
    assert_eq!(answer.body["attempts"][0]["outcome"], "uncertain");
    assert_eq!(answer.body["copies_possible"], 1);
    world.post(&path, &ada, &completed).await.is(409, &[]);
    let acts = world.get("/v1/audit", &operator).await.body;
    let ada_id = world.get("/v1/accounts/me", &ada).await.body["id"].clone();
    let act = &acts["data"][0];
    assert_eq!(
        (&act["action"], &act["subject"], &act["account_id"], &act["detail"]),
        (
            &json!("job.resolve"),
            &json!(held.id.to_string()),
            &ada_id,
            &json!({ "as": "completed" })
        )
    );

    let held = world.mail(&ada, &json!({ "on_uncertain": "hold" })).await;
    world.end_mail(&held, HELD, None).await;
    let desk = crate::api::Desk(world.state.clone());
    let told = desk
        .ask(JobAsk::Resolve, json!({ "id": held.id, "as": "discarded" }), 1000)
        .await
        .unwrap();
    assert_eq!(
        (&told["state"], &told["cause"]),
        (&json!("discarded"), &json!("resolved"))
    );
    let refused = desk
        .ask(JobAsk::Resolve, json!({ "id": held.id, "as": "discarded" }), 1000)
        .await
        .unwrap_err();
    assert!(refused.detail.contains("the job is discarded"), "{}", refused.detail);
    let acts = world.get("/v1/audit", &operator).await.body;
    assert_eq!(
        (&acts["data"][0]["via"], &acts["data"][0]["detail"]["uid"]),
        (&json!("command_line"), &json!(1000))
    );
}
