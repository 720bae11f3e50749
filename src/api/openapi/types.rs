//! How the inner types look in JSON, so that they need not know of this description.
//!
//! Guarantees: what is said here is made from the constants of those types: prefixes of ids, names of states, limits.

use std::borrow::Cow;

use utoipa::openapi::schema::{AdditionalProperties, KnownFormat, ObjectBuilder, OneOfBuilder, SchemaFormat, Type};
use utoipa::openapi::{ArrayBuilder, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::clock::Timestamp;
use crate::domain::act::{Action, Via};
use crate::domain::email::{
    ADDRESS_BYTES_MAX, DISPLAY_NAME_CHARS_MAX, DisplayName, EmailAddress, SUBJECT_CHARS_MAX, Subject,
};
use crate::domain::id::{
    AccountId, ActId, ApiKeyId, BatchId, JobId, ReportId, ScheduleId, SecurityEventId, SessionId, SuppressionId,
    TemplateId, UploadId, WorkspaceId,
};
use crate::domain::job::{
    AttemptOutcome, BulkAction, Cause, JobState, OnFailure, OnUncertain, Queue, Resolution, WhenUncertain,
};
use crate::domain::list_unsubscribe::{LINK_BYTES_MAX, LINKS_MAX, ListUnsubscribe};
use crate::domain::password::{CHARS_MAX, CHARS_MIN, Password};
use crate::domain::report::{ReportFormat, ReportTable};
use crate::domain::schedule::{CATCH_UP_MAX, FireOutcome, Missed, Overlap};
use crate::domain::scope::Scope;
use crate::domain::security::SecurityEvent;
use crate::domain::suppression::{SuppressionOriginKind, SuppressionReason};
use crate::jobs::kinds::{ProbeFailure, ProbePanic};
use crate::mail::RECIPIENTS_MAX;

/// Who a mail goes to.
pub(in crate::api) enum Recipients {}

/// An address, with a name or without one.
pub(in crate::api) enum MailboxBody {}

/// An address to which mails go.
pub(in crate::api) enum RecipientAddress {}

/// What is shown as a second factor.
pub(in crate::api) enum SecondFactorCode {}

/// Six digits, or twenty of Crockford's base32.
const CODE: &str = "^( *[0-9]){6} *$|^([ -]*[0-9A-TV-Za-tv-z]){20}[ -]*$";

/// What every mail address is, also one with a name in front of it: an `@` with something on both sides, in one line. What is
/// one besides is more than a pattern says.
const ADDRESS: &str = r"^[^\u0000-\u001f\u007f]*[^\s@]@[^\s@]+ *$";

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

macro_rules! schemas {
    ($($name:ident => $schema:expr;)*) => {$(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                Schema::from($schema).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )*};
}

/// An id with this prefix.
fn id(prefix: &str, what: &str) -> ObjectBuilder {
    text()
        .description(Some(format!("The id of {what}; ids sort by the time they were made.")))
        .pattern(Some(format!("^{prefix}_[0-9a-f]{{32}}$")))
        .examples([format!("{prefix}_0193a0f2b1c47d3e8f90a1b2c3d4e5f6")])
}

/// Yes, no, or one of these names. Not one list of values of two types, which makers of clients do not understand.
fn yes_no_or<'a>(what: &str, names: impl IntoIterator<Item = &'a str>) -> OneOfBuilder {
    OneOfBuilder::new()
        .description(Some(what))
        .item(ObjectBuilder::new().schema_type(Type::Boolean))
        .item(text().enum_values(Some(names)))
}

/// Where the reader of a mail ends its stream.
fn unsubscribe_link() -> ObjectBuilder {
    text()
        .max_length(Some(LINK_BYTES_MAX))
        .pattern(Some(
            r#"^(https://[A-Za-z0-9\[]|mailto:[^@?<>",\\s]+@[^?<>",\\s])[!#-+\--;=?-\[\]-~]*$"#,
        ))
        .examples(["https://example.com/leave?id=7"])
}

/// A text in one line that is not blank: without what [`crate::domain::email::breaks_a_line`] finds.
fn line(what: &str, chars_max: usize) -> ObjectBuilder {
    const BREAKS: &str = r"\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufeff";
    text()
        .description(Some(what))
        .min_length(Some(1))
        .max_length(Some(chars_max))
        .pattern(Some(format!(r"^[^{BREAKS}]*[^{BREAKS}\s][^{BREAKS}]*$")))
}

/// One of these names.
fn one_of<'a>(what: &str, names: impl IntoIterator<Item = &'a str>) -> ObjectBuilder {
    text().description(Some(what)).enum_values(Some(names))
}

schemas! {
    AccountId => id(Self::PREFIX, "an account");
    ApiKeyId => id(Self::PREFIX, "an API key");
    JobId => id(Self::PREFIX, "a job");
    ScheduleId => id(Self::PREFIX, "a schedule");
    BatchId => id(Self::PREFIX, "a batch");
    ActId => id(Self::PREFIX, "an operator's act");
    ReportId => id(Self::PREFIX, "a report");
    SessionId => id(Self::PREFIX, "a login");
    TemplateId => id(Self::PREFIX, "a template");
    UploadId => id(Self::PREFIX, "an upload");
    SuppressionId => id(Self::PREFIX, "a suppression");
    WorkspaceId => id(Self::PREFIX, "a workspace");
    SecurityEventId => id(Self::PREFIX, "something that happened to the security of an account");
    AttemptOutcome => one_of("What an attempt came to.", Self::ALL.iter().map(|one| one.as_str()));
    Action => one_of("What an operator did.", Self::ALL.iter().map(|one| one.as_str()));
    SecurityEvent => one_of(
        "What happened to the security of an account.",
        Self::ALL.iter().map(|one| one.as_str()),
    );
    Via => one_of("By which way an operator came.", Self::ALL.iter().map(|one| one.as_str()));
    BulkAction => one_of("What is done with many jobs.", Self::ALL.iter().map(|one| one.as_str()));
    Cause => one_of("Why a job ended or waits.", Self::ALL.iter().map(|one| one.as_str()));
    JobState => one_of("Where a job is.", Self::ALL.iter().map(|one| one.as_str()));
    ReportFormat => one_of("How a report is written.", Self::ALL.iter().map(|one| one.as_str()));
    ReportTable => one_of("What a report is of.", Self::ALL.iter().map(|one| one.as_str()));
    Queue => one_of("The lane in which jobs of one worker wait.", Self::ALL.iter().map(|one| one.as_str()));
    FireOutcome => one_of("What became of a tick.", Self::ALL.iter().map(|one| one.as_str()));
    Overlap => one_of(
        "What becomes of a tick while the job before has not ended: another job beside it, or none.",
        Self::ALL.iter().map(|one| one.as_str()),
    );
    Missed => OneOfBuilder::new()
        .description(Some(
            "What becomes of ticks that nobody looked at within a minute: no job, one job together, or a job each for so many \
             of the latest.",
        ))
        .item(text().enum_values(Some(["skip", "coalesce"])))
        .item(
            ObjectBuilder::new()
                .schema_type(Type::Object)
                .property(
                    "catch_up",
                    ObjectBuilder::new()
                        .schema_type(Type::Integer)
                        .minimum(Some(1))
                        .maximum(Some(CATCH_UP_MAX)),
                )
                .required("catch_up")
                .additional_properties(Some(AdditionalProperties::FreeForm(false))),
        );
    OnUncertain => one_of("What to do when a mail may have gone out and nobody knows.", ["retry", "hold"]);
    Resolution => one_of("What a person says became of an uncertain job.", ["completed", "discarded"]);
    SuppressionReason => one_of("Why an address gets no mails.", Self::ALL.iter().map(|one| one.as_str()));
    SuppressionOriginKind => one_of("Who put an address there.", Self::ALL.iter().map(|one| one.as_str()));
    WhenUncertain => one_of("What to do when an effect may have happened and nobody knows.", ["repeat", "hold"]);
    OnFailure => one_of(
        "What becomes of a job where something that it waited for did not complete.",
        Self::ALL.iter().map(|one| one.as_str()),
    );
    ProbeFailure => yes_no_or("Not at all, each time, the first time only, or for good.", ["once", "permanent"]);
    ProbePanic => yes_no_or("Not at all, in the attempt, or in the worker itself.", ["actor"]);
    Scope => one_of(
        "What an API key may do: `*` is everything that its account may do with a key.",
        Self::ALL.iter().map(|one| one.as_str()),
    );
    SecondFactorCode => text()
        .description(Some("The six digits of the app, or a recovery code; blanks, dashes and case are forgiven."))
        .pattern(Some(CODE));
    DisplayName => line("What somebody or something is called, in one line.", DISPLAY_NAME_CHARS_MAX);
    Subject => line("What a mail is about, in one line.", SUBJECT_CHARS_MAX);
    Password => text()
        .description(Some("Hard to guess: none of the most used passwords, and not made of the address or the name."))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
        .min_length(Some(CHARS_MIN))
        .max_length(Some(CHARS_MAX));
    Recipients => OneOfBuilder::new()
        .description(Some("One address, or several, each with a name or without one."))
        .item(Ref::from_schema_name(MailboxBody::name()))
        .item(
            ArrayBuilder::new()
                .items(RefOr::Ref(Ref::from_schema_name(MailboxBody::name())))
                .min_items(Some(1))
                .max_items(Some(RECIPIENTS_MAX)),
        );
    MailboxBody => OneOfBuilder::new()
        .description(Some(
            "A mail address without quotes, comments and IP addresses; it may be international (RFC 6531), its domain an \
             internationalised one.",
        ))
        .item(text().min_length(Some(3)).pattern(Some(ADDRESS)))
        .item(
            ObjectBuilder::new()
                .schema_type(Type::Object)
                .property("email", text().min_length(Some(3)).pattern(Some(ADDRESS)))
                .property("name", RefOr::Ref(Ref::from_schema_name(DisplayName::name())))
                .required("email")
                .additional_properties(Some(AdditionalProperties::FreeForm(false))),
        );
    RecipientAddress => text()
        .description(Some("A mail address, which may be international."))
        .min_length(Some(3))
        .pattern(Some(ADDRESS))
        .examples(["ada@example.com"]);
    ListUnsubscribe => OneOfBuilder::new()
        .description(Some("`true` for a link of the service's own, or own links."))
        .item(ObjectBuilder::new().schema_type(Type::Boolean))
        .item(unsubscribe_link())
        .item(
            ArrayBuilder::new()
                .items(unsubscribe_link())
                .min_items(Some(1))
                .max_items(Some(LINKS_MAX)),
        );
    Timestamp => text()
        .description(Some("A moment (RFC 3339); shown in UTC with six digits of a second."))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .examples(["2026-01-31T08:30:00.000000Z"]);
    EmailAddress => text()
        .description(Some("A mail address in ASCII, without quotes, comments and IP addresses."))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Email)))
        .max_length(Some(ADDRESS_BYTES_MAX))
        .examples(["ada@example.com"]);
}
