//! Probes.

use serde_json::json;

use super::World;

#[actix_web::test]
async fn a_probe_is_accepted_with_what_was_asked_of_it() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let body = json!({
        "steps": 100_000, "step_ms": 3_600_000, "timeout_ms": 86_400_000, "priority": 10, "max_attempts": 100,
        "fail": false, "panic": null
    });
    let answer = world.post("/v1/probes", &token, &body).await;
    answer.is(202, &[]);
    assert_eq!(
        (&answer.body["kind"], &answer.body["priority"]),
        (&"probe.run".into(), &10.into())
    );
    assert_eq!(answer.body["max_attempts"], 100);
    let claimed = world.claim().await;
    assert_eq!(claimed.timeout.as_millis(), 86_400_000);
    world
        .post("/v1/probes", &token, &json!({ "steps": 0 }))
        .await
        .is(202, &[]);
}

#[actix_web::test]
async fn only_operators_make_probes_that_fail_or_panic() {
    let world = World::new();
    let member = world.member("ada@example.org").await;
    let operator = world.operator().await;
    for wish in [
        json!({ "steps": 0, "fail": true }),
        json!({ "steps": 0, "fail": "once" }),
        json!({ "steps": 0, "fail": "permanent" }),
        json!({ "steps": 0, "panic": true }),
        json!({ "steps": 0, "panic": "actor" }),
    ] {
        world.post("/v1/probes", &member, &wish).await.is(403, &[]);
        world.post("/v1/probes", &operator, &wish).await.is(202, &[]);
    }
    let args = world.claim().await.args;
    assert!(args.contains("\"fail\":\"always\""), "{args}");
}

#[actix_web::test]
async fn every_wrong_field_of_a_probe_is_named() {
    let world = World::new();
    let token = world.operator().await;
    for (body, pointers) in [
        (json!({}), vec!["/steps"]),
        (json!({ "steps": -1 }), vec!["/steps"]),
        (
            json!({ "steps": 100_001, "step_ms": 3_600_001 }),
            vec!["/steps", "/step_ms"],
        ),
        (json!({ "steps": 18_446_744_073_709_551_615_u64 }), vec!["/steps"]),
        (json!({ "steps": 1e300 }), vec!["/steps"]),
        (json!({ "steps": "1" }), vec!["/steps"]),
        (json!({ "steps": null }), vec!["/steps"]),
        (json!({ "steps": 1, "timeout_ms": 0 }), vec!["/timeout_ms"]),
        (json!({ "steps": 1, "timeout_ms": 86_400_001 }), vec!["/timeout_ms"]),
        (json!({ "steps": 1, "fail": "twice" }), vec!["/fail"]),
        (json!({ "steps": 1, "fail": [] }), vec!["/fail"]),
        (json!({ "steps": 1, "panic": 1 }), vec!["/panic"]),
        (json!({ "steps": 1, "speed": 1 }), vec!["/speed"]),
    ] {
        world.post("/v1/probes", &token, &body).await.is(422, &pointers);
    }
}
