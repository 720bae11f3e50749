//! Credentials, roles, ids, methods.

use actix_web::http::Method;

use super::{Asked, Case, Wanted};
use crate::api::credentials::{COOKIE, CSRF_HEADER};
use crate::api::endpoints;
use crate::api::tests::openapi::cast::{Cast, Who};
use crate::api::tests::openapi::spec::{Operation, name_of, resolved};

/// What is no good as a header `Authorization`.
const NOT_GOOD: &[&str] = &[
    "",
    "Bearer",
    "Bearer ",
    "Bearer x",
    "Bearer lwk_0000000000000000000000000000000000000000000",
    "Bearer lws_0000000000000000000000000000000000000000000",
    "Basic bWVtYmVyOmNvcnJlY3QgaG9yc2U=",
    "lwk_x",
    "Bearer \u{e9}",
];

/// What says nothing as a header, or little.
const ODD_HEADERS: &[&str] = &[
    "",
    "x",
    "-1",
    "99999999999999999999999",
    "\u{e9}",
    "\"",
    "*, *",
    "bytes=0-0,2-3",
    "bytes=99999999999999999999-",
    "bytes=-0",
    "bytes=5-1",
    "W/\"\"",
];

/// Headers that any request may carry, which are to change nothing, or only what is described.
const ANY_HEADERS: &[(&str, &str)] = &[
    ("range", "bytes=0-0"),
    ("if-none-match", "*"),
    ("if-match", "\"x\""),
    ("if-modified-since", "x"),
    ("prefer", "wait=5"),
    ("accept", "text/html"),
    ("accept-encoding", "identity;q=0"),
    ("expect", "x"),
    ("te", "trailers"),
    ("content-length", "x"),
    ("x-http-method-override", "DELETE"),
    ("x-request-id", "\u{e9}"),
    ("x-request-id", "a b"),
    ("cookie", "=;;\u{e9}"),
    ("origin", "https://evil.example"),
    ("host", "evil.example"),
    ("forwarded", "for=\"_\""),
];

/// What is no id.
const NO_IDS: &[&str] = &[
    "x",
    "job_",
    "%00",
    "%ff",
    "..%2f..",
    "acc_0193a000000070008000000000000000",
    "0",
    "-1",
    "null",
];

pub(super) async fn cases(operation: &Operation, good: &Asked, cast: &Cast) -> Vec<Case> {
    let mut cases = credentials(operation, good, cast);
    for parameter in operation.parameters("path") {
        let hole = format!("{{{}}}", parameter["name"].as_str().unwrap());
        let mut wrong: Vec<_> = NO_IDS.iter().map(|id| (*id).to_owned()).collect();
        wrong.push("a".repeat(5_000));
        wrong.extend(
            resolved(&parameter["schema"])["examples"][0]
                .as_str()
                .map(str::to_owned),
        );
        for id in wrong {
            let name = format!("an id that is none: {id:.40}");
            cases.push(
                good.at(operation.path.replace(&hole, &id))
                    .case(name, Wanted::Refused(404)),
            );
        }
    }
    if let Some(path) = cast.foreign_path(operation).await {
        cases.push(good.at(path).case("another workspace's id", Wanted::Refused(404)));
    }
    let endpoint = endpoints()
        .into_iter()
        .find(|endpoint| endpoint.pattern() == operation.path)
        .unwrap();
    for method in [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW",
    ] {
        if endpoint.methods().iter().all(|other| other != method) {
            let asked = Asked {
                method: method.into(),
                ..good.clone()
            };
            cases.push(asked.case("a method that is not there", Wanted::Refused(405)));
        }
    }
    if endpoint.methods().contains(&Method::HEAD) && operation.method == "GET" {
        let asked = Asked {
            method: "HEAD".into(),
            ..good.clone()
        };
        cases.push(asked.case("the head alone", Wanted::Answered(200)));
    }
    // Where the last part is a text of the client's, it may well end so.
    let last = operation.parameters("path").pop();
    let is_free = last.is_some_and(|one| name_of(&one["schema"]).is_none() && one["schema"]["enum"].is_null());
    let longer = ["%2F", ";x=1"].map(|end| format!("{}{end}", good.uri));
    let longer = longer.into_iter().filter(|_| !is_free);
    for uri in [
        format!("{}/", good.uri),
        format!("/{}", good.uri),
        format!("/.{}", good.uri),
        format!("/x/..{}", good.uri),
        format!("{}/..", good.uri),
        format!("{}%00", good.uri),
        good.uri.to_uppercase(),
        format!("{}{}", good.uri, "x".repeat(60_000)),
    ]
    .into_iter()
    .chain(longer)
    {
        let name = format!("an address that is none: {uri:.80}");
        cases.push(good.at(uri).case(name, Wanted::Nowhere));
    }
    for (name, value) in ANY_HEADERS {
        let odd = good.clone().with(name, *value);
        cases.push(odd.case(
            format!("a header that nobody asked for: {name}: {value}"),
            Wanted::Described,
        ));
    }
    let key = good.clone().with("idempotency-key", "k");
    let keeps = operation
        .parameters("header")
        .iter()
        .any(|one| one["name"] == "Idempotency-Key");
    let wanted = if keeps { Wanted::Described } else { Wanted::Refused(400) };
    cases.push(key.case("a key", wanted));
    for parameter in operation.parameters("header") {
        let name = parameter["name"].as_str().unwrap();
        for value in ODD_HEADERS {
            let odd = good.clone().with(name, *value);
            cases.push(odd.case(format!("an odd header: {name}: {value}"), Wanted::Described));
        }
    }
    cases
}

fn credentials(operation: &Operation, good: &Asked, cast: &Cast) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut refused = |name: &str, asked: Asked, status| cases.push(asked.case(name, Wanted::Refused(status)));
    let kept_out: &[Who] = match operation.role() {
        "open" => {
            let any = NOT_GOOD.iter().map(|text| good.by(Who::Header((*text).into())));
            return any
                .map(|asked| asked.case("credentials that nobody asked for", Wanted::Described))
                .collect();
        }
        "session" => &[Who::Key, Who::OperatorKey],
        "operator" => &[Who::Key, Who::Session],
        _ => &[],
    };
    for who in kept_out {
        refused("a role that may not", good.by(who.clone()), 403);
    }
    let nobody = good.by(Who::Nobody);
    refused("no credentials", nobody.clone(), 401);
    refused("no credentials and a bad body", nobody.json("{"), 401);
    refused(
        "no credentials and a bad query",
        nobody.at(format!("{}?limit=x&a=%ff", good.uri)),
        401,
    );
    for text in NOT_GOOD {
        refused("credentials that are none", good.by(Who::Header((*text).into())), 401);
    }
    refused(
        "credentials given twice",
        good.clone().with("authorization", "Bearer x"),
        401,
    );
    for value in ["", "x", "lws_x", "\u{e9}"] {
        refused(
            "a cookie that is none",
            nobody.clone().with("cookie", format!("{COOKIE}={value}")),
            401,
        );
    }
    let session = match operation.role() {
        "operator" => cast.operator_session(),
        _ => cast.session(),
    };
    let cookie = nobody.with("cookie", format!("{COOKIE}={session}"));
    if operation.method != "GET" {
        refused(
            "a change by cookie without the token against forgery",
            cookie.clone(),
            403,
        );
    }
    let cookie = cookie.with(CSRF_HEADER, cast.world.csrf(&session));
    if operation.method != "GET" {
        let elsewhere = cookie.clone().with("origin", "https://evil.example");
        refused("another site's page", elsewhere, 403);
    }
    // Each way in that the document names; the cookie, which it names last, before it may be logged out.
    let by_session = match operation.role() {
        "session" => good.clone(),
        _ => good.by(Who::Header(format!("Bearer {session}"))),
    };
    let ways = operation.told["security"].as_array().unwrap().iter().rev();
    for scheme in ways.flat_map(|way| way.as_object().unwrap().keys()) {
        let asked = match scheme.as_str() {
            "session_cookie" => cookie.clone(),
            "session_token" => by_session.clone(),
            "api_key" => good.clone(),
            other => panic!("teach this test how one comes in by {other}"),
        };
        cases.push(asked.case(format!("a way in: {scheme}"), Wanted::LetIn));
    }
    cases
}
