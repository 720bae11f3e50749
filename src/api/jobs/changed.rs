//! Arguments with which a person has a job run again in place of its own.
//!
//! Guarantees: they are read, checked and permitted by the very code of the route that takes such work, so that nothing comes
//! in this way that the route would refuse; a mail keeps its files, which they cannot name; kinds whose arguments name what the service itself entered have none to change.

use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::api::emails::{Contents, NewEmailBody, Surroundings};
use crate::api::http::{FieldError, Fields, Problem, Unread};
use crate::api::probes::NewProbeBody;
use crate::domain::job::Queue;
use crate::jobs::Kind;
use crate::jobs::kinds::{Attached, EmailSend, Probe};
use crate::store::jobs::{ChangedArgs, JobArguments};

/// Where the arguments stand in the body.
const POINTER: &str = "/args";

/// How a job is to run again.
#[derive(Deserialize, ToSchema)]
#[schema(as = Retry)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct RetryBody {
    /// Its new arguments, as the route takes them by which such work is ordered, without what says how the job is run. For
    /// `email.send` and `probe.run` only; a mail keeps its files, tags and metadata. It runs with its own unless they are given.
    #[schema(value_type = Option<std::collections::HashMap<String, serde_json::Value>>)]
    pub(super) args: Option<Unread>,
}

/// New arguments that may replace a job's own.
pub(in crate::api) struct Changed {
    /// As they are stored.
    pub(in crate::api) args: ChangedArgs,
    /// The queue in which it waits.
    pub(super) queue: Queue,
    /// How many mails the job then sends.
    pub(super) mails: usize,
}

impl Changed {
    /// `args` as those of many jobs of this kind, of this workspace; where it is none's, only built-in templates are known.
    ///
    /// # Errors
    /// 422 with pointers for what is wrong, and for a kind whose arguments nobody may change, or not those of many at once; 403
    /// for what only operators may order.
    pub(in crate::api) async fn checked(
        kind: &str,
        args: Unread,
        is_operator: bool,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, Problem> {
        if kind == EmailSend::NAME {
            return Err(refused(
                "must be left out: mails are no copies of one another, and have files of their own; change one by its own retry",
            ));
        }
        Self::read(kind, args, is_operator, surroundings, Vec::new()).await
    }

    /// `args` as those of this job; if it is a mail, with the files that it has.
    ///
    /// # Errors
    /// As [`Self::checked`] of one; 422 too where its files cannot be read.
    pub(super) async fn of_job(
        job: &JobArguments,
        args: Unread,
        is_operator: bool,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, Problem> {
        let files = if job.kind == EmailSend::NAME {
            files_of(&job.args)?
        } else {
            Vec::new()
        };
        Self::read(&job.kind, args, is_operator, surroundings, files).await
    }

    async fn read(
        kind: &str,
        args: Unread,
        is_operator: bool,
        surroundings: &Surroundings<'_>,
        files: Vec<Attached>,
    ) -> Result<Self, Problem> {
        let mut fields = Fields::within(POINTER);
        match kind {
            EmailSend::NAME => {
                let mut body: NewEmailBody = args.read(POINTER)?;
                body.wishes().refuse(&mut fields);
                body.refuse_files("must be left out: the mail keeps the files that it has", &mut fields);
                body.refuse_labels(&mut fields);
                let args = body.args(surroundings, &mut Contents::default(), &mut fields).await?;
                let mut args = fields.finish_with(args)?;
                args.attachments = files;
                Self::of::<EmailSend>(&args, args.mails())
            }
            Probe::NAME => {
                let mut body: NewProbeBody = args.read(POINTER)?;
                body.permitted(is_operator)?;
                body.wishes().refuse(&mut fields);
                let args = body.args(&mut fields);
                let args = fields.finish_with(args)?;
                Self::of::<Probe>(&args, 0)
            }
            _ => Err(refused(
                "must be left out: the arguments of this kind of work cannot be changed",
            )),
        }
    }

    fn of<K: Kind>(args: &K::Args, mails: usize) -> Result<Self, Problem> {
        let args = ChangedArgs {
            args: serde_json::to_string(args).map_err(Problem::internal)?,
            version: K::VERSION,
        };
        Ok(Self {
            args,
            queue: K::QUEUE,
            mails,
        })
    }
}

/// The files of a mail with these arguments, of which nothing else need be as it must: others may be to mend them.
fn files_of(args: &str) -> Result<Vec<Attached>, Problem> {
    let mut args: Value = serde_json::from_str(args).unwrap_or_default();
    let files = args.get_mut("attachments").map_or_else(|| json!([]), Value::take);
    serde_json::from_value(files)
        .map_err(|_unread| refused("must be left out: the files of this mail cannot be read, and would be lost"))
}

fn refused(detail: &str) -> Problem {
    Problem::invalid_input(vec![FieldError {
        pointer: POINTER.to_owned(),
        detail: detail.to_owned(),
    }])
}
