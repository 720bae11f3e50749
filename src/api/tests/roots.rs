//! What is at the root, what is nowhere, and keys where none are kept.

use super::*;

#[actix_web::test]
async fn the_page_at_the_root_says_where_to_go_and_has_no_script() {
    let world = World::new();
    let answer = world.get("/", "").await;
    assert_eq!(answer.status, StatusCode::OK.as_u16());
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert!(
        answer
            .header("content-security-policy")
            .starts_with("default-src 'none'")
    );
    for text in ["http://127.0.0.1:8080/v1/accounts", "/health/ready", "/v1/supervision"] {
        // The escaping writes slashes as entities, which browsers read as slashes.
        assert!(
            answer.text.replace("&#x2f;", "/").contains(text),
            "{text}: {}",
            answer.text
        );
    }
    assert!(!answer.text.contains("<script"));
}

#[actix_web::test]
async fn what_is_nowhere_and_a_method_that_is_not_there_are_told_as_problems() {
    let world = World::new();
    for uri in [
        "/nowhere",
        "/v1",
        "/v1/",
        "/v1/jobs/",
        "/v1/accounts/me/",
        "/verify/x",
        "/v2/jobs",
    ] {
        world.get(uri, "").await.is(404, &[]);
    }
    for (method, uri, allow) in [
        (Method::GET, "/v1/accounts", "POST"),
        (Method::PUT, "/v1/sessions", "GET, HEAD, POST"),
        (Method::DELETE, "/health/live", "GET, HEAD"),
        (Method::POST, "/v1/jobs", "GET, HEAD"),
        (Method::PATCH, "/v1/api-keys", "GET, HEAD, POST"),
    ] {
        let answer = world.send(request(method, uri, "")).await;
        answer.is(405, &[]);
        assert_eq!(answer.header("allow"), allow, "{uri}");
    }
}

#[actix_web::test]
async fn a_key_is_refused_where_none_is_kept_since_whoever_sends_it_counts_on_it() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    for uri in [
        "/v1/accounts",
        "/v1/sessions",
        "/v1/jobs/job_00000000000000000000000000000000/cancel",
        "/verify",
    ] {
        let post = request(Method::POST, uri, &token)
            .insert_header(("idempotency-key", "k1"))
            .set_json(json!({}));
        let answer = world.send(post).await;
        answer.is(400, &[]);
        assert!(
            answer.text.contains("Idempotency-Key is not kept here"),
            "{}",
            answer.text
        );
    }
    let jobs = world.get("/v1/jobs", &token).await;
    assert_eq!(jobs.body["data"], json!([]), "nothing was done");
}
