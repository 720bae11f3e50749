//! Seeing jobs, cancelling them, running them again.

use serde_json::json;

use super::World;
use crate::domain::id::WorkspaceId;
use crate::domain::job::{AttemptEnd, Retry};
use crate::jobs::kinds::{AccountExists, AccountExistsArgs, Probe, ProbeArgs};
use crate::jobs::{Order, new_job};
use crate::store::NewJob;

#[actix_web::test]
async fn a_job_is_shown_with_its_attempts_and_its_result() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let id = world.probe(&token).await;
    let uri = format!("/v1/jobs/{id}");
    let claimed = world.claim().await;
    let running = world.get(&uri, &token).await;
    assert_eq!(
        (&running.body["state"], &running.body["attempt"]),
        (&"running".into(), &1.into())
    );
    assert_eq!(running.body["attempts"][0]["outcome"], json!(null));
    world.finish(&claimed, AttemptEnd::Completed).await;
    let answer = world.get(&uri, &token).await;
    answer.is(200, &[]);
    assert_eq!(
        answer.body,
        json!({
            "id": id.to_string(), "kind": "probe.run", "queue": "probes", "state": "completed", "priority": 0,
            "attempt": 1, "max_attempts": 3, "run_at": "2023-11-14T22:13:20.000000Z",
            "created_at": "2023-11-14T22:13:20.000000Z", "started_at": "2023-11-14T22:13:20.000000Z",
            "finished_at": "2023-11-14T22:13:20.000000Z", "deadline_at": null, "cancel_requested_at": null, "cause": null,
            "progress": null, "result": { "steps": 1 },
            "attempts": [{
                "number": claimed.fence, "started_at": "2023-11-14T22:13:20.000000Z",
                "finished_at": "2023-11-14T22:13:20.000000Z", "outcome": "completed", "error": null,
                "node": running.body["attempts"][0]["node"]
            }]
        })
    );
}

#[actix_web::test]
async fn jobs_are_listed_page_by_page_the_newest_first_and_filtered() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.insert(0, world.probe(&token).await.to_string());
    }
    let (mut seen, mut uri) = (Vec::new(), "/v1/jobs?limit=2".to_owned());
    let mut pages = 0;
    loop {
        pages += 1;
        let answer = world.get(&uri, &token).await;
        answer.is(200, &[]);
        seen.extend(
            answer.body["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|job| job["id"].as_str().unwrap().to_owned()),
        );
        match answer.body["next_cursor"].as_str() {
            Some(cursor) => uri = format!("/v1/jobs?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(pages, 3);
    assert_eq!(seen, ids);
    world.finish(&world.claim().await, AttemptEnd::Completed).await;
    for (query, count) in [
        ("state=completed", 1),
        ("state=available&queue=probes", 4),
        ("queue=mail", 0),
        ("kind=probe.run", 5),
        ("kind=unheard.of", 0),
        ("limit=5", 5),
    ] {
        let answer = world.get(&format!("/v1/jobs?{query}"), &token).await;
        assert_eq!(answer.body["data"].as_array().unwrap().len(), count, "{query}");
        assert!(answer.body["next_cursor"].is_null(), "{query}");
    }
}

#[actix_web::test]
async fn every_wrong_parameter_of_a_list_is_named() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    for (query, pointer) in [
        ("state=done", "/query/state"),
        ("state=", "/query/state"),
        ("queue=letters", "/query/queue"),
        ("limit=0", "/query/limit"),
        ("limit=101", "/query/limit"),
        ("limit=99999999999999999999", "/query/limit"),
        ("limit=ten", "/query/limit"),
        ("cursor=", "/query/cursor"),
        ("cursor=%00", "/query/cursor"),
        (
            "cursor=YWNjXzAxOTNhMDAwMDAwMDcwMDA4MDAwMDAwMDAwMDAwMDAw",
            "/query/cursor",
        ),
        ("colour=red", "/query/colour"),
        ("limit=1&limit=2", "/query/limit"),
    ] {
        world
            .get(&format!("/v1/jobs?{query}"), &token)
            .await
            .is(422, &[pointer]);
    }
}

#[actix_web::test]
async fn of_many_attempts_the_newest_are_shown_and_the_others_counted() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let path = format!("/v1/jobs/{}", world.probe(&token).await);
    for (made, shown, omitted) in [(100, 100, json!(null)), (103, 100, json!(3))] {
        while world.get(&path, &token).await.body["attempts"][99]["number"] != made {
            let held = world.claim().await;
            world.finish(&held, AttemptEnd::Drained).await;
        }
        let job = world.get(&path, &token).await.body;
        assert_eq!(job["attempts"].as_array().unwrap().len(), shown);
        assert_eq!(job["attempts_omitted"], omitted);
    }
    // The attempt that runs is shown beside them.
    let held = world.claim().await;
    let job = world.get(&path, &token).await.body;
    assert_eq!(
        (&job["attempts"][0]["number"], &job["attempts"][100]["number"]),
        (&json!(4), &json!(held.fence))
    );
    assert_eq!(job["attempts_omitted"], 3);
}

#[actix_web::test]
async fn an_operator_sees_no_address_of_anothers_mail_in_full() {
    let world = World::new();
    let ada = world.member("ada@example.org").await;
    let operator = world.operator().await;
    let body = json!({ "to": "bob@example.org", "subject": "Hello", "text": "Hello" });
    world.post("/v1/emails", &ada, &body).await.is(202, &[]);
    let claim = crate::store::ClaimRequest {
        queue: crate::domain::job::Queue::Mail,
        kinds: world.state.registry.of_queue(crate::domain::job::Queue::Mail),
        limit: 1,
        turn: Default::default(),
        node: crate::domain::id::NodeId::generate(),
        now: world.clock.now(),
    };
    let held = world.state.store.claim(claim).await.unwrap().jobs.remove(0);
    let result = json!({ "recipients": [{ "to": "bob@example.org", "status": "sent", "reply": null }] });
    let mut end = crate::store::testing::end(held.id, held.fence, AttemptEnd::Completed, world.clock.now());
    end.result = Some(result.to_string());
    world.state.store.finish(end).await.unwrap();
    let path = format!("/v1/jobs/{}", held.id);
    assert_eq!(world.get(&path, &ada).await.body["result"], result);
    for path in [path.as_str(), "/v1/jobs?kind=email.send"] {
        let answer = world.get(path, &operator).await;
        answer.is(200, &[]);
        assert!(
            answer.text.contains("b***@example.org") && !answer.text.contains("bob@"),
            "{}",
            answer.text
        );
    }
}

#[actix_web::test]
async fn a_waiting_job_is_cancelled_at_once_and_asking_again_is_answered_alike() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let uri = format!("/v1/jobs/{}/cancel", world.probe(&token).await);
    for _ in 0..2 {
        let answer = world.post(&uri, &token, &json!({})).await;
        answer.is(200, &[]);
        assert_eq!(
            (&answer.body["state"], &answer.body["cause"]),
            (&"cancelled".into(), &"requested".into())
        );
    }
    assert!(world.hurried.lock().unwrap().is_empty());
}

#[actix_web::test]
async fn the_attempt_of_a_running_job_is_asked_to_end_after_the_row_is_written() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let id = world.probe(&token).await;
    let claimed = world.claim().await;
    let answer = world.post(&format!("/v1/jobs/{id}/cancel"), &token, &json!({})).await;
    answer.is(202, &[]);
    assert_eq!(answer.body["state"], "running");
    assert!(answer.body["cancel_requested_at"].is_string());
    assert_eq!(*world.hurried.lock().unwrap(), [id]);
    world.finish(&claimed, AttemptEnd::Completed).await;
    world
        .post(&format!("/v1/jobs/{id}/cancel"), &token, &json!({}))
        .await
        .is(409, &[]);
}

#[actix_web::test]
async fn a_finished_job_runs_again_when_told_and_a_waiting_one_is_left_alone() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let uri = format!("/v1/jobs/{}/retry", world.probe(&token).await);
    world.post(&uri, &token, &json!({})).await.is(409, &[]);
    let claimed = world.claim().await;
    world.post(&uri, &token, &json!({})).await.is(409, &[]);
    world.finish(&claimed, AttemptEnd::Failed(Retry::Never)).await;
    let answer = world.post(&uri, &token, &json!({})).await;
    answer.is(202, &[]);
    assert_eq!(
        (&answer.body["state"], &answer.body["max_attempts"]),
        (&"available".into(), &4.into())
    );
    assert_eq!(answer.body["attempts"][0]["outcome"], "failed");
    assert!(answer.body["finished_at"].is_null() && answer.body["cause"].is_null());
}

#[actix_web::test]
async fn a_job_of_another_workspace_is_not_there_and_an_operator_sees_all() {
    let world = World::new();
    let ada = world.member("ada@example.org").await;
    let bob = world.member("bob@example.org").await;
    let operator = world.operator().await;
    let id = world.probe(&ada).await;
    let nowhere = world.get("/v1/jobs/job_0193a000000070008000000000000000", &bob).await;
    let of_ada = world.get(&format!("/v1/jobs/{id}"), &bob).await;
    for answer in [&nowhere, &of_ada] {
        answer.is(404, &[]);
    }
    assert_eq!(nowhere.body["detail"], of_ada.body["detail"]);
    for order in ["cancel", "retry"] {
        world
            .post(&format!("/v1/jobs/{id}/{order}"), &bob, &json!({}))
            .await
            .is(404, &[]);
    }
    assert_eq!(world.get("/v1/jobs", &bob).await.body["data"], json!([]));
    world.get(&format!("/v1/jobs/{id}"), &operator).await.is(200, &[]);
    assert_eq!(
        world.get("/v1/jobs", &operator).await.body["data"][0]["id"],
        id.to_string()
    );
    world
        .post(&format!("/v1/jobs/{id}/cancel"), &operator, &json!({}))
        .await
        .is(200, &[]);
}

#[actix_web::test]
async fn a_job_that_nothing_here_can_do_says_what_it_waits_for() {
    let world = World::new();
    let account = world.account("ada@example.org", false).await;
    let operator = world.operator().await;
    // This world's registry lacks the kind.
    let args = AccountExistsArgs { account };
    let job = new_job::<AccountExists>(&args, WorkspaceId::SERVICE, world.clock.now(), Order::default()).unwrap();
    world.state.store.enqueue(vec![job.clone()]).await.unwrap();
    let answer = world.get(&format!("/v1/jobs/{}", job.id), &operator).await;
    assert_eq!(
        answer.body["waiting_for"],
        "a worker that knows the kind account.exists"
    );
    let args = ProbeArgs {
        steps: 0,
        step_ms: 0,
        fail: None,
        panic: None,
    };
    let newer = new_job::<Probe>(&args, WorkspaceId::SERVICE, world.clock.now(), Order::default()).unwrap();
    let newer = NewJob {
        args_version: 9,
        ..newer
    };
    world.state.store.enqueue(vec![newer.clone()]).await.unwrap();
    assert!(world.claim_up_to(10).await.is_empty());
    let answer = world.get(&format!("/v1/jobs/{}", newer.id), &operator).await;
    assert_eq!(
        (answer.body["waiting_for"].as_str(), &answer.body["attempts"]),
        (Some("a worker that knows version 9 of the kind probe.run"), &json!([]))
    );
    let ours = world.probe(&operator).await;
    assert!(
        world
            .get(&format!("/v1/jobs/{ours}"), &operator)
            .await
            .body
            .get("waiting_for")
            .is_none()
    );
}

#[actix_web::test]
async fn a_page_of_something_rare_may_be_empty_and_still_have_a_next_one() {
    let world = World::new();
    let operator = world.operator().await;
    let rare = world.probe(&operator).await;
    world
        .post(&format!("/v1/jobs/{rare}/cancel"), &operator, &json!({}))
        .await
        .is(200, &[]);
    world.fill(10_500).await;
    let first = world.get("/v1/jobs?state=cancelled", &operator).await;
    first.is(200, &[]);
    assert_eq!(first.body["data"], json!([]));
    let cursor = first.body["next_cursor"].as_str().unwrap();
    let second = world
        .get(&format!("/v1/jobs?state=cancelled&cursor={cursor}"), &operator)
        .await;
    assert_eq!(
        (&second.body["data"][0]["id"], &second.body["next_cursor"]),
        (&json!(rare.to_string()), &json!(null))
    );
}
