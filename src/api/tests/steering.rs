//! Orders to the supervision tree, and looks at one node of it.

use serde_json::{Value, json};

use super::World;

const ACTS: [&str; 4] = ["restart", "suspend", "resume", "panic"];

impl World {
    async fn order(&self, name: &str, act: &str, token: &str) -> super::Answer {
        self.post(&format!("/v1/supervision/{name}/{act}"), token, &json!({}))
            .await
    }

    fn orders_logged(&self) -> Vec<Value> {
        let is_order = |line: &Value| line["event"].as_str().is_some_and(|event| event.ends_with("_ordered"));
        self.log.lines().into_iter().filter(is_order).collect()
    }
}

#[actix_web::test]
async fn nobody_but_an_operator_gives_orders_or_looks_at_a_node() {
    let world = World::made(&[], true);
    world.start("mailer").await;
    let member = world.member("ada@example.org").await;
    let key = world.api_key(&member).await;
    for (token, status) in [("", 401), (member.as_str(), 403), (key.as_str(), 403)] {
        for name in ["mailer", "nobody"] {
            for act in ACTS {
                world.order(name, act, token).await.is(status, &[]);
            }
            for query in ["", "?backtrace=true", "?backtrace=maybe"] {
                world
                    .get(&format!("/v1/supervision/{name}{query}"), token)
                    .await
                    .is(status, &[]);
            }
        }
    }
    assert_eq!(world.orders_logged(), Vec::<Value>::new());
    assert_eq!(world.state.tree.snapshot().children[0].restarts, 0);
}

#[actix_web::test]
async fn a_node_is_shown_alone_and_an_unknown_one_is_nowhere() {
    let world = World::new();
    let token = world.operator().await;
    world.start("mailer").await;
    let node = world.get("/v1/supervision/mailer", &token).await;
    node.is(200, &[]);
    assert_eq!(
        (
            &node.body["node"]["name"],
            &node.body["node"]["state"],
            node.body.get("backtrace")
        ),
        (&"mailer".into(), &"running".into(), None)
    );
    let asked = world.get("/v1/supervision/mailer?backtrace=true", &token).await;
    asked.is(200, &[]);
    assert_eq!(asked.body.get("backtrace"), None, "it has not failed yet");
    for name in ["nobody", "%00", "a%2Fb", "..", "MAILER"] {
        for query in ["", "?backtrace=true"] {
            world
                .get(&format!("/v1/supervision/{name}{query}"), &token)
                .await
                .is(404, &[]);
        }
    }
    let wrong = world.get("/v1/supervision/mailer?backtrace=maybe", &token).await;
    wrong.is(422, &["/query/backtrace"]);
    world.get("/v1/supervision/events", &token).await;
}

#[actix_web::test]
async fn an_order_is_in_the_log_with_who_gave_it_and_a_refused_one_is_not() {
    let world = World::new();
    let token = world.operator().await;
    world.start("mailer").await;
    for act in ["restart", "suspend", "resume"] {
        world.order("nobody", act, &token).await.is(404, &[]);
    }
    assert_eq!(world.orders_logged(), Vec::<Value>::new());
    let answer = world.order("mailer", "restart", &token).await;
    answer.is(202, &[]);
    let lines = world.orders_logged();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line = &lines[0];
    assert_eq!(
        (&line["event"], &line["actor"], &line["by"], line.get("uid")),
        (&"restart_ordered".into(), &"mailer".into(), &"api".into(), None)
    );
    assert!(line["account"].as_str().unwrap().starts_with("acc_"), "{line}");
    assert_eq!(line["request_id"], answer.header("x-request-id"));
}

#[actix_web::test]
async fn a_panic_is_forbidden_without_fault_injection_whomever_it_is_for() {
    let world = World::new();
    let token = world.operator().await;
    world.start("mailer").await;
    for name in ["mailer", "nobody"] {
        let refused = world.order(name, "panic", &token).await;
        refused.is(403, &[]);
        assert!(refused.text.contains("--fault-injection"), "{}", refused.text);
    }
    assert_eq!(world.orders_logged(), Vec::<Value>::new());
}

#[actix_web::test]
async fn a_panic_with_fault_injection_is_ordered_and_is_the_nodes_last_failure() {
    let world = World::made(&[], true);
    let token = world.operator().await;
    world.start("mailer").await;
    world.order("nobody", "panic", &token).await.is(404, &[]);
    let mut events = world.state.tree.subscribe();
    let answer = world.order("mailer", "panic", &token).await;
    answer.is(202, &[]);
    assert_eq!(answer.body, json!({ "name": "mailer", "ordered": "panic" }));
    assert!(events.next().await.is_some());
    let node = world.get("/v1/supervision/mailer?backtrace=true", &token).await;
    node.is(200, &[]);
    assert!(node.body["node"]["last_failure"]["error"].is_string(), "{}", node.text);
    assert_eq!(world.orders_logged()[0]["event"], "panic_ordered");
}

#[actix_web::test]
async fn a_child_is_suspended_and_resumed_and_an_order_that_does_not_fit_is_a_conflict_with_its_reason() {
    let world = World::new();
    let token = world.operator().await;
    world.start("mailer").await;
    let conflict = world.order("mailer", "resume", &token).await;
    conflict.is(409, &[]);
    assert!(
        conflict.body["detail"].as_str().unwrap().contains("mailer"),
        "{}",
        conflict.text
    );
    for act in ["suspend", "resume"] {
        let answer = world.order("mailer", act, &token).await;
        answer.is(202, &[]);
        assert_eq!(answer.body, json!({ "name": "mailer", "ordered": act }));
    }
    let events: Vec<Value> = world.orders_logged().iter().map(|line| line["event"].clone()).collect();
    assert_eq!(events, ["suspend_ordered", "resume_ordered"]);
}
