//! Arguments with which a person has a job run again in place of its own.
//!
//! Guarantees: they are read, checked and permitted by the very code of the route that takes such work, so that nothing comes
//! in this way that the route would refuse; kinds whose arguments name what the service itself entered have none to change.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::emails::{Contents, NewEmailBody, Surroundings};
use crate::api::http::{FieldError, Fields, Problem, Unread};
use crate::api::probes::NewProbeBody;
use crate::domain::job::Queue;
use crate::jobs::Kind;
use crate::jobs::kinds::{EmailSend, Probe};
use crate::store::jobs::ChangedArgs;

/// Where the arguments stand in the body.
const POINTER: &str = "/args";

/// How a job is to run again.
#[derive(Deserialize, ToSchema)]
#[schema(as = Retry)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct RetryBody {
    /// Its new arguments, as the route takes them by which such work is ordered, without what says how the job is run. For
    /// `email.send` and `probe.run` only. It runs with its own unless they are given.
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
    /// `args` as those of a job of this kind, of this workspace; where it is none's, only built-in templates are known.
    ///
    /// # Errors
    /// 422 with pointers for what is wrong, and for a kind whose arguments nobody may change; 403 for what only operators may
    /// order.
    pub(in crate::api) async fn checked(
        kind: &str,
        args: Unread,
        is_operator: bool,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, Problem> {
        let mut fields = Fields::within(POINTER);
        match kind {
            EmailSend::NAME => {
                let mut body: NewEmailBody = args.read(POINTER)?;
                body.wishes().refuse(&mut fields);
                body.refuse_files("must be left out: a mail with other files is another mail", &mut fields);
                body.refuse_labels(&mut fields);
                let args = body.args(surroundings, &mut Contents::default(), &mut fields).await?;
                let args = fields.finish_with(args)?;
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
            _ => Err(Problem::invalid_input(vec![FieldError {
                pointer: POINTER.to_owned(),
                detail: "must be left out: the arguments of this kind of work cannot be changed".to_owned(),
            }])),
        }
    }

    fn of<K: Kind>(args: &K::Args, mails: usize) -> Result<Self, Problem> {
        let args = ChangedArgs {
            args: serde_json::to_string(args).map_err(Problem::internal)?,
            version: K::version_of(args),
        };
        Ok(Self {
            args,
            queue: K::QUEUE,
            mails,
        })
    }
}
