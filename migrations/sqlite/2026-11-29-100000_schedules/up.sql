-- Schedules: jobs that are made again and again, and what became of each tick.

CREATE TABLE schedules (
    id           TEXT   NOT NULL PRIMARY KEY,
    workspace_id TEXT   NOT NULL REFERENCES workspaces (id),
    name         TEXT   NOT NULL,
    cron         TEXT   NOT NULL,
    time_zone    TEXT   NOT NULL,
    -- What each job is.
    kind         TEXT   NOT NULL,
    queue        TEXT   NOT NULL,
    args         TEXT   NOT NULL,
    args_version BIGINT NOT NULL CHECK (args_version >= 1),
    -- The arguments as the client gave them, and how many mails a job of them sends.
    given        TEXT   NOT NULL,
    mails        BIGINT NOT NULL CHECK (mails >= 0),
    priority     BIGINT NOT NULL,
    max_attempts BIGINT NOT NULL CHECK (max_attempts >= 1),
    timeout_ms   BIGINT NOT NULL CHECK (timeout_ms >= 1),
    limit_key    TEXT   NOT NULL DEFAULT '',
    -- What becomes of ticks that nobody was there for, and of those that come while the job before runs.
    missed       TEXT   NOT NULL CHECK (missed IN ('skip', 'coalesce', 'catch_up')),
    catch_up     BIGINT CHECK (catch_up BETWEEN 1 AND 100),
    overlap      TEXT   NOT NULL CHECK (overlap IN ('allow', 'skip')),
    jitter_ms    BIGINT NOT NULL CHECK (jitter_ms >= 0),
    -- Whether its jobs count against what its workspace may ask for; an operator's do not.
    is_bounded   BIGINT NOT NULL CHECK (is_bounded IN (0, 1)),
    paused_at    BIGINT,
    -- The tick that is due next; none while it is paused, and where there is none.
    next_at      BIGINT,
    -- The last tick that was settled, and the last job that was made.
    last_at      BIGINT,
    last_job_id  TEXT,
    -- Grows by one with each change: whoever settles a tick shows the number that was read with it.
    tick         BIGINT NOT NULL CHECK (tick >= 0),
    created_by   TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    CHECK ((missed = 'catch_up') = (catch_up IS NOT NULL)),
    CHECK (paused_at IS NULL OR next_at IS NULL)
);
CREATE UNIQUE INDEX schedules_by_name ON schedules (workspace_id, name);
-- Those of a workspace, as they are listed.
CREATE INDEX schedules_by_workspace ON schedules (workspace_id, id);
CREATE INDEX schedules_due ON schedules (kind, next_at) WHERE next_at IS NOT NULL;

-- What became of each tick; of a schedule's, the latest thousand or so. A row may stand for several ticks in a row, up to the
-- one that it names.
CREATE TABLE schedule_fires (
    schedule_id  TEXT   NOT NULL REFERENCES schedules (id) ON DELETE CASCADE,
    tick_at      BIGINT NOT NULL,
    workspace_id TEXT   NOT NULL,
    outcome      TEXT   NOT NULL CHECK (outcome IN ('fired', 'coalesced', 'ordered', 'skipped_missed', 'skipped_overlap', 'refused')),
    since        BIGINT NOT NULL,
    ticks        BIGINT NOT NULL CHECK (ticks >= 1),
    job_id       TEXT,
    cause        TEXT,
    at           BIGINT NOT NULL,
    PRIMARY KEY (schedule_id, tick_at),
    CHECK ((outcome IN ('fired', 'coalesced', 'ordered')) = (job_id IS NOT NULL)),
    CHECK (since <= tick_at)
);
