//! Reports: what one workspace cannot take from the others.

use std::time::Duration;

use actix_web::http::Method;
use serde_json::json;

use super::{World, request};
use crate::store::Abort;
use crate::store::reports::expire;

#[actix_web::test]
async fn a_workspace_keeps_at_most_so_many_reports_and_operators_as_many_as_they_like() {
    let world = World::with(&[("LEGWORK_REPORTS__MAX_KEPT", "2")]);
    let (ada, eve) = (
        world.member("ada@example.org").await,
        world.member("eve@example.org").await,
    );
    let order = json!({ "table": "jobs", "format": "csv" });
    let (built, waiting) = (world.report(&ada).await, world.report(&ada).await);
    world.build(built).await;
    let refused = world.post("/v1/reports", &ada, &order).await;
    refused.is(409, &[]);
    assert!(refused.text.contains("has 2 reports"), "{}", refused.text);
    let jobs = world.get("/v1/jobs", &ada).await;
    assert_eq!(jobs.body["data"].as_array().unwrap().len(), 2, "{}", jobs.text);
    world.report(&eve).await;
    world.delete(&format!("/v1/reports/{waiting}"), &ada).await.is(204, &[]);
    world.report(&ada).await;
    world.post("/v1/reports", &ada, &order).await.is(409, &[]);
    let later = world.clock.now().plus(Duration::from_secs(3600));
    let write = world
        .state
        .store
        .write(move |tx| Ok::<_, Abort<()>>(expire(tx.connection(), later, 10)?));
    assert_eq!(write.await.unwrap().len(), 1);
    world.report(&ada).await;
    let operator = world.operator().await;
    for _ in 0..3 {
        world.report(&operator).await;
    }
}

#[actix_web::test]
async fn a_workspace_fetches_few_files_at_once_so_that_clients_that_do_not_read_hold_few_connections() {
    let world = World::new();
    let (ada, eve) = (
        world.member("ada@example.org").await,
        world.member("eve@example.org").await,
    );
    let (report, theirs) = (world.report(&ada).await, world.report(&eve).await);
    world.build(report).await;
    let uri = format!("/v1/reports/{report}/file");
    let mut begun = Vec::new();
    let refused = loop {
        let answer = world.begin(request(Method::GET, &uri, &ada)).await;
        if answer.status().as_u16() != 200 || begun.len() > 100 {
            break answer;
        }
        begun.push(answer);
    };
    assert_eq!((refused.status().as_u16(), begun.len()), (429, 16));
    assert!(refused.headers().contains_key("retry-after"));
    world.send(request(Method::HEAD, &uri, &ada)).await.is(200, &[]);
    world
        .get(&format!("/v1/reports/{theirs}/file"), &eve)
        .await
        .is(409, &[]);
    drop(begun.pop());
    let read = actix_web::body::to_bytes(begun.pop().unwrap().into_body()).await;
    assert!(!read.unwrap().is_empty());
    for _ in 0..3 {
        world.get(&uri, &ada).await.is(200, &[]);
    }
}
