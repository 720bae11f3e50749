//! What operators do, as it is written down.

use super::named::named;

named! {
    /// What an operator did. Names are added to, never renamed.
    Action {
        /// Paused a queue.
        PauseQueue = "queue.pause",
        /// Resumed a queue.
        ResumeQueue = "queue.resume",
        /// Set the limit of a queue.
        LimitQueue = "queue.limit",
        /// Removed the limit of a queue.
        UnlimitQueue = "queue.unlimit",
        /// Set the weight of a workspace.
        WeighWorkspace = "workspace.weigh",
        /// Set what a workspace may use.
        SetQuota = "workspace.quota",
        /// Set from which domains a workspace may send mails.
        GrantSenders = "workspace.senders",
        /// Cancelled a job of another workspace.
        CancelJob = "job.cancel",
        /// Had a job of another workspace run again.
        RetryJob = "job.retry",
        /// Said what became of an uncertain job, of their own workspace or another.
        ResolveJob = "job.resolve",
        /// Cancelled a batch of another workspace.
        CancelBatch = "batch.cancel",
        /// Sealed a batch of another workspace.
        SealBatch = "batch.seal",
        /// Changed a schedule of another workspace.
        ChangeSchedule = "schedule.change",
        /// Paused a schedule of another workspace.
        PauseSchedule = "schedule.pause",
        /// Resumed a schedule of another workspace.
        ResumeSchedule = "schedule.resume",
        /// Had a schedule of another workspace make its job at once.
        RunSchedule = "schedule.run",
        /// Deleted a schedule of another workspace.
        DeleteSchedule = "schedule.delete",
        /// Deleted a report of another workspace.
        DeleteReport = "report.delete",
        /// Ordered that all jobs of a filter be cancelled.
        CancelJobs = "jobs.cancel",
        /// Ordered that all jobs of a filter run again.
        RetryJobs = "jobs.retry",
        /// Replaced the template of a mail that the service itself sends.
        ReplaceTemplate = "template.replace",
        /// Brought the built-in template of such a mail back.
        RestoreTemplate = "template.restore",
        /// Restarted an actor.
        RestartActor = "actor.restart",
        /// Suspended an actor.
        SuspendActor = "actor.suspend",
        /// Let a suspended actor go on.
        ResumeActor = "actor.resume",
        /// Had an actor panic.
        PanicActor = "actor.panic",
        /// Made an account.
        CreateAccount = "account.create",
        /// Made an account an operator's.
        GrantOperator = "account.grant_operator",
        /// Made an operator's account an ordinary one.
        RevokeOperator = "account.revoke_operator",
        /// Set the password of an account.
        SetPassword = "account.set_password",
        /// Had an account deleted.
        DeleteAccount = "account.delete",
        /// Revoked an API key of any account.
        RevokeKey = "api_key.revoke",
        /// Turned the second factor of an account off.
        DisableSecondFactor = "account.disable_second_factor",
    }
}

named! {
    /// By which way an operator came.
    Via {
        /// Over HTTP, by an account.
        Api = "api",
        /// On the service's own machine.
        CommandLine = "command_line",
    }
}
