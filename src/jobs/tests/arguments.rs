//! Stored arguments that this version cannot read, and those of an older one.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;
use crate::domain::job::AttemptOutcome;

/// Greets; its first version had a name only, its second a name and a title.
struct Greet;

#[derive(Serialize, Deserialize)]
struct GreetArgs {
    name: String,
    title: String,
}

impl Kind for Greet {
    type Args = GreetArgs;

    const NAME: &'static str = "test.greet";
    const VERSION: u32 = 2;
    const QUEUE: Queue = Queue::Probes;
    const MAX_ATTEMPTS: u32 = 3;
    const TIMEOUT: Duration = LIMIT;
    const BACKOFF: Backoff = Scripted::BACKOFF;

    fn upgrade(from: u32, args: Value) -> Result<Value, ArgsError> {
        match (from, args) {
            (1, Value::Object(mut fields)) => {
                fields.insert("title".to_owned(), json!("Dr"));
                Ok(Value::Object(fields))
            }
            _ => Err(ArgsError::Version { known: 2, found: from }),
        }
    }

    async fn perform(&self, args: GreetArgs, _: JobContext) -> Outcome {
        Outcome::Completed(Some(json!(format!("{} {}", args.title, args.name))))
    }
}

async fn greet(version: u32, args: &str) -> AttemptFinish {
    let mut bench = Bench::new();
    bench.job.args_version = version;
    bench.job.args = args.into();
    let attempt = bench.attempt(Arc::new(Greet));
    let received = attempt.receive();
    let report = attempt.run(received).await.unwrap();
    let end = bench.written().await;
    assert_eq!(
        (report.error.as_deref(), report.outcome),
        (end.error.as_deref(), end.end.outcome())
    );
    assert!(report.outcome != AttemptOutcome::Panicked);
    end
}

#[tokio::test(start_paused = true)]
async fn arguments_of_this_version_are_read_and_older_ones_upgraded() {
    let end = greet(2, r#"{"name":"Ada","title":"Lady"}"#).await;
    assert_eq!(end.result.as_deref(), Some(r#""Lady Ada""#));
    let end = greet(1, r#"{"name":"Ada"}"#).await;
    assert_eq!(end.result.as_deref(), Some(r#""Dr Ada""#));
}

#[tokio::test(start_paused = true)]
async fn arguments_of_a_newer_version_wait_for_a_node_that_knows_them() {
    let end = greet(3, r#"{"anything":1}"#).await;
    assert_eq!(end.end, AttemptEnd::Snoozed(NOW.plus(Duration::from_secs(60))));
    assert!(error(&end).contains("version 3"), "{}", error(&end));
}

#[tokio::test(start_paused = true)]
async fn arguments_that_will_never_be_readable_discard_the_job() {
    let long = format!(r#""{}""#, "x".repeat(10_000));
    for (version, args) in [
        (2, "{"),
        (2, r#"{"name":"Ada"}"#),
        (1, "[]"),
        (0, "{}"),
        (2, long.as_str()),
    ] {
        let end = greet(version, args).await;
        assert_eq!(end.end, AttemptEnd::Failed(Retry::Never), "{version} {args}");
        assert!((1..=2_000).contains(&error(&end).chars().count()));
    }
}
