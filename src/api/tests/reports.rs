//! Reports: what may be ordered, who finds them, and how their files are fetched.

use std::io::Write;
use std::time::Duration;

use actix_web::http::Method;
use serde_json::{Value, json};

use super::{Answer, PASSWORD, World, request};
use crate::domain::id::{NodeId, ReportId};
use crate::domain::job::{AttemptEnd, Queue, Retry};
use crate::domain::report::ReportFormat;
use crate::jobs::Kind as _;
use crate::jobs::kinds::ReportBuild;
use crate::reports::{FileName, Found};
use crate::store::reports::{FileEntered, NewFile, enter_file};
use crate::store::{Abort, ClaimRequest, ClaimedJob, KnownKind};

const CONTENT: &str = "id,kind\r\njob_1,probe.run\r\n";

impl World {
    /// The id of a report that is ordered.
    pub(super) async fn report(&self, token: &str) -> ReportId {
        let answer = self
            .post("/v1/reports", token, &json!({ "table": "jobs", "format": "csv" }))
            .await;
        answer.is(202, &[]);
        let listed = self.get("/v1/reports?limit=1", token).await;
        assert_eq!(listed.body["data"][0]["job_id"], answer.body["id"]);
        listed.body["data"][0]["id"].as_str().unwrap().parse().unwrap()
    }

    async fn claim_report(&self) -> ClaimedJob {
        self.claim_reports(1).await.remove(0)
    }

    async fn claim_reports(&self, limit: usize) -> Vec<ClaimedJob> {
        let claimed = self.state.store.claim(ClaimRequest {
            queue: Queue::Reports,
            kinds: vec![KnownKind {
                name: ReportBuild::NAME,
                version: ReportBuild::VERSION,
            }],
            limit,
            turn: Default::default(),
            node: NodeId::generate(),
            now: self.clock.now(),
        });
        claimed.await.unwrap().jobs
    }

    /// Builds the report that was ordered, as a reporter would, with [`CONTENT`] as its file.
    pub(super) async fn build(&self, report: ReportId) -> FileName {
        // Others may wait before it.
        let claimed = self.claim_reports(100).await;
        let is_its = |job: &ClaimedJob| job.args.contains(&report.to_string());
        let job = claimed.into_iter().find(is_its).unwrap();
        let name = FileName {
            report,
            fence: job.fence,
            format: ReportFormat::Csv,
        };
        let mut draft = self.state.reports.begin(name).unwrap();
        draft.write_all(CONTENT.as_bytes()).unwrap();
        let (bytes, sha256) = draft.publish().unwrap();
        let now = self.clock.now();
        let new = NewFile {
            report,
            job: job.id,
            fence: job.fence,
            rows: 1,
            bytes,
            sha256,
            built_at: now,
            expires_at: now.plus(Duration::from_secs(3600)),
            stored_max: 0,
        };
        let write = self
            .state
            .store
            .write(move |tx| Ok::<_, Abort<()>>(enter_file(tx.connection(), &new)?));
        assert_eq!(write.await.unwrap(), FileEntered::Yes { replaced: None });
        self.finish(&job, AttemptEnd::Completed).await;
        name
    }

    async fn fetch(&self, report: ReportId, token: &str, headers: &[(&str, &str)]) -> Answer {
        let mut get = request(Method::GET, &format!("/v1/reports/{report}/file"), token);
        for header in headers {
            get = get.append_header(*header);
        }
        self.send(get).await
    }
}

#[actix_web::test]
async fn a_report_is_accepted_as_a_job_and_found_with_what_was_asked_of_it() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let body = json!({
        "table": "mail", "format": "jsonl", "from": "2023-01-01T00:00:00Z", "to": "2023-02-01T01:00:00+01:00",
        "csv_formula_guard": false, "timeout_ms": 60_000, "priority": 3, "max_attempts": 2
    });
    let answer = world.post("/v1/reports", &token, &body).await;
    answer.is(202, &[]);
    let job = &answer.body;
    assert_eq!(
        (&job["kind"], &job["queue"]),
        (&"report.build".into(), &"reports".into())
    );
    assert_eq!((&job["priority"], &job["max_attempts"]), (&3.into(), &2.into()));
    assert_eq!(
        answer.header("location"),
        format!("/v1/jobs/{}", job["id"].as_str().unwrap())
    );
    let claimed = world.claim_report().await;
    assert_eq!(claimed.timeout, Duration::from_secs(60));
    let args: Value = serde_json::from_str(&claimed.args).unwrap();
    let report = args["report"].as_str().unwrap();
    assert_eq!(args["csv_formula_guard"], false);
    let shown = world.get(&format!("/v1/reports/{report}"), &token).await;
    shown.is(200, &[]);
    let expected = json!({
        "id": report, "job_id": job["id"], "job_state": "running", "table": "mail", "format": "jsonl",
        "from": "2023-01-01T00:00:00.000000Z", "to": "2023-02-01T00:00:00.000000Z", "state": "waiting",
        "created_at": job["created_at"], "built_at": null, "expires_at": null, "rows": null, "bytes": null,
        "sha256": null, "url": null
    });
    assert_eq!(shown.body, expected);
}

#[actix_web::test]
async fn a_report_goes_up_to_the_time_from_which_it_may_be_built_and_no_further() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let (now, later) = ("2023-11-14T22:13:20.000000Z", "2023-12-01T00:00:00.000000Z");
    for (to, run_at, expected) in [
        (Value::Null, Value::Null, now),
        (later.into(), Value::Null, now),
        (Value::Null, later.into(), later),
        (later.into(), later.into(), later),
        (now.into(), later.into(), now),
        (Value::Null, "2020-01-01T00:00:00Z".into(), now),
    ] {
        let body = json!({ "table": "jobs", "format": "csv", "to": to, "run_at": run_at });
        world.post("/v1/reports", &token, &body).await.is(202, &[]);
        let listed = world.get("/v1/reports", &token).await;
        assert_eq!(listed.body["data"][0]["to"], expected, "{body}");
    }
}

#[actix_web::test]
async fn every_wrong_field_of_a_report_is_named() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let with = |field: &str, value: Value| {
        let mut body = json!({ "table": "jobs", "format": "csv" });
        body[field] = value;
        body
    };
    for (body, pointers) in [
        (json!({ "format": "csv" }), vec!["/table"]),
        (json!({ "table": "jobs" }), vec!["/format"]),
        (with("table", "accounts".into()), vec!["/table"]),
        (with("table", Value::Null), vec!["/table"]),
        (with("format", "xlsx".into()), vec!["/format"]),
        (with("format", 1.into()), vec!["/format"]),
        (with("from", "yesterday".into()), vec!["/from"]),
        (with("from", "2023-01-01".into()), vec!["/from"]),
        (with("to", 1_700_000_000.into()), vec!["/to"]),
        (with("from", "2023-11-14T22:13:20Z".into()), vec!["/from"]),
        (with("csv_formula_guard", "no".into()), vec!["/csv_formula_guard"]),
        (with("columns", json!(["id"])), vec!["/columns"]),
        (with("timeout_ms", 0.into()), vec!["/timeout_ms"]),
        (with("priority", 11.into()), vec!["/priority"]),
        (with("max_attempts", 0.into()), vec!["/max_attempts"]),
        (
            json!({ "table": "jobs", "format": "csv", "from": "2023-01-02T00:00:00Z", "to": "2023-01-02T00:00:00Z" }),
            vec!["/to"],
        ),
        (
            json!({ "table": "jobs", "format": "csv", "from": "2024-01-02T00:00:00Z", "to": "2024-01-03T00:00:00Z" }),
            vec!["/from"],
        ),
    ] {
        world.post("/v1/reports", &token, &body).await.is(422, &pointers);
    }
    for (query, pointer) in [
        ("cursor=x", "/query/cursor"),
        ("limit=0", "/query/limit"),
        ("state=ready", "/query/state"),
    ] {
        world
            .get(&format!("/v1/reports?{query}"), &token)
            .await
            .is(422, &[pointer]);
    }
    assert_eq!(
        world.get("/v1/reports", &token).await.body["data"],
        json!([]),
        "nothing was entered"
    );
}

#[actix_web::test]
async fn reports_are_listed_page_by_page_the_newest_first() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.insert(0, world.report(&token).await.to_string());
    }
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let page = world.get(&format!("/v1/reports?limit=2{next}"), &token).await;
        let data = page.body["data"].as_array().unwrap().clone();
        seen.extend(data.iter().map(|report| report["id"].as_str().unwrap().to_owned()));
        match page.body["next_cursor"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, ids);
}

#[actix_web::test]
async fn another_workspaces_report_is_as_good_as_none_and_operators_find_all() {
    let world = World::new();
    let (ada, eve) = (
        world.member("ada@example.org").await,
        world.member("eve@example.org").await,
    );
    let report = world.report(&ada).await;
    world.build(report).await;
    let uri = format!("/v1/reports/{report}");
    for uri in [uri.clone(), format!("{uri}/file")] {
        world.get(&uri, &eve).await.is(404, &[]);
    }
    world.delete(&uri, &eve).await.is(404, &[]);
    assert_eq!(world.get("/v1/reports", &eve).await.body["data"], json!([]));
    for id in [
        "rep_0193a000000070008000000000000000",
        "garbled",
        "rep_",
        "..%2f..%2fkeys",
    ] {
        world.get(&format!("/v1/reports/{id}"), &ada).await.is(404, &[]);
        world.get(&format!("/v1/reports/{id}/file"), &ada).await.is(404, &[]);
    }
    let operator = world.operator().await;
    world.get(&format!("{uri}/file"), &operator).await.is(200, &[]);
}

#[actix_web::test]
async fn whom_a_workspace_wrote_to_is_for_itself_and_not_for_operators() {
    let world = World::new();
    let (ada, operator) = (world.member("ada@example.org").await, world.operator().await);
    let body = json!({ "table": "mail", "format": "csv" });
    for (token, status) in [(&ada, 403), (&operator, 200)] {
        world.post("/v1/reports", token, &body).await.is(202, &[]);
        let listed = world.get("/v1/reports?limit=1", token).await;
        let report = listed.body["data"][0]["id"].as_str().unwrap().parse().unwrap();
        world.build(report).await;
        let uri = format!("/v1/reports/{report}");
        world.get(&uri, &operator).await.is(200, &[]);
        world.get(&format!("{uri}/file"), token).await.is(200, &[]);
        world.get(&format!("{uri}/file"), &operator).await.is(status, &[]);
    }
}

#[actix_web::test]
async fn a_file_is_fetched_whole_with_what_a_client_needs_to_keep_it() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let report = world.report(&token).await;
    world.build(report).await;
    let answer = world.fetch(report, &token, &[]).await;
    answer.is(200, &[]);
    assert_eq!(answer.text, CONTENT);
    let shown = world.get(&format!("/v1/reports/{report}"), &token).await.body;
    assert_eq!(shown["state"], "ready");
    assert_eq!(shown["url"], format!("http://127.0.0.1:8080/v1/reports/{report}/file"));
    let etag = format!("\"{}\"", shown["sha256"].as_str().unwrap());
    for (name, value) in [
        ("content-type", "text/csv; charset=utf-8; header=present"),
        (
            "content-disposition",
            &format!("attachment; filename=\"jobs-{report}.csv\""),
        ),
        ("etag", &etag),
        ("accept-ranges", "bytes"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "private, no-cache"),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    for tags in [etag.clone(), format!("\"x\", W/{etag}"), "*".to_owned()] {
        let answer = world.fetch(report, &token, &[("if-none-match", &tags)]).await;
        assert_eq!((answer.status, answer.text.as_str()), (304, ""), "{tags}");
        assert_eq!(answer.header("etag"), etag);
    }
    world
        .fetch(report, &token, &[("if-none-match", "\"x\"")])
        .await
        .is(200, &[]);
}

#[actix_web::test]
async fn a_part_of_a_file_is_fetched_by_its_range() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let report = world.report(&token).await;
    world.build(report).await;
    let len = CONTENT.len();
    for (range, part, shown) in [
        ("bytes=0-1", &CONTENT[..2], format!("bytes 0-1/{len}")),
        ("bytes=9-", &CONTENT[9..], format!("bytes 9-{}/{len}", len - 1)),
        (
            "bytes=-4",
            &CONTENT[len - 4..],
            format!("bytes {}-{}/{len}", len - 4, len - 1),
        ),
        ("bytes=0-999999", CONTENT, format!("bytes 0-{}/{len}", len - 1)),
    ] {
        let answer = world.fetch(report, &token, &[("range", range)]).await;
        answer.is(206, &[]);
        assert_eq!(
            (answer.text.as_str(), answer.header("content-range")),
            (part, shown.as_str()),
            "{range}"
        );
    }
    for range in ["bytes=0-1,4-5", "bytes=x", "lines=1-2"] {
        let answer = world.fetch(report, &token, &[("range", range)]).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, CONTENT), "{range}");
    }
    let beyond = world.fetch(report, &token, &[("range", "bytes=1000-")]).await;
    beyond.is(416, &[]);
    assert_eq!(beyond.header("content-range"), format!("bytes */{len}"));
    let etag = world.fetch(report, &token, &[]).await.header("etag").to_owned();
    for (tag, status) in [
        (etag.clone(), 206),
        ("\"other\"".to_owned(), 200),
        (format!("W/{etag}"), 200),
        ("Tue, 14 Nov 2023 22:13:20 GMT".to_owned(), 200),
    ] {
        let answer = world
            .fetch(report, &token, &[("range", "bytes=0-1"), ("if-range", &tag)])
            .await;
        assert_eq!(answer.status, status, "{tag}");
    }
}

#[actix_web::test]
async fn a_report_that_is_not_built_says_where_its_job_is_and_an_expired_one_is_gone() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let report = world.report(&token).await;
    let waiting = world.fetch(report, &token, &[]).await;
    waiting.is(409, &[]);
    assert!(waiting.text.contains("its job is available"), "{}", waiting.text);
    world.build(report).await;
    world.fetch(report, &token, &[]).await.is(200, &[]);
    world.advance(Duration::from_secs(3600));
    world.fetch(report, &token, &[]).await.is(410, &[]);
    let shown = world.get(&format!("/v1/reports/{report}"), &token).await.body;
    assert_eq!((&shown["state"], &shown["url"]), (&"expired".into(), &Value::Null));

    let failed = world.report(&token).await;
    let job = world.claim_report().await;
    world.finish(&job, AttemptEnd::Failed(Retry::Never)).await;
    let answer = world.fetch(failed, &token, &[]).await;
    answer.is(409, &[]);
    assert!(answer.text.contains("its job is discarded"), "{}", answer.text);
    let shown = world.get(&format!("/v1/reports/{failed}"), &token).await.body;
    assert_eq!(shown["state"], "not_built");
}

#[actix_web::test]
async fn deleting_a_report_removes_its_file_and_ends_the_job_that_was_to_build_it() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let report = world.report(&token).await;
    let name = world.build(report).await;
    world
        .delete(&format!("/v1/reports/{report}"), &token)
        .await
        .is(204, &[]);
    assert_eq!(
        world.state.reports.list().unwrap(),
        Vec::<Found>::new(),
        "{name} is left"
    );
    world.get(&format!("/v1/reports/{report}"), &token).await.is(404, &[]);
    world.fetch(report, &token, &[]).await.is(404, &[]);
    world
        .delete(&format!("/v1/reports/{report}"), &token)
        .await
        .is(404, &[]);

    let waiting = world.report(&token).await;
    let job = world.get(&format!("/v1/reports/{waiting}"), &token).await.body["job_id"].clone();
    world
        .delete(&format!("/v1/reports/{waiting}"), &token)
        .await
        .is(204, &[]);
    let job = world.get(&format!("/v1/jobs/{}", job.as_str().unwrap()), &token).await;
    assert_eq!(job.body["state"], "cancelled");
    assert_eq!(world.hurried.lock().unwrap().len(), 1);
}

#[actix_web::test]
async fn a_file_that_is_no_longer_there_is_gone() {
    let world = World::new();
    let token = world.member("ada@example.org").await;
    let report = world.report(&token).await;
    let name = world.build(report).await;
    assert!(world.state.reports.remove(&name.into()).unwrap());
    world.fetch(report, &token, &[]).await.is(410, &[]);
}

#[actix_web::test]
async fn a_download_under_way_goes_on_when_its_file_is_removed_and_a_login_by_cookie_may_begin_one() {
    let world = World::new();
    world.account("ada@example.org", false).await;
    let login = json!({ "email": "ada@example.org", "password": PASSWORD });
    let session = world.post("/v1/sessions", "", &login).await;
    let (token, cookie) = (session.body["token"].as_str().unwrap(), session.header("set-cookie"));
    let report = world.report(token).await;
    world.build(report).await;
    let get = request(Method::GET, &format!("/v1/reports/{report}/file"), "")
        .insert_header(("cookie", cookie.split(';').next().unwrap()));
    let begun = world.begin(get).await;
    assert_eq!(begun.status().as_u16(), 200);
    world.delete(&format!("/v1/reports/{report}"), token).await.is(204, &[]);
    let bytes = actix_web::body::to_bytes(begun.into_body()).await.unwrap();
    assert_eq!(bytes, CONTENT);
}
