//! The same in the hands of an operator: what they may do with what is another's, and what not even they.

use actix_web::http::Method;

use super::bodies;
use crate::api::tests::openapi::cast::{Cast, Who};
use crate::api::tests::openapi::places::{Place, places};
use crate::api::tests::openapi::spec::Operation;
use crate::api::tests::request;

/// What an operator may do with another workspace's.
const THEIRS_TOO: &[&str] = &[
    "show_job",
    "stream_job",
    "cancel_job",
    "retry_job",
    "resolve_job",
    "show_report",
    "show_report_file",
    "delete_report",
    "show_batch",
    "seal_batch",
    "cancel_batch",
    "show_schedule",
    "show_workspace",
    "update_schedule",
    "delete_schedule",
    "list_fires",
    "pause_schedule",
    "resume_schedule",
    "run_schedule",
];

/// What is an account's own, or its workspace's, to everybody.
const OWN_ALONE: &[&str] = &[
    "delete_session",
    "delete_api_key",
    "rotate_api_key",
    "add_jobs",
    "show_suppression",
    "delete_suppression",
    "show_template",
    "delete_template",
    "preview_template",
    "show_version",
    "restore_version",
    "show_upload",
    "delete_upload",
];

#[actix_web::test]
async fn an_operator_may_do_with_anothers_what_is_said_and_nothing_else() {
    let cast = Cast::new().await;
    let mut tried = 0;
    for operation in Operation::all() {
        let has_id = places(&operation)
            .iter()
            .any(|(place, _)| matches!(place, Place::Path(_)));
        if !has_id || operation.role() == "operator" {
            continue;
        }
        let id = operation.id();
        let may = match (THEIRS_TOO.contains(&id), OWN_ALONE.contains(&id)) {
            (true, false) => true,
            (false, true) => false,
            _ => panic!("say whether an operator may do it with another's: {id}"),
        };
        let who = match operation.role() {
            "session" => Who::Header(format!("Bearer {}", cast.operator_session())),
            _ => Who::OperatorKey,
        };
        let uri = cast.foreign_path(&operation).await.unwrap();
        let method: Method = operation.method.parse().unwrap();
        let mut asking = request(method, &uri, "").insert_header(("authorization", cast.authorization(&who).unwrap()));
        if let Some(body) = bodies(&operation).remove(0) {
            asking = asking.set_json(body);
        }
        let answer = cast.world.send(asking).await;
        assert_eq!(answer.status < 300, may, "{id}: {answer:?}");
        assert!(may || answer.status == 404, "{id}: {answer:?}");
        tried += 1;
    }
    assert!(tried >= 20, "only {tried} operations");
}
