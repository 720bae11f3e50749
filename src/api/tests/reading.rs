//! What operators read of other workspaces': written down before it is shown, where the owner sees it.

use std::time::Duration;

use actix_web::http::Method;
use serde_json::{Value, json};

use super::{World, request};
use crate::api::Desk;
use crate::control::{JobAsk, JobDesk as _};
use crate::domain::id::WorkspaceId;
use crate::domain::security::SecurityEvent;
use crate::store::security::{self, SecurityEventRecord, SecurityFilter};

impl World {
    /// What was read of a workspace by operators, the first first: of what sort, which one, and by which account.
    async fn reads_of(&self, workspace: WorkspaceId) -> Vec<(String, Value, SecurityEventRecord)> {
        let filter = SecurityFilter {
            workspace: Some(workspace),
            account: None,
            event: Some(SecurityEvent::OperatorRead),
            before: None,
            limit: 100,
        };
        let read = self
            .state
            .store
            .read(move |connection| security::list(connection, &filter));
        let (mut found, _) = read.await.unwrap();
        found.reverse();
        let told = found.into_iter().map(|event| {
            let detail: Value = serde_json::from_str(&event.detail).unwrap();
            (detail["subject_kind"].as_str().unwrap().to_owned(), detail, event)
        });
        told.collect()
    }

    async fn workspace_of(&self, token: &str) -> WorkspaceId {
        let me = self.get("/v1/accounts/me", token).await;
        me.body["workspace_id"].as_str().unwrap().parse().unwrap()
    }
}

#[actix_web::test]
async fn each_thing_of_anothers_that_an_operator_reads_is_written_down_once_in_ten_minutes() {
    let world = World::new();
    let (ada, operator) = (world.member("ada@example.org").await, world.operator().await);
    let workspace = world.workspace_of(&ada).await;
    let job = world.probe(&ada).await;
    let probe = json!({ "kind": "probe.run", "args": { "steps": 1 } });
    let batch = world.post("/v1/batches", &ada, &json!({ "jobs": [probe] })).await;
    let hourly = json!({ "name": "a", "cron": "@hourly", "time_zone": "UTC", "job": probe });
    let schedule = world.post("/v1/schedules", &ada, &hourly).await;
    let (batch, schedule) = (
        batch.body["id"].as_str().unwrap(),
        schedule.body["id"].as_str().unwrap(),
    );
    let report = world.report(&ada).await;
    world.build(report).await;
    let of_each = [
        (format!("/v1/jobs/{job}"), "job"),
        (format!("/v1/batches/{batch}"), "batch"),
        (format!("/v1/schedules/{schedule}"), "schedule"),
        (format!("/v1/reports/{report}"), "report"),
    ];
    let same = [
        (format!("/v1/jobs/{job}/events"), "job"),
        (format!("/v1/schedules/{schedule}/fires"), "schedule"),
        (format!("/v1/reports/{report}/file"), "report"),
    ];
    for (uri, _) in of_each.iter().chain(&same) {
        world.get(uri, &ada).await.is(200, &[]);
    }
    assert_eq!(world.reads_of(workspace).await.len(), 0, "its own members'");
    let first = world.get(&of_each[0].0, &operator).await;
    for (uri, _) in of_each.iter().chain(&same).chain(&of_each) {
        world.get(uri, &operator).await.is(200, &[]);
        // What is read is no act.
        world.advance(Duration::from_millis(1));
    }
    let reads = world.reads_of(workspace).await;
    let kinds: Vec<&str> = reads.iter().map(|(kind, ..)| kind.as_str()).collect();
    assert_eq!(kinds, ["job", "batch", "schedule", "report"]);
    let me = world.get("/v1/accounts/me", &operator).await.body["id"].clone();
    let (_, detail, event) = &reads[0];
    assert_eq!(detail["subject"], job.to_string());
    assert_eq!(event.account.unwrap().to_string(), me.as_str().unwrap());
    assert_eq!(event.request_id.as_deref(), Some(first.header("x-request-id")));
    // By another way to the same within the time, nothing; after it, again.
    world.advance(Duration::from_secs(600));
    for (uri, kind) in &same {
        world.get(uri, &operator).await.is(200, &[]);
        assert_eq!(&world.reads_of(workspace).await.last().unwrap().0, kind);
    }
    assert_eq!(world.reads_of(workspace).await.len(), 7);
    let own = world.probe(&operator).await;
    world.get(&format!("/v1/jobs/{own}"), &operator).await.is(200, &[]);
    let own = world.workspace_of(&operator).await;
    assert_eq!(world.reads_of(own).await.len(), 0);
    let acts = world.get("/v1/audit", &operator).await;
    assert_eq!(acts.body["data"], json!([]));
}

#[actix_web::test]
async fn a_list_that_shows_things_of_others_is_written_down_for_each_of_them_with_how_many() {
    let world = World::new();
    let (ada, eve) = (
        world.member("ada@example.org").await,
        world.member("eve@example.org").await,
    );
    let operator = world.operator().await;
    for token in [&ada, &ada, &eve, &operator] {
        world.probe(token).await;
    }
    world.report(&eve).await;
    let (of_ada, of_eve) = (world.workspace_of(&ada).await, world.workspace_of(&eve).await);
    for _ in 0..3 {
        world
            .get("/v1/jobs?state=available&queue=probes", &operator)
            .await
            .is(200, &[]);
        world.get("/v1/reports", &operator).await.is(200, &[]);
        world.get("/v1/batches", &operator).await.is(200, &[]);
        world.get("/v1/schedules", &operator).await.is(200, &[]);
        world.get("/v1/jobs", &ada).await.is(200, &[]);
        world.advance(Duration::from_secs(1));
    }
    let (ada, eve) = (world.reads_of(of_ada).await, world.reads_of(of_eve).await);
    assert_eq!((ada.len(), eve.len()), (1, 2), "{ada:?} {eve:?}");
    assert_eq!(ada[0].1["listed"], 2);
    assert_eq!(ada[0].1["filter"]["state"], "available");
    assert_eq!((&*eve[0].0, &eve[0].1["listed"]), ("job", &json!(1)));
    assert_eq!((&*eve[1].0, &eve[1].1["listed"]), ("report", &json!(1)));
    // What is of everybody's is in the log of the service.
    let all = world
        .begin(request(Method::GET, "/v1/jobs/events?all=true", &operator))
        .await;
    assert_eq!(all.status().as_u16(), 200);
    world.get("/v1/jobs/causes", &operator).await.is(200, &[]);
    let kinds: Vec<String> = world
        .reads_of(WorkspaceId::SERVICE)
        .await
        .into_iter()
        .map(|(kind, ..)| kind)
        .collect();
    assert_eq!(kinds, ["job", "cause"]);
    let causes = format!("/v1/jobs/causes?workspace={of_eve}");
    world.get(&causes, &operator).await.is(200, &[]);
    assert_eq!(world.reads_of(of_eve).await.len(), 3);
}

#[actix_web::test]
async fn what_cannot_be_written_down_is_not_shown() {
    let world = World::new();
    let (ada, operator) = (world.member("ada@example.org").await, world.operator().await);
    let (theirs, seen, own) = (
        world.probe(&ada).await,
        world.probe(&ada).await,
        world.probe(&operator).await,
    );
    world.get(&format!("/v1/jobs/{seen}"), &operator).await.is(200, &[]);
    world.database.stop().await;
    let refused = world.get(&format!("/v1/jobs/{theirs}"), &operator).await;
    refused.is(503, &[]);
    assert!(refused.text.contains("is written down first"), "{}", refused.text);
    assert!(!refused.text.contains(&theirs.to_string()));
    world.get("/v1/jobs", &operator).await.is(503, &[]);
    world.get(&format!("/v1/jobs/{seen}"), &operator).await.is(200, &[]);
    world.get(&format!("/v1/jobs/{own}"), &operator).await.is(200, &[]);
    world.get(&format!("/v1/jobs/{theirs}"), &ada).await.is(200, &[]);
}

#[actix_web::test]
async fn what_is_shown_on_the_services_machine_is_written_down_with_the_users_number() {
    let world = World::new();
    let ada = world.member("ada@example.org").await;
    let (workspace, job) = (world.workspace_of(&ada).await, world.probe(&ada).await);
    let desk = Desk(world.state.clone());
    for _ in 0..2 {
        let shown = desk.ask(JobAsk::Show, json!({ "id": job }), 1000).await.unwrap();
        assert_eq!(shown["id"], job.to_string());
        desk.ask(JobAsk::List, json!({}), 1000).await.unwrap();
    }
    desk.ask(JobAsk::Show, json!({ "id": job }), 1001).await.unwrap();
    let reads = world.reads_of(workspace).await;
    let told: Vec<_> = reads
        .iter()
        .map(|(_, detail, _)| (&detail["uid"], &detail["listed"]))
        .collect();
    assert_eq!(
        told,
        [
            (&json!(1000), &Value::Null),
            (&json!(1000), &json!(1)),
            (&json!(1001), &Value::Null)
        ]
    );
    assert!(reads.iter().all(|(_, _, event)| event.account.is_none()));
}
