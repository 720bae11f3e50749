//! Setting another password by a mailed link.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::http::Method;
use futures_util::future::join_all;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{PASSWORD, World, request};
use crate::domain::security::SecurityEvent;
use crate::jobs::kinds::{PasswordChangedArgs, RESET_PURPOSE, ResetMail};
use crate::store::testing::rows_of;

const ASK: &str = "/v1/password-resets";
const CONFIRM: &str = "/v1/password-resets/confirm";
const NEW: &str = "seven green kites at noon";

fn confirm(token: &str) -> Value {
    json!({ "token": token, "password": NEW })
}

impl World {
    async fn ask_for_reset(&self, email: &str) {
        self.post(ASK, "", &json!({ "email": email })).await.is(202, &[]);
    }

    /// The token of a link that was asked for and mailed.
    pub(in crate::api::tests) async fn reset_token(&self, email: &str) -> String {
        self.ask_for_reset(email).await;
        // Behind those that others asked for.
        let performed = loop {
            let performed = self.perform_reset().await;
            if performed.mailed == [email] {
                break performed;
            }
        };
        let id = ResetMail::id_of(performed.job.id).to_string();
        self.state.keys.derive(RESET_PURPOSE, &id).1.expose_secret().to_owned()
    }

    async fn logs_in_with(&self, password: &str) -> bool {
        let body = json!({ "email": "ada@example.org", "password": password });
        self.post("/v1/sessions", "", &body).await.status == 201
    }
}

/// How many rows each table got more.
fn more(before: &BTreeMap<String, i64>, after: &BTreeMap<String, i64>) -> Vec<(String, i64)> {
    let differences = after.iter().map(|(table, rows)| (table.clone(), rows - before[table]));
    differences.filter(|(_, rows)| *rows != 0).collect()
}

#[actix_web::test]
async fn a_known_and_an_unknown_address_get_one_answer_and_the_same_writes() {
    let world = World::new();
    world.account("known@example.org", false).await;
    let (mut answers, mut writes, mut jobs) = (Vec::new(), Vec::new(), Vec::new());
    for email in ["known@example.org", "nobody@example.org"] {
        let before = rows_of(&world.state.store, None);
        let answer = world.post(ASK, "", &json!({ "email": email })).await;
        answer.is(202, &[]);
        writes.push(more(&before, &rows_of(&world.state.store, None)));
        let headers: Vec<_> = answer.headers.keys().map(|name| name.to_string()).collect();
        answers.push((answer.text, headers));
        let job = world.own_jobs().await.remove(0);
        jobs.push((job.kind, job.queue, job.workspace, job.state, job.priority));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(writes[0], writes[1]);
    assert!(writes[0].contains(&("jobs".to_owned(), 1)), "{writes:?}");
    assert_eq!(jobs[0], jobs[1]);
    let known = world.perform_reset().await;
    assert_eq!(known.mailed, ["known@example.org"]);
    let unknown = world.perform_reset().await;
    assert!(unknown.mailed.is_empty() && unknown.result().contains("skipped"));
    assert_eq!(world.happened(SecurityEvent::ResetMailed).await.len(), 1);
}

#[actix_web::test]
async fn no_member_sees_the_job_of_a_reset() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    world.ask_for_reset("ada@example.org").await;
    let job = world.own_jobs().await.remove(0);
    assert_eq!(job.kind, "password.reset");
    world.get(&format!("/v1/jobs/{}", job.id), &token).await.is(404, &[]);
    assert_eq!(world.get("/v1/jobs", &token).await.body["data"], json!([]));
    // What operators see of it holds no address.
    let operator = world.operator().await;
    let shown = world.get(&format!("/v1/jobs/{}", job.id), &operator).await;
    shown.is(200, &[]);
    assert!(!shown.text.contains("ada@"), "{}", shown.text);
}

#[actix_web::test]
async fn a_link_sets_the_password_once_ends_the_logins_and_is_no_login() {
    let world = World::new();
    let session = world.member("ada@example.org").await;
    let (other, token) = (
        world.reset_token("ada@example.org").await,
        world.reset_token("ada@example.org").await,
    );
    let answer = world.post(CONFIRM, "", &confirm(&token)).await;
    answer.is(204, &[]);
    assert_eq!(answer.header("set-cookie"), "");
    world.get("/v1/accounts/me", &session).await.is(401, &[]);
    assert!(world.logs_in_with(NEW).await && !world.logs_in_with(PASSWORD).await);
    for used in [&token, &other] {
        world.post(CONFIRM, "", &confirm(used)).await.is(422, &["/token"]);
    }
    assert_eq!(world.happened(SecurityEvent::PasswordReset).await.len(), 1);
    let told = world.perform_notice::<PasswordChangedArgs>().await;
    assert_eq!(told.mailed, ["ada@example.org"]);
}

#[actix_web::test]
async fn logins_stay_where_they_are_to() {
    let world = World::new();
    let session = world.member("ada@example.org").await;
    let token = world.reset_token("ada@example.org").await;
    let mut body = confirm(&token);
    body["end_sessions"] = false.into();
    world.post(CONFIRM, "", &body).await.is(204, &[]);
    world.get("/v1/accounts/me", &session).await.is(200, &[]);
}

#[actix_web::test]
async fn of_several_who_use_a_link_at_once_one_sets_the_password() {
    let world = World::new();
    world.account("ada@example.org", false).await;
    let token = world.reset_token("ada@example.org").await;
    let body = confirm(&token);
    let answers = join_all((0..6).map(|_| world.post(CONFIRM, "", &body))).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 422, 422, 422, 422, 422]);
}

#[actix_web::test]
async fn all_bad_tokens_get_one_answer() {
    let world = World::new();
    world.account("ada@example.org", false).await;
    let late = world.reset_token("ada@example.org").await;
    world.advance(Duration::from_secs(600));
    let session = world.login("ada@example.org").await;
    world.register("new@example.org").await;
    let of_registration = world.newest_token().await;
    let void = world.reset_token("ada@example.org").await;
    let change = json!({ "current_password": PASSWORD, "new_password": "nine red boats at dawn" });
    world
        .post("/v1/accounts/me/password", &session, &change)
        .await
        .is(200, &[]);
    let mut texts = std::collections::HashSet::new();
    for token in ["", "x", &session, &"a".repeat(10_000), &late, &of_registration, &void] {
        let post = request(Method::POST, CONFIRM, "").insert_header(("x-request-id", "one"));
        let answer = world.send(post.set_json(confirm(token))).await;
        answer.is(422, &["/token"]);
        texts.insert(answer.text);
    }
    assert_eq!(texts.len(), 1, "{texts:?}");
    // Nor does a reset's token verify anything else.
    let good = world.reset_token("ada@example.org").await;
    for uri in ["/v1/accounts/verify", "/v1/accounts/confirm-address"] {
        world
            .post(uri, "", &json!({ "token": good }))
            .await
            .is(422, &["/token"]);
    }
    world.post(CONFIRM, "", &confirm(&good)).await.is(204, &[]);
}

#[actix_web::test]
async fn a_link_that_was_used_is_not_made_anew_by_its_job_and_an_old_wish_is_given_up() {
    let world = World::new();
    let operator = world.operator().await;
    world.account("ada@example.org", false).await;
    let token = world.reset_token("ada@example.org").await;
    let job = world.own_jobs().await.remove(0).id;
    let again = async || {
        let retry = request(Method::POST, &format!("/v1/jobs/{job}/retry"), &operator);
        world.send(retry).await.is(202, &[]);
        world.perform_reset().await
    };
    // While it was not used, it is the same link, good for ten minutes from then.
    world.advance(Duration::from_secs(500));
    assert!(!again().await.result().contains("skipped"));
    world.advance(Duration::from_secs(500));
    assert_eq!(rows_of(&world.state.store, None)["password_resets"], 1);
    assert_eq!(world.happened(SecurityEvent::ResetMailed).await.len(), 1);
    world.post(CONFIRM, "", &confirm(&token)).await.is(204, &[]);
    let used = again().await;
    assert!(
        used.mailed.is_empty() && used.result().contains("used"),
        "{}",
        used.result()
    );
    world.post(CONFIRM, "", &confirm(&token)).await.is(422, &["/token"]);
    world.advance(Duration::from_secs(3600));
    assert!(again().await.result().contains("too long ago"));
}

#[actix_web::test]
async fn links_are_limited_by_address_whether_or_not_it_has_an_account() {
    let world = World::new();
    world.account("known@example.org", false).await;
    for email in ["known@example.org", "nobody@example.org"] {
        let ask = async |network: u8| {
            let post = request(Method::POST, ASK, "").peer_addr(format!("192.0.2.{network}:1").parse().unwrap());
            world.send(post.set_json(json!({ "email": email }))).await
        };
        for network in 1..=4 {
            for _ in 0..5 {
                ask(network).await.is(202, &[]);
            }
            let answer = ask(network).await;
            answer.is(429, &[]);
            assert!(answer.header("retry-after").parse::<u64>().unwrap() <= 720);
        }
        ask(5).await.is(429, &[]);
    }
}

#[actix_web::test]
async fn the_mailed_link_opens_a_form_that_says_what_is_wrong_with_a_password() {
    let world = World::new();
    let session = world.member("ada@example.org").await;
    let token = world.reset_token("ada@example.org").await;
    let page = world.get(&format!("/reset?token={token}&utm_source=mail"), "").await;
    assert_eq!((page.status, page.header("cache-control")), (200, "no-store"));
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    assert!(page.text.contains(&format!("value=\"{token}\"")) && !page.text.contains("<script"));
    let send = |password: &str, ticked: bool| {
        let mut fields = vec![("token", token.clone()), ("password", password.to_owned())];
        fields.extend(ticked.then(|| ("end_sessions", "true".to_owned())));
        request(Method::POST, "/reset", "").set_form(fields)
    };
    let page = world.send(send("qwertyuiop[]", true)).await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (422, "text/html; charset=utf-8")
    );
    assert!(page.text.contains("This one is too easy to guess"), "{}", page.text);
    assert!(page.text.contains(&format!("value=\"{token}\"")) && !page.text.contains("qwertyuiop"));
    let page = world.send(send(NEW, false)).await;
    assert_eq!(page.status, 200, "{}", page.text);
    world.get("/v1/accounts/me", &session).await.is(200, &[]);
    assert!(world.logs_in_with(NEW).await);
    assert_eq!(world.send(send(NEW, true)).await.status, 422);
    let page = world
        .get("/reset?token=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "")
        .await;
    assert!(page.text.contains("&quot;&gt;&lt;script&gt;") && !page.text.contains("<script"));
    assert_eq!(world.get("/reset", "").await.status, 422);
}
