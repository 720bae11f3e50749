//! Requests through a whole application, as a client sees them.

use std::collections::HashMap;
use std::time::Duration;

use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::from_fn;
use actix_web::test::{TestRequest, init_service, try_call_service};
use actix_web::{App, Error, HttpResponse, HttpServer, ResponseError as _, web};
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::domain::id::JobId;
use crate::telemetry::checked_log::CheckedLog;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    state: Option<String>,
    limit: Option<u8>,
    queue: Option<Vec<String>>,
    all: Option<bool>,
}

async fn greet(StrictJson(body): StrictJson<Named>) -> Result<String, Problem> {
    let mut fields = Fields::new();
    let name = fields.check(
        "/name",
        if body.name.len() < 5 {
            Ok(body.name)
        } else {
            Err("must be short")
        },
    );
    let polite = name.as_deref().is_none_or(|name| name != "rude");
    if !polite {
        fields.refuse("/name", "must be polite");
    }
    fields.finish_with(name)
}

async fn list(StrictQuery(filter): StrictQuery<Filter>) -> String {
    format!(
        "{:?} {:?} {:?} {:?}",
        filter.state, filter.limit, filter.queue, filter.all
    )
}

async fn show(PathParam(id): PathParam<JobId>) -> String {
    id.to_string()
}

async fn fail() -> Result<HttpResponse, Problem> {
    Err(Problem::internal(std::io::Error::other("secret cause")))
}

async fn fail_in_the_framework() -> Result<HttpResponse, Error> {
    Err(actix_web::error::ErrorInternalServerError("secret text"))
}

async fn crash() -> HttpResponse {
    panic!("secret: on purpose")
}

async fn hang() -> HttpResponse {
    std::future::pending().await
}

async fn page() -> HttpResponse {
    HttpResponse::BadRequest()
        .content_type("text/html; charset=utf-8")
        .body("<p>a page about a bad link</p>")
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .service(Endpoint::at("/greet").post(greet))
        .service(Endpoint::at("/list").get(list))
        .service(Endpoint::at("/jobs/{id}").get(show).delete(show))
        .service(Endpoint::at("/fail").get(fail))
        .service(Endpoint::at("/framework").get(fail_in_the_framework))
        .service(Endpoint::at("/crash").get(crash))
        .service(Endpoint::at("/hang").get(hang))
        .service(Endpoint::at("/page").get(page))
        .service(Endpoint::at("/stream").stream(page))
        .service(web::resource("/bare").route(web::get().to(HttpResponse::Ok)))
        .service(web::resource("/form").route(web::post().to(|_: web::Json<Value>| async { "read" })));
}

const LIMITS: Limits = Limits {
    max_body_bytes: 100,
    mail_body_bytes: 100,
    request_timeout: Duration::from_millis(200),
};

macro_rules! app {
    () => {
        App::new()
            .app_data(web::Data::new(LIMITS))
            .configure(routes)
            .default_service(web::to(security::not_found))
            .wrap(from_fn(security::limit_time))
            .wrap(from_fn(request_id::track))
            .wrap(from_fn(unread::close))
    };
}

/// What a client sees of an answer.
struct Answer {
    status: u16,
    headers: HashMap<String, String>,
    body: Value,
}

async fn answer(request: TestRequest) -> Answer {
    let app = init_service(app!()).await;
    let answer = match try_call_service(&app, request.to_request()).await {
        Ok(answer) => answer.map_into_boxed_body().into_parts().1,
        Err(error) => error.error_response(),
    };
    let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
    let headers = answer
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect();
    let status = answer.status().as_u16();
    let body = actix_web::body::to_bytes(answer.into_body()).await.unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    Answer {
        status,
        headers,
        body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
    }
}

fn get(uri: &str) -> TestRequest {
    TestRequest::get().uri(uri)
}

fn post(body: &'static str) -> TestRequest {
    TestRequest::post()
        .uri("/greet")
        .insert_header(header::ContentType::json())
        .set_payload(body)
}

#[actix_web::test]
async fn every_refusal_is_a_problem_with_the_id_of_its_request() {
    let post_to = |uri| TestRequest::post().uri(uri);
    let json = header::ContentType::json;
    for (request, status, slug) in [
        (get("/nowhere"), 404, "not-found"),
        (get("/jobs/acc_1"), 404, "not-found"),
        (get("/greet"), 405, "method-not-allowed"),
        (post_to("/bare"), 405, "method-not-allowed"),
        (post("{\"name\""), 400, "malformed-json"),
        (post("{}"), 422, "invalid-input"),
        (post("{\"name\": \"too long\"}"), 422, "invalid-input"),
        (
            post_to("/greet").insert_header(json()).set_payload("x".repeat(101)),
            413,
            "payload-too-large",
        ),
        (post_to("/greet").set_payload("{}"), 415, "unsupported-media-type"),
        (
            post("{}").insert_header((header::CONTENT_ENCODING, "gzip")),
            415,
            "unsupported-media-type",
        ),
        (get("/list?colour=red"), 422, "invalid-input"),
        (get("/fail"), 500, "internal"),
        (get("/framework"), 500, "internal"),
        (get("/crash"), 500, "internal"),
        (get("/hang"), 503, "unavailable"),
        (
            post_to("/form").insert_header(json()).set_payload("{"),
            400,
            "bad-request",
        ),
    ] {
        let Answer {
            status: found,
            headers,
            body,
        } = answer(request.insert_header(("x-request-id", "abc.1"))).await;
        assert_eq!(
            (found, &body["type"]),
            (status, &Value::from(format!("/problems/{slug}"))),
            "{body}"
        );
        assert_eq!(
            (&body["status"], &body["request_id"]),
            (&status.into(), &"abc.1".into()),
            "{body}"
        );
        assert!(body["title"].is_string() && body["detail"].is_string(), "{body}");
        assert!(!body.to_string().contains("secret"), "{body}");
        for (name, value) in [
            ("content-type", "application/problem+json"),
            ("x-request-id", "abc.1"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("x-frame-options", "DENY"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(headers[name], value, "{name} of {body}");
        }
    }
}

#[actix_web::test]
async fn a_good_request_is_answered_with_the_headers_that_protect_it() {
    let Answer { status, headers, body } = answer(post("{\"name\": \"ann\"}")).await;
    assert_eq!((status, body), (200, "ann".into()));
    assert_eq!(headers["x-request-id"].len(), 32);
    assert_eq!(headers["cache-control"], "no-store");
    let Answer { status, headers, body } = answer(get("/page")).await;
    assert_eq!(
        (status, body),
        (400, "<p>a page about a bad link</p>".into()),
        "a page stays a page"
    );
    assert!(headers["content-security-policy"].contains("form-action 'self'"));
    assert_eq!(headers["cross-origin-opener-policy"], "same-origin");
    assert!(headers["permissions-policy"].contains("camera=()"));
}

#[actix_web::test]
async fn a_method_that_is_not_there_is_answered_with_those_that_are() {
    let refused = answer(TestRequest::post().uri("/jobs/x")).await;
    assert_eq!(refused.headers["allow"], "GET, HEAD, DELETE");
    assert_eq!(refused.body["detail"], "this address allows: GET, HEAD, DELETE");
    assert_eq!(answer(TestRequest::post().uri("/bare")).await.headers["allow"], "GET");
    let id = JobId::generate();
    let stream = TestRequest::default().method(Method::HEAD).uri("/stream");
    assert_eq!(
        answer(stream).await.headers["allow"],
        "GET",
        "a stream has no end to leave out"
    );
    let head = TestRequest::default().method(Method::HEAD).uri(&format!("/jobs/{id}"));
    assert_eq!(answer(head).await.status, 200);
    assert_eq!(answer(get(&format!("/jobs/{id}"))).await.body, id.to_string());
}

#[actix_web::test]
async fn an_id_that_is_not_well_formed_is_replaced() {
    for bad in ["", "a b", "a/b", &"x".repeat(65), "é"] {
        let Answer { headers, .. } = answer(get("/bare").insert_header(("x-request-id", bad))).await;
        assert_eq!(headers["x-request-id"].len(), 32, "{bad}");
    }
    let longest = "x".repeat(64);
    let Answer { headers, .. } = answer(get("/bare").insert_header(("x-request-id", longest.as_str()))).await;
    assert_eq!(headers["x-request-id"], longest);
}

#[actix_web::test]
async fn query_parameters_are_read_by_type_and_wrong_ones_are_named() {
    let good = answer(get("/list?state=run%20ning&limit=5&queue=mail,calls&all=true")).await;
    assert_eq!(
        good.body,
        r#"Some("run ning") Some(5) Some(["mail", "calls"]) Some(true)"#
    );
    assert_eq!(answer(get("/list")).await.body, "None None None None");
    for (query, pointer, detail) in [
        (
            "colour=red",
            "/query/colour",
            "is not a known field; known are: state, limit, queue, all",
        ),
        ("limit=many", "/query/limit", "must be a whole number from 0 to 255"),
        ("limit=256", "/query/limit", "must be a whole number from 0 to 255"),
        ("all=yes", "/query/all", "must be true or false"),
        ("state=a&state=b", "/query/state", "is given more than once"),
    ] {
        let Answer { status, body, .. } = answer(get(&format!("/list?{query}"))).await;
        assert_eq!(
            (status, &body["errors"][0]["pointer"]),
            (422, &pointer.into()),
            "{body}"
        );
        assert_eq!(body["errors"][0]["detail"], detail);
    }
}

#[actix_web::test]
async fn several_bad_fields_are_told_in_one_answer() {
    let mut fields = Fields::new();
    assert_eq!(fields.check("/a", Err::<(), _>("must be so")), None);
    assert_eq!(fields.check("/b", Ok::<_, &str>(1)), Some(1));
    fields.refuse("/c", "must be otherwise");
    assert!(!fields.is_fine());
    let problem = fields.finish_with(Some(1)).unwrap_err();
    let pointers: Vec<_> = problem.errors().iter().map(|error| error.pointer.as_str()).collect();
    assert_eq!(pointers, ["/a", "/c"]);
    assert!(Fields::new().finish().is_ok());
}

#[test]
fn a_problem_says_when_to_try_again_in_whole_seconds_and_never_at_once() {
    for (after, seconds) in [
        (Duration::ZERO, "1"),
        (Duration::from_millis(1001), "2"),
        (Duration::from_secs(5), "5"),
    ] {
        let answer = Problem::too_many_requests("slow down", after).error_response();
        assert_eq!(answer.headers().get("retry-after").unwrap(), seconds);
    }
    let answer = Problem::unauthenticated("log in").error_response();
    assert_eq!(answer.headers().get("www-authenticate").unwrap(), "Bearer");
}

#[test]
fn slugs_are_told_apart_and_fit_their_status() {
    let mut seen = std::collections::HashSet::new();
    for slug in Slug::ALL {
        assert!(seen.insert(slug.as_str()) && slug.status().as_u16() >= 400, "{slug:?}");
    }
    assert_eq!(Slug::of_status(StatusCode::IM_A_TEAPOT), Some(Slug::BadRequest));
    assert_eq!(Slug::of_status(StatusCode::BAD_GATEWAY), Some(Slug::Internal));
    assert_eq!(Slug::of_status(StatusCode::OK), None);
}

/// What is logged while `request` is answered, one value a line.
async fn logged(request: TestRequest) -> Vec<Value> {
    let log = CheckedLog::begin();
    answer(request).await;
    log.lines()
}

#[actix_web::test]
async fn a_request_is_one_line_with_the_pattern_of_its_route_and_never_its_path() {
    let id = JobId::generate().to_string();
    let lines = logged(get(&format!("/jobs/{id}?token=hush"))).await;
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(
        (&line["event"], &line["level"], &line["method"]),
        (&"request".into(), &"INFO".into(), &"GET".into())
    );
    assert_eq!((&line["route"], &line["status"]), (&"/jobs/{id}".into(), &200.into()));
    assert!(line["duration_ms"].is_u64() && line["request_id"].is_string());
    assert!(!line.to_string().contains(&id) && !line.to_string().contains("hush"));
}

#[actix_web::test]
async fn bad_input_is_no_error_in_the_log_and_a_fault_is_one_with_its_cause() {
    let lines = logged(post("{")).await;
    assert_eq!((lines.len(), &lines[0]["level"]), (1, &"INFO".into()));
    for (uri, cause) in [
        ("/fail", "secret cause"),
        ("/framework", "secret text"),
        ("/hang", "a handler took longer"),
        ("/crash", "the handler panicked"),
    ] {
        let lines = logged(get(uri)).await;
        let [fault, line] = lines.as_slice() else {
            panic!("{lines:?}")
        };
        assert_eq!(
            (&fault["event"], &line["event"]),
            (&"request_failed".into(), &"request".into())
        );
        assert!(fault["error"].as_str().unwrap().starts_with(cause), "{fault}");
        assert_eq!((&fault["level"], &line["level"]), (&"ERROR".into(), &"ERROR".into()));
        assert_eq!(
            (&fault["request_id"], &line["route"]),
            (&line["request_id"], &uri.into())
        );
    }
}

/// What a real server answers to `request`, as text, until it closes the connection.
async fn over_the_wire(request: &str) -> String {
    let server = HttpServer::new(|| app!()).workers(1).bind(("127.0.0.1", 0)).unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    let running = tokio::task::spawn_local(server);
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    let read = client.read_to_string(&mut text);
    tokio::time::timeout(Duration::from_secs(10), read)
        .await
        .expect("the connection is closed")
        .unwrap();
    handle.stop(false).await;
    running.await.unwrap().unwrap();
    text
}

const POST: &str = "POST /greet HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n";

#[actix_web::test]
async fn a_client_that_sends_its_body_drop_by_drop_is_cut_off() {
    let text = over_the_wire(&format!("{POST}Content-Length: 20\r\n\r\n{{\"name\"")).await;
    assert!(
        text.starts_with("HTTP/1.1 408 ") && text.contains("/problems/request-timeout"),
        "{text}"
    );
}

#[actix_web::test]
async fn a_body_in_chunks_that_has_no_end_does_not_keep_its_connection() {
    let chunk = format!("3c\r\n{}\r\n", " ".repeat(60));
    for (path, body, status) in [
        ("/greet", format!("{chunk}{chunk}"), 413),
        ("/greet", "ff\r\n{\"name\":".to_owned(), 408),
        ("/nothing", chunk.clone(), 404),
        ("/list", chunk, 405),
    ] {
        // Without `Connection: close`: it is the service that closes.
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n");
        let text = over_the_wire(&format!("{head}Transfer-Encoding: chunked\r\n\r\n{body}")).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {text}");
        assert!(text.contains("\r\nconnection: close\r\n"), "{path}: {text}");
    }
}

#[actix_web::test]
async fn a_body_that_does_not_say_its_length_is_bounded_too() {
    let chunk = format!("3c\r\n{}\r\n", " ".repeat(60));
    let text = over_the_wire(&format!(
        "{POST}Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n"
    ))
    .await;
    assert!(
        text.starts_with("HTTP/1.1 413 ") && text.contains("at most 100 bytes"),
        "{text}"
    );
    let text = over_the_wire(&format!(
        "{POST}Transfer-Encoding: chunked\r\n\r\nf\r\n{{\"name\": \"ann\"}}\r\n0\r\n\r\n"
    ))
    .await;
    assert!(text.starts_with("HTTP/1.1 200 ") && text.ends_with("ann"), "{text}");
}
