//! Which operations have a limit, against which ones the document says so.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::http::Method;

use super::cast::{Cast, Who, with_file};
use super::spec::Operation;
use crate::api::tests::request;

#[actix_web::test]
async fn exactly_the_operations_that_describe_a_429_have_a_limit() {
    let cast = Cast::with(&[
        ("LEGWORK_LIMITS__JOBS_PER_MINUTE", "1"),
        ("LEGWORK_LIMITS__JOBS_PER_MINUTE_NETWORK", "1"),
        ("LEGWORK_LIMITS__ENTRIES_PER_MINUTE", "1"),
        ("LEGWORK_LIMITS__LOGINS_PER_MINUTE", "1"),
        ("LEGWORK_LIMITS__RESETS_PER_HOUR", "1"),
    ])
    .await;
    let peer: SocketAddr = "192.0.2.1:1".parse().unwrap();
    let mut limited = Vec::new();
    // Downloads and streams have a bound on those that go on at once, and wrong codes and passwords of who is logged in are
    // counted by account; both have tests of their own.
    let others = [
        "show_report_file",
        "stream_job",
        "stream_jobs",
        "confirm_session",
        "confirm_second_factor",
        "delete_second_factor",
    ];
    let by_time = |operation: &Operation| !others.contains(&operation.id());
    for operation in Operation::all().into_iter().filter(by_time) {
        // What the operation is about may have to be made by work, which has a limit itself.
        cast.world.advance(Duration::from_secs(60));
        let first = cast.path(&operation).await;
        cast.world.advance(Duration::from_secs(60));
        // Not the same, since a retry that is refused for the state of its job costs nothing.
        let second = cast.path(&operation).await;
        let mut body = match operation.examples().into_iter().next() {
            Some((_, example)) => Some(cast.prepared(&operation, example).await),
            None => None,
        };
        if let Some(body) = body.as_mut().filter(|_| operation.id() == "change_password") {
            // Who succeeds goes on with another token.
            body["current_password"] = "a wrong password".into();
        }
        cast.world.advance(Duration::from_secs(60));
        // What is sensitive needs a login that showed the password lately.
        cast.log_in_again().await;
        let mut statuses = Vec::new();
        for uri in [first, second] {
            let method: Method = operation.method.parse().unwrap();
            let mut asking = with_file(&operation, request(method, &uri, "").peer_addr(peer));
            if let Some(value) = cast.authorization(&Who::of(&operation)) {
                asking = asking.insert_header(("authorization", value));
            }
            if let Some(body) = &body {
                asking = asking.set_json(body);
            }
            // That a 429 has its headers is checked on its way.
            statuses.push(cast.world.send(asking).await.status);
        }
        let is_described = operation.told["responses"].get("429").is_some();
        let is_limited = statuses[0] != 429 && statuses[1] == 429;
        assert_eq!(is_limited, is_described, "{}: {statuses:?}", operation.id());
        limited.extend(is_limited.then(|| operation.id()));
        if Cast::may_log_out(&operation) {
            cast.log_in_again().await;
        }
    }
    limited.sort_unstable();
    let expected = [
        "add_jobs",
        "ask_for_address",
        "change_password",
        "confirm_address",
        "confirm_password_reset",
        "create_account",
        "create_batch",
        "create_email",
        "create_emails",
        "create_password_reset",
        "create_probe",
        "create_report",
        "create_session",
        "create_upload",
        "retry_job",
        "run_schedule",
        "verify_account",
    ];
    assert_eq!(limited, expected);
}
