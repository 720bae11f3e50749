//! The names in the log that operators and their tools may rely on: added to, never renamed.
//!
//! Guarantees: every line of level info, warn or error carries a field `event` with one of the names in [`event`]; what one
//! field name means is the same in every event. `docs/LOG.md` is the table of them, and `tests/tidy.rs` holds the table and
//! the code together.

/// Values of the field `event`.
pub mod event {
    // The service.

    /// The service is up: it listens, and its workers claim jobs.
    pub const SERVING: &str = "serving";
    /// The service cannot start, or ends by itself; the process exits with 1.
    pub const SERVICE_FAILED: &str = "service_failed";
    /// The service manager could not be told that the service is ready, or stops.
    pub const NOTIFY_FAILED: &str = "notify_failed";
    /// Nobody may steer the service yet; the line says how to make an operator.
    pub const OPERATOR_MISSING: &str = "operator_missing";
    /// Jobs began to wait of kinds, or versions of their arguments, that no living node knows.
    pub const KINDS_UNKNOWN: &str = "kinds_unknown";
    /// Jobs of such kinds or versions wait no more, or somebody knows them now.
    pub const KINDS_KNOWN: &str = "kinds_known";
    /// It could not be looked up which kinds wait; the next look tries again.
    pub const KINDS_UNSEEN: &str = "kinds_unseen";
    /// At the start, it could not be looked up what is missing.
    pub const MISSING_UNSEEN: &str = "missing_unseen";
    /// The service runs with fault injection: operators may make its actors panic.
    pub const FAULT_INJECTION: &str = "fault_injection";
    /// There is no control socket, so that `legwork supervision` cannot reach the service.
    pub const CONTROL_UNBOUND: &str = "control_unbound";
    /// A user who may not connected to the control socket.
    pub const CONTROL_REFUSED: &str = "control_refused";
    /// A connection to the control socket could not be taken.
    pub const CONTROL_FAILED: &str = "control_failed";
    /// A phase of the shutdown began or ended.
    pub const SHUTDOWN: &str = "shutdown";
    /// At the shutdown, the lease could not be released; it ends by itself.
    pub const LEASE_KEPT: &str = "lease_kept";
    /// At the shutdown, an actor did not stop in its time, or panicked while it stopped.
    pub const CUT_OFF: &str = "cut_off";
    /// Code panicked; `location` says where.
    pub const PANIC: &str = "panic";

    // Requests.

    /// One HTTP request was answered.
    pub const REQUEST: &str = "request";
    /// An internal fault became a 500 or 503; the line holds the cause.
    pub const REQUEST_FAILED: &str = "request_failed";
    /// The database could not serve when it was asked whether the service is ready.
    pub const NOT_READY: &str = "not_ready";
    /// Something was written into the security log; `happened` says what.
    pub const SECURITY: &str = "security";
    /// An operator ordered the restart of an actor.
    pub const RESTART_ORDERED: &str = "restart_ordered";
    /// An operator suspended an actor.
    pub const SUSPEND_ORDERED: &str = "suspend_ordered";
    /// An operator let a suspended actor go on.
    pub const RESUME_ORDERED: &str = "resume_ordered";
    /// An operator ordered an actor to panic.
    pub const PANIC_ORDERED: &str = "panic_ordered";

    // Jobs.

    /// A job could not be cancelled whose client went away while it waited, and had asked for that.
    pub const CANCEL_FAILED: &str = "cancel_failed";
    /// A job was accepted: its transaction is committed.
    pub const JOB_ENQUEUED: &str = "job_enqueued";
    /// Many jobs were accepted at once: their transactions are committed.
    pub const JOBS_ENQUEUED: &str = "jobs_enqueued";
    /// An attempt of a job began.
    pub const JOB_CLAIMED: &str = "job_claimed";
    /// An attempt of a job ended; `outcome` says how and `state` where that leaves the job.
    pub const JOB_FINISHED: &str = "job_finished";
    /// A job was asked to end.
    pub const JOB_CANCEL_REQUESTED: &str = "job_cancel_requested";
    /// A person said what became of an uncertain job.
    pub const JOB_RESOLVED: &str = "job_resolved";
    /// A batch was accepted, or jobs were added to one: the transaction is committed.
    pub const BATCH_ACCEPTED: &str = "batch_accepted";
    /// A batch was asked to be cancelled.
    pub const BATCH_CANCEL_REQUESTED: &str = "batch_cancel_requested";
    /// Not all jobs of a batch could be cancelled; the keeper goes on with it.
    pub const BATCH_CANCEL_CUT: &str = "batch_cancel_cut";
    /// Jobs and batches heard of ends that they had not been told of.
    pub const ENDS_OVERLOOKED: &str = "ends_overlooked";
    /// It could not be looked for ends that nobody was told of; the next look tries again.
    pub const ENDS_UNSEEN: &str = "ends_unseen";
    /// Jobs that a dead process left running were made available again.
    pub const JOB_RESCUED: &str = "job_rescued";
    /// Jobs that waited were cancelled, because their deadline passed.
    pub const JOBS_OVERDUE: &str = "jobs_overdue";
    /// It could not be looked up which deadlines passed; the next look tries again.
    pub const DEADLINES_UNSEEN: &str = "deadlines_unseen";
    /// A tick of a schedule made a job.
    pub const SCHEDULE_FIRED: &str = "schedule_fired";
    /// Ticks of a schedule were skipped: nobody was there for them, or the job before had not ended.
    pub const SCHEDULE_SKIPPED: &str = "schedule_skipped";
    /// A tick of a schedule made no job, because none could be made or more may not be asked for.
    pub const SCHEDULE_REFUSED: &str = "schedule_refused";
    /// The tick of a schedule could not be settled; the next look tries again.
    pub const SCHEDULE_FAILED: &str = "schedule_failed";
    /// A schedule ticks at another time than was kept, since the rules of its time zone have changed.
    pub const SCHEDULE_RETIMED: &str = "schedule_retimed";
    /// It could not be looked up which schedules are due; the next look tries again.
    pub const SCHEDULES_UNSEEN: &str = "schedules_unseen";
    /// Somebody made, changed, paused, resumed or deleted a schedule.
    pub const SCHEDULE_CHANGED: &str = "schedule_changed";
    /// A server said that addresses do not exist; they are suppressed with the end of the attempt.
    pub const RECIPIENTS_GONE: &str = "recipients_gone";
    /// Somebody suppressed an address, or took that away.
    pub const SUPPRESSION_CHANGED: &str = "suppression_changed";
    /// Somebody suppressed many addresses at once.
    pub const SUPPRESSIONS_IMPORTED: &str = "suppressions_imported";
    /// Whoever gets mails of a stream said that they want no more of them.
    pub const UNSUBSCRIBED: &str = "unsubscribed";
    /// A job whose row cannot be read was given up.
    pub const JOB_SET_ASIDE: &str = "job_set_aside";
    /// An attempt found that it no longer holds its job, and told its work to stop.
    pub const LEASE_LOST: &str = "lease_lost";
    /// It could not be written when logins were last used; the next minute tries again.
    pub const SESSION_USES_UNWRITTEN: &str = "session_uses_unwritten";
    /// A queue's jobs could not be claimed; the next poll tries again.
    pub const CLAIM_FAILED: &str = "claim_failed";
    /// It could not be looked up which jobs were asked to end; the next poll tries again.
    pub const CANCELS_UNSEEN: &str = "cancels_unseen";
    /// The end of an attempt could not be written yet, and is written again.
    pub const OUTCOME_RETRIED: &str = "outcome_retried";
    /// The end of an attempt cannot be written as it was; the attempt is given up as failed instead.
    pub const OUTCOME_REFUSED: &str = "outcome_refused";
    /// The end of an attempt was not written before the database was closed; the next start takes the job back.
    pub const OUTCOME_LOST: &str = "outcome_lost";
    /// A point of no return could not be noted, so that the attempt stopped before it.
    pub const NO_RETURN_FAILED: &str = "no_return_failed";
    /// An operator paused a queue: nothing more of it is claimed.
    pub const QUEUE_PAUSED: &str = "queue_paused";
    /// An operator resumed a queue.
    pub const QUEUE_RESUMED: &str = "queue_resumed";
    /// An operator set the limit of a queue.
    pub const QUEUE_LIMITED: &str = "queue_limited";
    /// An operator removed the limit of a queue.
    pub const QUEUE_UNLIMITED: &str = "queue_unlimited";
    /// An operator set the weight of a workspace.
    pub const WEIGHT_SET: &str = "weight_set";
    /// A mail was accepted by the server or written to the outbox.
    pub const MAIL_SENT: &str = "mail_sent";
    /// Somebody made a version of a template, or deleted a template; an operator replaced a built-in one or brought it back.
    pub const TEMPLATE_CHANGED: &str = "template_changed";
    /// What an operator put in the place of a built-in template could not be rendered; the built-in one was sent.
    pub const REPLACEMENT_FAILED: &str = "replacement_failed";
    /// The relay cannot be used: `error` says why. Mails wait until `relay_up`.
    pub const RELAY_DOWN: &str = "relay_down";
    /// The relay can be used again.
    pub const RELAY_UP: &str = "relay_up";
    /// The relay asked for less, or did not answer in time: it is given fewer mails at once, until `relay_recovered`.
    pub const RELAY_SLOWED: &str = "relay_slowed";
    /// The relay is given as many mails at once as before.
    pub const RELAY_RECOVERED: &str = "relay_recovered";
    /// A site asked for less, or did not answer in time: it is given fewer mails at once, until `site_recovered`.
    pub const SITE_SLOWED: &str = "site_slowed";
    /// A site does not answer, or takes nothing, although it is given one mail at a time: it is given none for a while.
    pub const SITE_RESTS: &str = "site_rests";
    /// A site is given as many mails at once as before.
    pub const SITE_RECOVERED: &str = "site_recovered";
    /// A report's file was built.
    pub const REPORT_BUILT: &str = "report_built";
    /// An order for many jobs stopped half-way, since the database failed; it goes on where it was.
    pub const BULK_FAILED: &str = "bulk_failed";
    /// An account and all that was its workspace's is gone.
    pub const ACCOUNT_DELETED: &str = "account_deleted";
    /// The deletion of an account stopped half-way, since the database failed; it goes on where it was.
    pub const DELETION_FAILED: &str = "deletion_failed";
    /// A password could not be hashed anew under today's cost; the next login tries again.
    pub const REHASH_FAILED: &str = "rehash_failed";
    /// An operator's act could not be written down.
    pub const ACT_UNRECORDED: &str = "act_unrecorded";
    /// A report could not be built; its attempt failed.
    pub const REPORT_FAILED: &str = "report_failed";
    /// A report was deleted by somebody.
    pub const REPORT_DELETED: &str = "report_deleted";
    /// A report's file could not be read to the end of a download.
    pub const REPORT_CUT: &str = "report_cut";
    /// A file for mails was uploaded.
    pub const UPLOAD_STORED: &str = "upload_stored";
    /// An upload was deleted by somebody.
    pub const UPLOAD_DELETED: &str = "upload_deleted";
    /// An operator set from which domains a workspace may send mails.
    pub const SENDERS_SET: &str = "senders_set";
    /// Files that no report names were cleared away.
    pub const REPORTS_CLEARED: &str = "reports_cleared";
    /// A file in the folder of reports could not be removed; the keeper tries again.
    pub const REPORTS_UNCLEAN: &str = "reports_unclean";
    /// A report's file was kept long enough and was removed.
    pub const REPORT_EXPIRED: &str = "report_expired";
    /// A temporary file in the outbox could not be removed.
    pub const OUTBOX_UNCLEAN: &str = "outbox_unclean";

    // The database and this node.

    /// A newer version has expanded the schema, with which this one works still.
    pub const SCHEMA_NEWER: &str = "schema_newer";
    /// What only older versions used was taken out of the schema; they do not start on it any more.
    pub const SCHEMA_CONTRACTED: &str = "schema_contracted";
    /// That could not be done; the next look tries again.
    pub const CONTRACT_FAILED: &str = "contract_failed";
    /// Another process holds the database; the writes that waited are refused.
    pub const DATABASE_LOCKED: &str = "database_locked";
    /// The connection to the database was lost; the writes that waited are refused.
    pub const DATABASE_LOST: &str = "database_lost";
    /// A shared transaction was lost; its members are run again one by one.
    pub const TRANSACTION_LOST: &str = "transaction_lost";
    /// The database could not be opened again after a fault; the next write tries again.
    pub const REOPEN_FAILED: &str = "reopen_failed";
    /// The connection over which other nodes are heard was lost, or cannot be made; polls find what they commit.
    pub const LISTENER_LOST: &str = "listener_lost";
    /// Other nodes are heard again.
    pub const LISTENER_BACK: &str = "listener_back";
    /// A connection that reads could not be opened.
    pub const READER_FAILED: &str = "reader_failed";
    /// The answer to a write that nobody waited for panicked when it was thrown away.
    pub const ANSWER_FAILED: &str = "answer_failed";
    /// Telling the dispatcher of available jobs panicked; its poll finds them.
    pub const WAKE_FAILED: &str = "wake_failed";
    /// The lease could not be renewed; the next beat tries again.
    pub const BEAT_FAILED: &str = "beat_failed";
    /// This node could not renew its lease in time; its own work is told to stop.
    pub const LEASE_LAPSED: &str = "lease_lapsed";
    /// This node renewed its lease after that, and claims again.
    pub const LEASE_REGAINED: &str = "lease_regained";
    /// This node's lease was taken over; it enters anew once its work has ended.
    pub const NODE_LOST: &str = "node_lost";
    /// The lease of another node has ended; its work is taken back.
    pub const NODE_DEAD: &str = "node_dead";
    /// It could not be looked for dead nodes; the next look tries again.
    pub const RESCUE_FAILED: &str = "rescue_failed";
    /// It could not be looked for work that runs here by the database alone; the next look tries again.
    pub const UNLISTED_UNSEEN: &str = "unlisted_unseen";
    /// This machine's clock differs from the database's; it is corrected.
    pub const CLOCK_SET: &str = "clock_set";
    /// What waits could not be counted; limits rest on an older count.
    pub const COUNT_FAILED: &str = "count_failed";
    /// How many mails workspaces sent could not be written or read; the next round tries again.
    pub const MAIL_COUNTS_BEHIND: &str = "mail_counts_behind";
    /// An operator set what a workspace may use.
    pub const QUOTAS_SET: &str = "quotas_set";
    /// Expired rows were cleared away.
    pub const CLEARED: &str = "cleared";
    /// Expired rows could not be cleared away; the next round tries again.
    pub const CLEAR_FAILED: &str = "clear_failed";

    // Supervision: what happened to an actor.

    /// An actor was built for the first time.
    pub const STARTED: &str = "started";
    /// An actor, its factory or one of its hooks panicked.
    pub const PANICKED: &str = "panicked";
    /// An actor stopped by itself, which counts as a failure.
    pub const ENDED: &str = "ended";
    /// A child of the tree ended by itself in order, and is done.
    pub const FINISHED: &str = "finished";
    /// A child of the tree ended by itself with an error.
    pub const FAILED: &str = "failed";
    /// A child of the tree made no progress for longer than its spec allows.
    pub const STUCK: &str = "stuck";
    /// A child of the tree that was stuck goes on.
    pub const UNSTUCK: &str = "unstuck";
    /// A child of the tree that was stuck was cut off, or left behind with its thread; it is built anew.
    pub const REPLACED: &str = "replaced";
    /// A supervisor ended its children and failed, because they failed more often than it may restart them.
    pub const ESCALATED: &str = "escalated";
    /// A child of the tree handles nothing until told to go on, by an operator's order.
    pub const SUSPENDED: &str = "suspended";
    /// A child of the tree goes on, by an operator's order.
    pub const RESUMED: &str = "resumed";
    /// An actor was built anew, after a failure or by an operator's order.
    pub const RESTARTED: &str = "restarted";
    /// An actor failed too often and is now tried again at long intervals only.
    pub const DEGRADED: &str = "degraded";
    /// A degraded actor has run for a calm period.
    pub const RECOVERED: &str = "recovered";
    /// An actor is stopped for good.
    pub const STOPPED: &str = "stopped";
    /// Messages were refused because an actor's mailbox was full; at most one such line a second for each actor.
    pub const MAILBOX_FULL: &str = "mailbox_full";
}
