//! The names in the log that operators and their tools may rely on: added to, never renamed.
//!
//! Guarantees: every event that is worth finding carries a field `event` with one of the names in [`event`]; what one
//! field name means is the same in every event.
//!
//! Left out: the events of supervision, which that part names itself, since it knows nothing of the rest.

/// Values of the field `event`.
pub mod event {
    /// The service is up: it listens, and its workers claim jobs.
    pub const SERVING: &str = "serving";
    /// A phase of the shutdown began or ended.
    pub const SHUTDOWN: &str = "shutdown";
    /// One HTTP request was answered.
    pub const REQUEST: &str = "request";
    /// An internal fault became a 500 or 503; the line holds the cause.
    pub const REQUEST_FAILED: &str = "request_failed";
    /// A job was accepted: its transaction is committed.
    pub const JOB_ENQUEUED: &str = "job_enqueued";
    /// An attempt of a job began.
    pub const JOB_CLAIMED: &str = "job_claimed";
    /// An attempt of a job ended; `outcome` says how and `state` where that leaves the job.
    pub const JOB_FINISHED: &str = "job_finished";
    /// A job was asked to end.
    pub const JOB_CANCEL_REQUESTED: &str = "job_cancel_requested";
    /// A job that a dead process left running was made available again.
    pub const JOB_RESCUED: &str = "job_rescued";
    /// An attempt found that it no longer holds its job, and told its work to stop.
    pub const LEASE_LOST: &str = "lease_lost";
    /// A mail was accepted by the server or written to the outbox.
    pub const MAIL_SENT: &str = "mail_sent";
    /// The relay cannot be used: `error` says why. Mails wait until [`RELAY_UP`].
    pub const RELAY_DOWN: &str = "relay_down";
    /// The relay can be used again.
    pub const RELAY_UP: &str = "relay_up";
    /// Code panicked; `location` says where.
    pub const PANIC: &str = "panic";
}

/// Names of fields.
pub mod field {
    /// Which kind of event this is; one of the names in [`super::event`].
    pub const EVENT: &str = "event";
    /// The id of a job.
    pub const JOB: &str = "job";
    /// What sort of work a job is, such as `email.send`.
    pub const KIND: &str = "kind";
    /// The lane in which a job waits, such as `mail`.
    pub const QUEUE: &str = "queue";
    /// The number of an attempt within its job.
    pub const ATTEMPT: &str = "attempt";
    /// The number that the claim gave to the attempt.
    pub const FENCE: &str = "fence";
    /// What an attempt came to.
    pub const OUTCOME: &str = "outcome";
    /// Where a job is.
    pub const STATE: &str = "state";
    /// The name of an actor in the supervision tree.
    pub const ACTOR: &str = "actor";
    /// The id of this process.
    pub const NODE: &str = "node";
    /// The id of a request, as in its answer's `X-Request-Id`.
    pub const REQUEST_ID: &str = "request_id";
    /// The id of the workspace that something belongs to.
    pub const WORKSPACE: &str = "workspace";
    /// An error with its causes, joined by `: `.
    pub const ERROR: &str = "error";
    /// How long something took, in milliseconds.
    pub const DURATION_MS: &str = "duration_ms";
    /// The method of an HTTP request.
    pub const METHOD: &str = "method";
    /// The pattern of the route of an HTTP request, such as `/v1/jobs/{id}`; never the path itself.
    pub const ROUTE: &str = "route";
    /// The status of an HTTP answer.
    pub const STATUS: &str = "status";
    /// The phase of a shutdown.
    pub const PHASE: &str = "phase";
    /// Where mail goes, as `smtp://host:port`, without a login.
    pub const RELAY: &str = "relay";
    /// A place in the source, as `file:line:column`.
    pub const LOCATION: &str = "location";
    /// When something is tried next, as RFC 3339.
    pub const NEXT_AT: &str = "next_at";
}
