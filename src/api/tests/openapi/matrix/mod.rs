//! Bad input over every operation of the document, made from the document, so that a new operation is covered at once.
//!
//! Guarantees: never a 5xx and nothing at error level in the log; a refusal is a problem of a status that the operation
//! describes; who may not come in learns that first; a wrong field is named by its pointer; and each documented limit is the
//! limit of the code: what lies just within is not blamed, what lies just beyond is.

mod access;
mod bodies;
mod fields;
mod queries;

use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::test::TestRequest;
use serde_json::Value;

use super::cast::{Cast, FILE_NAME, Who};
use super::conforms;
use super::spec::Operation;
use crate::api::tests::{Answer, app, ask};

/// The fewest cases: somewhat below what there are, so that the matrix cannot become empty unseen.
const CASES_MIN: usize = 3_500;

/// One request.
#[derive(Clone)]
pub(super) struct Asked {
    method: String,
    uri: String,
    who: Who,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// One request, and what is to come of it.
pub(super) struct Case {
    name: String,
    asked: Asked,
    wanted: Wanted,
}

/// What is to come of a request.
#[derive(Debug)]
pub(super) enum Wanted {
    /// A refusal with this status.
    Refused(u16),
    /// An answer with this status.
    Answered(u16),
    /// A refusal of an address at which nothing is, or nothing for this method.
    Nowhere,
    /// Anything but a word against who asks.
    LetIn,
    /// A 422 that names the field at this pointer, or one within it.
    Blamed(String),
    /// Whatever is described, but no word against the field at this pointer.
    Spared(String),
    /// Whatever is described.
    Described,
}

impl Asked {
    /// The good request that cases are made from.
    async fn good(operation: &Operation, cast: &Cast) -> (Self, Option<Value>) {
        let asked = Self {
            method: operation.method.clone(),
            uri: cast.path(operation).await,
            who: Who::of(operation),
            headers: Vec::new(),
            body: Vec::new(),
        };
        match operation.examples().into_iter().next() {
            Some((_, example)) => {
                let body = cast.prepared(operation, example).await;
                (asked.json(body.to_string()), Some(body))
            }
            None => match operation.file() {
                Some(file) => (asked.with(FILE_NAME.0, FILE_NAME.1).body(file), None),
                None => (asked, None),
            },
        }
    }

    fn json(&self, body: impl Into<Vec<u8>>) -> Self {
        self.clone().with("content-type", "application/json").body(body)
    }

    fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With this header, in place of one of the same name.
    fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    fn by(&self, who: Who) -> Self {
        Self { who, ..self.clone() }
    }

    fn at(&self, uri: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            ..self.clone()
        }
    }

    fn case(self, name: impl Into<String>, wanted: Wanted) -> Case {
        Case {
            name: name.into(),
            asked: self,
            wanted,
        }
    }

    fn request(&self, cast: &Cast) -> TestRequest {
        let method: Method = self.method.parse().unwrap();
        let mut request = TestRequest::default().method(method).uri(&self.uri);
        if let Some(value) = cast.authorization(&self.who) {
            request = request.insert_header(("authorization", value));
        }
        for (name, value) in &self.headers {
            request = request.append_header((name.as_str(), value.as_str()));
        }
        request.set_payload(self.body.clone())
    }
}

impl Wanted {
    /// What is wrong with the answer.
    fn judge(&self, answer: &Answer) -> Result<(), String> {
        let blamed: Vec<_> = answer.body["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| one["pointer"].as_str())
            .collect();
        let names = |pointer: &str| {
            let within = format!("{pointer}/");
            blamed
                .iter()
                .flatten()
                .any(|one| *one == pointer || one.starts_with(&within))
        };
        let fits = match self {
            Self::Refused(status) | Self::Answered(status) => answer.status == *status,
            Self::Nowhere => matches!(answer.status, 404 | 405),
            Self::LetIn => !matches!(answer.status, 401 | 403),
            Self::Blamed(pointer) => answer.status == 422 && names(pointer),
            Self::Spared(pointer) => !names(pointer),
            Self::Described => true,
        };
        fits.then_some(()).ok_or_else(|| format!("wanted: {self:?}"))
    }
}

/// What any answer must be.
fn sound(answer: &Answer) -> Result<(), String> {
    if answer.status >= 500 {
        return Err("a fault of ours".into());
    }
    if answer.status >= 400 && answer.header("content-type") != "application/problem+json" {
        return Err("a refusal that is no problem".into());
    }
    let is_open =
        |headers: &HeaderMap| headers.contains_key("content-security-policy") && headers.contains_key("x-request-id");
    let lets_others_in = |headers: &HeaderMap| {
        let mut names = headers.keys();
        names.any(|name| name.as_str().starts_with("access-control-"))
    };
    if lets_others_in(&answer.headers) {
        return Err("a word that lets pages of other sites in".into());
    }
    is_open(&answer.headers)
        .then_some(())
        .ok_or_else(|| "a header that every answer has is missing".into())
}

#[actix_web::test]
async fn no_bad_input_to_any_operation_is_more_than_a_refusal_that_is_described() {
    let cast = Cast::new().await;
    let app = app(cast.world.state.clone()).await;
    let (mut count, mut wrong) = (0, Vec::new());
    for operation in Operation::all() {
        let (good, body) = Asked::good(&operation, &cast).await;
        let mut cases = access::cases(&operation, &good, &cast).await;
        cases.extend(queries::cases(&operation, &good));
        cases.extend(bodies::cases(&operation, &good));
        if let Some(body) = body {
            cases.extend(fields::cases(&operation, &good, &body));
        }
        assert!(cases.len() >= 8, "{}: only {} cases", operation.id(), cases.len());
        count += cases.len();
        for Case { name, asked, wanted } in cases {
            let request = asked.request(&cast).to_request();
            let (method, path) = (request.method().clone(), request.path().to_owned());
            let answer = ask(&app, request).await;
            let judged = sound(&answer)
                .and(wanted.judge(&answer))
                .and(conforms(&method, &path, &answer));
            if let Err(told) = judged {
                let body: String = String::from_utf8_lossy(&asked.body).chars().take(300).collect();
                let (id, who, headers) = (operation.id(), &asked.who, &asked.headers);
                let answer = format!("{} {}", answer.status, answer.text);
                wrong.push(format!(
                    "{id}, {name}: {told}\n  {method} {} by {who:?} {headers:?}\n  {body}\n  {answer}",
                    asked.uri
                ));
            }
            if Cast::may_log_out(&operation) && answer.status < 300 {
                cast.log_in_again().await;
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= CASES_MIN, "only {count} cases");
    let mut lines = cast.world.log.lines();
    // Operators are let in to make this one panic, and do.
    let is_ordered = |line: &Value| line["event"] == "panicked" && line["actor"] == "prober";
    lines.retain(|line| line["level"] == "ERROR" && !is_ordered(line));
    assert_eq!(lines, Vec::<Value>::new(), "nothing at error level");
}
