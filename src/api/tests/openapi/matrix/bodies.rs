//! Whole bodies: no file, not JSON, not the right type, too large.

use super::{Asked, Case, Wanted};
use crate::api::http::Limits;
use crate::api::tests::openapi::spec::Operation;

pub(super) fn cases(operation: &Operation, good: &Asked) -> Vec<Case> {
    let oversized = vec![b' '; Limits::default().max_body_bytes + 1];
    if operation.file().is_some() {
        return files(good, oversized);
    }
    if operation.body().is_none() {
        let unasked = [good.json("{\"a\":1}"), good.json("{"), good.json(oversized)];
        return unasked
            .map(|asked| asked.case("a body that nobody asked for", Wanted::Described))
            .into();
    }
    let mut cases = Vec::new();
    let mut refused = |name: &str, asked: Asked, status| cases.push(asked.case(name, Wanted::Refused(status)));
    refused("too large", good.json(oversized), 413);
    refused("no body", good.clone().body(Vec::new()), 400);
    let deep = "[".repeat(100_000);
    let nested = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let malformed: [&[u8]; 15] = [
        b" ",
        b"{",
        b"[1,",
        b"{\"a\":}",
        b"{} {}",
        b"{'a':1}",
        b"nonsense",
        b"{\"a\":01}",
        b"{\"a\":NaN}",
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        b"{\"a\":\"\xff\"}",
        b"{\"a\":\"\x00\"}",
        deep.as_bytes(),
        nested.as_bytes(),
    ];
    for body in malformed {
        refused("not JSON", good.json(body), 400);
    }
    for kind in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin-1",
        "nonsense",
        "multipart/form-data",
    ] {
        refused("another type of content", good.clone().with("content-type", kind), 415);
    }
    for kind in [
        "application/json; charset=UTF-8",
        "application/json;charset=\"utf-8\"",
        "APPLICATION/JSON; x=y",
    ] {
        refused(
            "the type of content, spelled otherwise",
            good.json("{").with("content-type", kind),
            400,
        );
    }
    let mut untyped = good.clone();
    untyped.headers.clear();
    refused("no type of content", untyped, 415);
    refused("compressed", good.clone().with("content-encoding", "gzip"), 415);
    for body in ["null", "true", "5", "1.5", "\"x\"", "[]", "[{}]"] {
        cases.push(
            good.json(body)
                .case(format!("the whole body is {body}"), Wanted::Blamed(String::new())),
        );
    }
    cases
}

/// A file may be anything, but nothing, and of any type that mails may carry, JSON among them.
fn files(good: &Asked, oversized: Vec<u8>) -> Vec<Case> {
    let odd = ["", "nonsense", "text/", "message/rfc822", "text/plain\u{e9}"];
    let mut cases: Vec<Case> = odd
        .map(|kind| {
            let asked = good.clone().with("content-type", kind);
            asked.case(format!("a file of no type that is taken: {kind}"), Wanted::Refused(415))
        })
        .into();
    let compressed = good.clone().with("content-encoding", "gzip");
    cases.push(compressed.case("a compressed file", Wanted::Refused(415)));
    cases.push(good.clone().body(Vec::new()).case("no file", Wanted::Refused(400)));
    let larger = good.json(oversized);
    cases.push(larger.case("a file larger than any JSON may be", Wanted::Answered(201)));
    let mut nameless = good.clone();
    nameless.headers.clear();
    cases.push(nameless.case("a file without a name", Wanted::Blamed("/query/name".into())));
    cases
}
