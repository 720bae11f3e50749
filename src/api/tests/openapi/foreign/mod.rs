//! One workspace's ids in the hands of another's members: over every operation and every place that takes an id, as the document
//! names them, so that a new route, or a new place, is tried at once or fails the test that does not know it.
//!
//! Guarantees: to a member, another's id is one that nobody has: the same status, headers and body, byte for byte, after the
//! same statements to the database, which is what its time is made of; and nothing of the other's changes.

mod operator;

use std::collections::{BTreeMap, BTreeSet};

use actix_web::http::Method;
use actix_web::test::TestRequest;
use serde_json::Value;

use super::cast::{Cast, Who};
use super::places::{Place, places, with_at};
use super::spec::Operation;
use crate::api::jobs::cursor;
use crate::api::tests::{Answer, app, ask, request};
use crate::domain::id::WorkspaceId;
use crate::store::testing::tenants::{Statements, rows_of};

/// The fewest pairs of requests: somewhat below what there are, so that they cannot become none unseen.
const PAIRS_MIN: usize = 250;

/// The methods that are tried at every path with an id.
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// One request, but for the id in it.
struct Asked<'a> {
    operation: &'a Operation,
    method: &'static str,
    place: &'a Place,
    /// The path with something of the asker's own in it.
    own: &'a str,
    /// The body, but for the id.
    body: Option<&'a Value>,
    who: Who,
}

impl Asked<'_> {
    /// The request with this id; none if its place is not in the body.
    fn with(&self, id: &str, cast: &Cast) -> Option<TestRequest> {
        let mut uri = self.own.to_owned();
        let mut body = self.body.cloned();
        match self.place {
            Place::Path(name) => uri = at_path(&self.operation.path, name, id, self.own),
            Place::Query(name) => uri = format!("{uri}?{name}={id}"),
            Place::Cursor(name) => uri = format!("{uri}?{name}={}", cursor::write(id)),
            Place::Body(pointer) => body = Some(with_at(self.body?, pointer, &id.into())?),
        }
        // The same id for all requests, so that answers can be compared as they are.
        let mut asking = request(self.method.parse().unwrap(), &uri, "").insert_header(("x-request-id", "one"));
        if let Some(value) = cast.authorization(&self.who) {
            asking = asking.insert_header(("authorization", value));
        }
        Some(match body {
            Some(body) => asking.set_json(body),
            None => asking,
        })
    }

    /// Whether who asks may use the operation at all.
    fn is_let_in(&self) -> bool {
        let method = if self.method == "HEAD" { "GET" } else { self.method };
        let is_its = self.operation.method == method;
        let may = match self.operation.role() {
            "member" => true,
            "session" => self.who == Who::Session,
            _ => false,
        };
        is_its && may
    }
}

/// The path of an operation with this id, and the rest as it is in `own`.
fn at_path(pattern: &str, name: &str, id: &str, own: &str) -> String {
    let hole = format!("{{{name}}}");
    let parts = pattern.split('/').zip(own.split('/'));
    let parts: Vec<&str> = parts.map(|(part, own)| if part == hole { id } else { own }).collect();
    parts.join("/")
}

/// An id of the same sort and the same time that nobody has.
fn nobodys(id: &str) -> String {
    let (kept, end) = id.split_at(id.len() - 6);
    let other = end.chars().map(|digit| if digit == '7' { '8' } else { '7' });
    format!("{kept}{}", other.collect::<String>())
}

/// What of an answer a client can tell, with the id taken out.
fn told(answer: &Answer, id: &str) -> (u16, BTreeMap<String, String>, String) {
    let headers = answer.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).replace(id, "ID");
        (name.to_string(), value)
    });
    (answer.status, headers.collect(), answer.text.replace(id, "ID"))
}

/// The bodies to ask with: every example, or none where there is none.
fn bodies(operation: &Operation) -> Vec<Option<Value>> {
    let examples = operation.examples();
    if examples.is_empty() {
        return vec![None];
    }
    examples.into_iter().map(|(_, body)| Some(body)).collect()
}

#[actix_web::test]
async fn to_a_member_another_workspaces_id_is_one_that_nobody_has_wherever_it_stands() {
    let cast = Cast::new().await;
    let app = app(cast.world.state.clone()).await;
    let mut ids: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for sort in Operation::all().iter().flat_map(places).filter_map(|(_, sort)| sort) {
        if !ids.contains_key(sort) {
            ids.insert(sort, cast.of_the_stranger(sort).await);
        }
    }
    let everything: Vec<String> = ids.values().flatten().cloned().collect();
    let workspace: WorkspaceId = ids["WorkspaceId"][0].parse().unwrap();
    let before = rows_of(&cast.world.state.store, workspace);
    assert!(before["jobs"].len() >= 4 && before["reports"].len() == 2, "{before:?}");
    let statements = Statements::of(&cast.world.state.store, 2).await;
    let (mut pairs, mut wrong, mut blamed) = (0, Vec::new(), BTreeSet::new());
    for operation in Operation::all() {
        let found = places(&operation);
        if found.is_empty() {
            continue;
        }
        let own = cast.path(&operation).await;
        // Anew, since to make that ready a worker may have taken jobs of everybody.
        let before = rows_of(&cast.world.state.store, workspace);
        for (place, sort) in &found {
            let ids = sort.map_or(&everything, |sort| &ids[sort]);
            let methods = match place {
                Place::Path(_) => METHODS,
                _ => &METHODS[METHODS.iter().position(|one| *one == operation.method).unwrap()..][..1],
            };
            for (method, who) in methods
                .iter()
                .copied()
                .flat_map(|method| [(method, Who::Session), (method, Who::Key)])
            {
                for body in bodies(&operation) {
                    let (operation, body) = (&operation, body.as_ref());
                    let asked = Asked {
                        operation,
                        method,
                        place,
                        own: &own,
                        body,
                        who: who.clone(),
                    };
                    for id in ids {
                        let unknown = nobodys(id);
                        let (Some(first), Some(second)) = (asked.with(&unknown, &cast), asked.with(id, &cast)) else {
                            continue;
                        };
                        let mut answers = Vec::new();
                        for (asking, id) in [(first, &unknown), (second, id)] {
                            // Who asks is known from then on, for as long as nothing is written.
                            let me = request(Method::GET, "/v1/accounts/me", "")
                                .insert_header(("authorization", cast.authorization(&asked.who).unwrap()));
                            ask(&app, me.to_request()).await;
                            statements.take();
                            let answer = ask(&app, asking.to_request()).await;
                            answers.push((told(&answer, id), statements.take()));
                            if let Some(pointer) = answer.body.pointer("/errors/0/pointer").and_then(Value::as_str) {
                                blamed.insert((operation.id(), pointer.trim_end_matches("/0").to_owned()));
                            }
                        }
                        pairs += 1;
                        let here = format!("{} {place:?} {id}: {method} by {who:?} {body:?}", operation.id());
                        if answers[0] != answers[1] {
                            wrong.push(format!("{here}:\n  {:?}\n  {:?}", answers[0], answers[1]));
                        }
                        let status = answers[1].0.0;
                        // A stream has no head.
                        let is_there = status != 405 || method != "HEAD";
                        if matches!(place, Place::Path(_)) && asked.is_let_in() && is_there && status != 404 {
                            wrong.push(format!("{here}: {status}"));
                        }
                        if method == "DELETE" && status < 300 {
                            cast.log_in_again().await;
                        }
                    }
                }
            }
            if let Place::Body(pointer) = place
                && operation.role() == "member"
            {
                let field = pointer.trim_end_matches("/*").replace("/*/", "/0/");
                if !blamed.contains(&(operation.id(), field.clone())) {
                    wrong.push(format!("{}: no example had the id at {field} blamed", operation.id()));
                }
            }
        }
        let after = rows_of(&cast.world.state.store, workspace);
        if after != before {
            wrong.push(format!("{}: rows of the other workspace changed", operation.id()));
        }
    }
    assert!(wrong.is_empty(), "{} of {pairs}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(pairs >= PAIRS_MIN, "only {pairs} pairs");
}
