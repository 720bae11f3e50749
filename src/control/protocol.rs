//! The words of the control socket: one JSON object a line, each with the version `v`.
//!
//! ```text
//! {"v":1,"do":"tree"}                                          {"v":1,"answer":"tree","root":{…}}
//! {"v":1,"do":"inspect","name":"mailer","backtrace":true}      {"v":1,"answer":"node","node":{…},"backtrace":"…"}
//! {"v":1,"do":"restart","name":"mailer"}                       {"v":1,"answer":"ordered","name":"mailer","ordered":"restart"}
//!        (or "suspend", "resume", "panic")                     {"v":1,"answer":"error","error":"not_now","detail":"…"}
//! {"v":1,"do":"events","follow":true}                          {"v":1,"answer":"event","event":{…}} … {"v":1,"answer":"end",…}
//! {"v":1,"do":"jobs","ask":"show","words":{"id":"job_…"}}      {"v":1,"answer":"jobs","told":{…}}
//!        (or "list", "causes", "preview", "order")
//! ```
//!
//! Guarantees: a request that is not exactly one of these is refused, so that a misspelt one does nothing; a version that
//! this service does not speak is told apart from junk. Fields may be added to answers, so that clients ignore those that
//! they do not know.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::controls::Act;
use super::desk::{DeskRefusal, JobAsk};
use crate::supervision::{Event, NodeSnapshot, OrderError};

/// The version that is spoken.
pub const VERSION: u64 = 1;

/// The longest request in bytes, its line end included: an order that names as many jobs as it may, with arguments.
pub const LINE_BYTES_MAX: usize = 60 * 1024;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The whole tree.
    Tree,
    /// One node.
    Inspect {
        /// Its name.
        name: String,
        /// Whether with the backtrace of its last failure.
        backtrace: bool,
    },
    /// An order to a child.
    Order {
        /// What is ordered.
        act: Act,
        /// The child's name.
        name: String,
    },
    /// The recent events, and those to come.
    Events {
        /// Whether to go on with what happens from now on.
        follow: bool,
    },
    /// Something about jobs.
    Jobs {
        /// What.
        ask: JobAsk,
        /// The words of it, as over HTTP.
        words: Value,
    },
}

/// A line that is no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Of another version of the protocol.
    #[error("this service speaks version {VERSION} of the protocol")]
    Version,
    /// No request of this version. Holds what the reader of JSON said.
    #[error("that is no request of version {VERSION}: {0}")]
    Junk(String),
    /// Longer than a line may be.
    #[error("a request is a line of at most {LINE_BYTES_MAX} bytes")]
    TooLong,
    /// It ended before its line did.
    #[error("a request ends with a line end")]
    CutOff,
}

#[derive(Deserialize)]
struct Versioned {
    v: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    #[serde(rename = "v")]
    _v: Value,
    r#do: Verb,
    name: Option<String>,
    backtrace: Option<bool>,
    follow: Option<bool>,
    ask: Option<JobAsk>,
    words: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verb {
    Tree,
    Inspect,
    Restart,
    Suspend,
    Resume,
    Panic,
    Events,
    Jobs,
}

impl Request {
    /// Reads a line, with or without its end.
    ///
    /// # Errors
    /// [`Unfit`] if it is no request.
    pub fn parse(line: &[u8]) -> Result<Self, Unfit> {
        if line.len() > LINE_BYTES_MAX {
            return Err(Unfit::TooLong);
        }
        let junk = |error: serde_json::Error| Unfit::Junk(error.to_string());
        let versioned: Versioned = serde_json::from_slice(line).map_err(junk)?;
        if versioned.v != VERSION {
            return Err(Unfit::Version);
        }
        let words: Words = serde_json::from_slice(line).map_err(junk)?;
        let order = |act, name| Self::Order { act, name };
        let misfit = || Unfit::Junk("fields are missing, or are not for that".to_owned());
        if let (Verb::Jobs, Some(ask), Some(asked)) = (&words.r#do, words.ask, &words.words) {
            let is_alone = words.name.is_none() && words.backtrace.is_none() && words.follow.is_none();
            let words = asked.clone();
            return is_alone.then_some(Self::Jobs { ask, words }).ok_or_else(misfit);
        }
        if words.ask.is_some() || words.words.is_some() {
            return Err(misfit());
        }
        Ok(match (words.r#do, words.name, words.backtrace, words.follow) {
            (Verb::Tree, None, None, None) => Self::Tree,
            (Verb::Inspect, Some(name), backtrace, None) => Self::Inspect {
                name,
                backtrace: backtrace.unwrap_or(false),
            },
            (Verb::Restart, Some(name), None, None) => order(Act::Restart, name),
            (Verb::Suspend, Some(name), None, None) => order(Act::Suspend, name),
            (Verb::Resume, Some(name), None, None) => order(Act::Resume, name),
            (Verb::Panic, Some(name), None, None) => order(Act::Panic, name),
            (Verb::Events, None, None, follow) => Self::Events {
                follow: follow.unwrap_or(false),
            },
            _ => return Err(misfit()),
        })
    }

    /// The request as a line, with its end.
    #[must_use]
    pub fn to_line(&self) -> String {
        let words = match self {
            Self::Tree => json!({ "v": VERSION, "do": "tree" }),
            Self::Inspect { name, backtrace } => {
                json!({ "v": VERSION, "do": "inspect", "name": name, "backtrace": backtrace })
            }
            Self::Order { act, name } => json!({ "v": VERSION, "do": act.as_str(), "name": name }),
            Self::Events { follow } => json!({ "v": VERSION, "do": "events", "follow": follow }),
            Self::Jobs { ask, words } => json!({ "v": VERSION, "do": "jobs", "ask": ask, "words": words }),
        };
        format!("{words}\n")
    }
}

/// What is answered: one line each; `events` is answered by many, of which `end` is the last.
#[derive(Debug, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer<'a> {
    /// The whole tree.
    Tree {
        /// Its root.
        root: NodeSnapshot,
    },
    /// One node.
    Node {
        /// The node, with all beneath it.
        node: NodeSnapshot,
        /// The backtrace of its last failure, if it was asked for and there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        backtrace: Option<String>,
    },
    /// An order was passed on.
    Ordered {
        /// The child's name.
        name: &'a str,
        /// What was ordered.
        ordered: Act,
    },
    /// Something that happened in the tree.
    Event {
        /// What.
        event: &'a Event,
    },
    /// The client was too slow, and events passed it by.
    Missed {
        /// How many.
        missed: u64,
    },
    /// There are no more events: all were told, or the service stops.
    End {
        /// Which of the two, for people.
        detail: &'static str,
    },
    /// What was asked about jobs.
    Jobs {
        /// The answer, as over HTTP.
        told: Value,
    },
    /// What was asked for was not done.
    Error {
        /// Why not, for programs.
        error: ErrorKind,
        /// Why not, for people.
        detail: String,
    },
}

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// No running child has that name.
    NoSuchChild,
    /// The child cannot do that now, or by its nature.
    NotNow,
    /// A panic was ordered, and the service runs without fault injection.
    FaultInjectionOff,
    /// No job has that id.
    NoSuchJob,
    /// What was asked about jobs makes no sense, or cannot be done now.
    Refused,
    /// The service failed to answer; its log says why.
    Failed,
    /// The line is no request; the connection is closed.
    BadRequest,
    /// The request is of a version that is not spoken; the connection is closed.
    UnsupportedVersion,
    /// No request came in time; the connection is closed.
    TimedOut,
    /// All places are taken; the connection is closed.
    Busy,
    /// Whoever connects is neither the user of the service nor root; the connection is closed.
    NotAllowed,
}

impl Answer<'_> {
    /// The answer as a line, with its end.
    #[must_use]
    pub fn to_line(&self) -> String {
        #[derive(Serialize)]
        struct Line<'a> {
            v: u64,
            #[serde(flatten)]
            answer: &'a Answer<'a>,
        }
        let line = Line {
            v: VERSION,
            answer: self,
        };
        // Texts, numbers and times always serialize, and JSON escapes the line ends within its texts.
        let mut line = serde_json::to_string(&line).unwrap_or_default();
        line.push('\n');
        line
    }
}

impl From<Unfit> for Answer<'_> {
    fn from(unfit: Unfit) -> Self {
        let error = match unfit {
            Unfit::Version => ErrorKind::UnsupportedVersion,
            Unfit::Junk(_) | Unfit::TooLong | Unfit::CutOff => ErrorKind::BadRequest,
        };
        let detail = unfit.to_string();
        Self::Error { error, detail }
    }
}

impl From<DeskRefusal> for Answer<'_> {
    fn from(refusal: DeskRefusal) -> Self {
        let DeskRefusal { error, detail } = refusal;
        Self::Error { error, detail }
    }
}

impl From<OrderError> for Answer<'_> {
    fn from(refused: OrderError) -> Self {
        let error = match refused {
            OrderError::NoSuchChild(_) => ErrorKind::NoSuchChild,
            OrderError::NotNow { .. } => ErrorKind::NotNow,
            OrderError::FaultInjectionOff => ErrorKind::FaultInjectionOff,
        };
        let detail = refused.to_string();
        Self::Error { error, detail }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_request_of_the_protocol_is_read() {
        let name = || "mailer".to_owned();
        for (line, request) in [
            (r#"{"v":1,"do":"tree"}"#, Request::Tree),
            (
                r#"{"do":"inspect","name":"mailer","v":1}"#,
                Request::Inspect {
                    name: name(),
                    backtrace: false,
                },
            ),
            (
                r#"{"v":1,"do":"inspect","name":"mailer","backtrace":true}"#,
                Request::Inspect {
                    name: name(),
                    backtrace: true,
                },
            ),
            (
                r#"{"v":1,"do":"panic","name":"mailer"}"#,
                Request::Order {
                    act: Act::Panic,
                    name: name(),
                },
            ),
            (r#"{"v":1,"do":"events"}"#, Request::Events { follow: false }),
            (
                r#"{"v":1,"do":"events","follow":true}"#,
                Request::Events { follow: true },
            ),
        ] {
            assert_eq!(Request::parse(line.as_bytes()), Ok(request), "{line}");
        }
    }

    #[test]
    fn what_is_not_exactly_a_request_is_refused() {
        for line in [
            "",
            "\n",
            "tree",
            "GET / HTTP/1.1",
            "[]",
            "{}",
            r#"{"v":1}"#,
            r#"{"v":1,"do":"stop"}"#,
            r#"{"v":1,"do":"restart"}"#,
            r#"{"v":1,"do":"tree","name":"mailer"}"#,
            r#"{"v":1,"do":"restart","name":"a","name":"b"}"#,
            r#"{"v":1,"do":"restart","name":"a","force":true}"#,
            r#"{"v":1,"do":"restart","name":"a","follow":false}"#,
            r#"{"v":1,"do":"restart","name":7}"#,
            r#"{"v":1,"do":"jobs","ask":"list"}"#,
            r#"{"v":1,"do":"jobs","ask":"drop","words":{}}"#,
            r#"{"v":1,"do":"jobs","ask":"list","words":{},"name":"a"}"#,
            r#"{"v":1,"do":"tree","ask":"list","words":{}}"#,
            r#"{"v":1,"do":"tree"} {"v":1,"do":"tree"}"#,
            r#"{"v":1,"v":1,"do":"tree"}"#,
            "\u{0}",
        ] {
            assert!(matches!(Request::parse(line.as_bytes()), Err(Unfit::Junk(_))), "{line}");
        }
        let deep = "[".repeat(LINE_BYTES_MAX);
        assert!(matches!(Request::parse(deep.as_bytes()), Err(Unfit::Junk(_))));
        assert!(matches!(Request::parse(b"\xff\xfe{}"), Err(Unfit::Junk(_))));
        let long = format!("{:LINE_BYTES_MAX$} ", Request::Tree.to_line().trim_end());
        assert_eq!(Request::parse(long.as_bytes()), Err(Unfit::TooLong));
        assert_eq!(Request::parse(long.trim_end().as_bytes()), Ok(Request::Tree));
    }

    #[test]
    fn another_version_is_told_apart_from_junk() {
        for v in ["0", "2", "-1", "1.5", "\"1\"", "null", "99999999999999999999"] {
            let line = format!(r#"{{"v":{v},"do":"what comes later","more":[]}}"#);
            assert_eq!(Request::parse(line.as_bytes()), Err(Unfit::Version), "{line}");
        }
    }

    #[test]
    fn an_answer_is_one_line_whatever_texts_are_in_it() {
        let detail = "two\nlines\r\u{2028}".to_owned();
        let line = Answer::Error {
            error: ErrorKind::NotNow,
            detail,
        }
        .to_line();
        assert_eq!(line.find('\n'), Some(line.len() - 1), "{line}");
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&read["v"], &read["answer"], &read["error"]),
            (&1.into(), &"error".into(), &"not_now".into())
        );
    }

    fn requests() -> impl Strategy<Value = Request> {
        let act = prop_oneof![
            Just(Act::Restart),
            Just(Act::Suspend),
            Just(Act::Resume),
            Just(Act::Panic)
        ];
        prop_oneof![
            Just(Request::Tree),
            any::<bool>().prop_map(|follow| Request::Events { follow }),
            (".{0,200}", any::<bool>()).prop_map(|(name, backtrace)| Request::Inspect { name, backtrace }),
            (act, ".{0,200}").prop_map(|(act, name)| Request::Order { act, name }),
            ".{0,200}".prop_map(|text| Request::Jobs {
                ask: JobAsk::Show,
                words: json!({ "id": text })
            }),
        ]
    }

    proptest! {
        #[test]
        fn a_request_that_is_written_is_read_as_it_was(request in requests()) {
            let line = request.to_line();
            prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
            prop_assert_eq!(Request::parse(line.as_bytes()), Ok(request));
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Request::parse(&bytes).is_err());
        }
    }
}
