-- The operator's hand: what was given up is found by why, and what operators do is written down.

-- Jobs that ended otherwise than they should, the newest first or on from an id: for all, and for one workspace. A job that
-- completes is in neither, and so pays nothing. The two say the same in different words, so that a query says by its own which
-- of them it means: SQLite would take the first for both.
CREATE INDEX jobs_given_up ON jobs (state, id) WHERE state IN ('discarded', 'cancelled', 'uncertain');
CREATE INDEX jobs_given_up_by_workspace ON jobs (workspace_id, state, id)
    WHERE finished_at IS NOT NULL AND state <> 'completed';

-- What operators did: a row for each act, in the act's own transaction where it has one.
CREATE TABLE acts (
    id           TEXT   NOT NULL PRIMARY KEY,
    at           BIGINT NOT NULL,
    -- That of the account; the service's own where somebody did it on the service's machine.
    workspace_id TEXT   NOT NULL,
    account_id   TEXT,
    action       TEXT   NOT NULL,
    subject_kind TEXT   NOT NULL,
    subject_id   TEXT   NOT NULL,
    -- JSON.
    detail       TEXT   NOT NULL,
    request_id   TEXT,
    via          TEXT   NOT NULL CHECK (via IN ('api', 'command_line')),
    CHECK ((account_id IS NOT NULL) = (via = 'api'))
);
CREATE INDEX acts_by_time ON acts (at);
CREATE INDEX acts_by_action ON acts (action, id);
CREATE INDEX acts_by_account ON acts (account_id, id) WHERE account_id IS NOT NULL;
