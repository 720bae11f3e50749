//! What the work of each kind answers: the `result` of its job.
//!
//! Guarantees: these are what the kinds of work write, which a test compares with what a running service answers.
//!
//! Left out: closing the list. A job may be of a kind that a newer process of the same service knows, so any object is taken.

#![expect(
    dead_code,
    reason = "only described here: the kinds of work write their results as JSON"
)]

use std::borrow::Cow;

use utoipa::openapi::schema::{AdditionalProperties, AnyOfBuilder, ObjectBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::{JobId, ReportId};
use crate::domain::report::ReportFormat;
use crate::domain::suppression::SuppressionReason;

/// What the work answered: the job's `kind` says which of these it is.
pub(in crate::api) enum JobResult {}

/// Of a mail (`email.send`): what became of it for each recipient.
#[derive(ToSchema)]
#[schema(examples(json!({
    "message_id": "<0193a0f2b1c47d3e8f90a1b2c3d4e5f6@example.org>", "reply": "250 2.0.0 queued",
    "recipients": [
        { "to": "bob@example.com", "status": "sent", "reply": null },
        { "to": "eve@example.com", "status": "refused", "reply": "550 5.1.1 user unknown" },
        { "to": "joe@example.com", "status": "suppressed", "reply": null, "reason": "unsubscribe" }
    ]
})))]
struct EmailResult {
    /// The `Message-ID` of the mail.
    message_id: String,
    /// The words with which the relay took the mail, if it did.
    reply: Option<String>,
    /// In the order in which the mail names them.
    recipients: Vec<RecipientResult>,
}

/// What became of a mail for one recipient.
#[derive(ToSchema)]
struct RecipientResult {
    /// In full for the job's own workspace; masked for operators.
    to: EmailAddress,
    status: RecipientStatus,
    /// The relay's words about this recipient, unless they were about the whole mail.
    reply: Option<String>,
    /// Why the address gets no mails of the stream; with `suppressed` only.
    #[schema(nullable = false)]
    reason: Option<SuppressionReason>,
}

/// `waiting`: not tried yet; `deferred`: refused for now; `refused`: for good; `suppressed`: left out, since the address gets no
/// mails of the stream.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum RecipientStatus {
    Waiting,
    Sent,
    Refused,
    Deferred,
    Suppressed,
}

/// Of a report (`report.build`): the report and its file.
#[derive(ToSchema)]
#[schema(examples(json!({ "report": {
    "id": "rep_0193a0f2b1c47d3e8f90a1b2c3d4e5f6", "format": "csv", "rows": 40, "bytes": 6210,
    "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "url": "https://legwork.example/v1/reports/rep_0193a0f2b1c47d3e8f90a1b2c3d4e5f6/file"
} })))]
struct ReportResult {
    report: BuiltReport,
}

/// A report's file as it was built.
#[derive(ToSchema)]
struct BuiltReport {
    /// The report's id, as under `/v1/reports`.
    id: ReportId,
    format: ReportFormat,
    /// Rows in the file, without the line of names.
    rows: u64,
    /// The size of the file.
    bytes: u64,
    /// The SHA-256 of the file, in hexadecimal digits.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    sha256: String,
    /// Where the file is fetched.
    #[schema(format = "uri")]
    url: String,
}

/// Of a probe (`probe.run`): how many steps it made.
#[derive(ToSchema)]
#[schema(examples(json!({ "steps": 60 })))]
struct ProbeResult {
    steps: u64,
}

/// Of an order for many jobs (`jobs.bulk`): how far it has come, also while it runs.
#[derive(ToSchema)]
#[schema(examples(json!({
    "matched": 1200, "changed": 1198, "refused": { "not_now": 2 }, "behind": "job_0193a0f2b1c47d3e8f90a1b2c3d4e5f6"
})))]
struct JobsBulkResult {
    /// Jobs that it came to.
    matched: u64,
    /// Those that it changed.
    changed: u64,
    /// Those that it could not, by reason: `not_now` (their state), `key_taken` (another has their unique key), `gone`, and
    /// `changed_meanwhile`.
    refused: std::collections::HashMap<String, u64>,
    /// The last job that it came to.
    behind: Option<JobId>,
    /// From when the next ones may go, at a rate.
    #[schema(nullable = false)]
    next_at: Option<Timestamp>,
}

/// Of a mail of the service's own that nobody needs any more: why it was not sent.
#[derive(ToSchema)]
#[schema(examples(json!({ "skipped": "the account is gone" })))]
struct SkippedResult {
    skipped: String,
}

impl PartialSchema for JobResult {
    fn schema() -> RefOr<Schema> {
        let known = [
            EmailResult::name(),
            ReportResult::name(),
            ProbeResult::name(),
            JobsBulkResult::name(),
            SkippedResult::name(),
        ];
        let other = ObjectBuilder::new()
            .schema_type(Type::Object)
            .title(Some("OtherResult"))
            .additional_properties(Some(AdditionalProperties::FreeForm(true)))
            .description(Some("Of a kind that this description does not know yet."));
        let choices = known.into_iter().fold(AnyOfBuilder::new(), |choices, name| {
            choices.item(Ref::from_schema_name(name))
        });
        let told = "What the work answered: the job's `kind` says which of these it is.";
        Schema::from(choices.item(other).description(Some(told)).build()).into()
    }
}

impl ToSchema for JobResult {
    fn name() -> Cow<'static, str> {
        "JobResult".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        fn add<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
            schemas.push((T::name().into(), T::schema()));
            T::schemas(schemas);
        }
        add::<EmailResult>(schemas);
        add::<ReportResult>(schemas);
        add::<ProbeResult>(schemas);
        add::<JobsBulkResult>(schemas);
        add::<SkippedResult>(schemas);
    }
}
