-- The complete life of a job: deadlines, unique keys, idempotency, and events that clients follow.
--
-- jobs is made anew, and attempts with it, since a CHECK and foreign keys change. Neither has foreign keys any more: what
-- writes them has the workspace from an authenticated account and the job from its own row, the check costs as much as an
-- index for each job, and on PostgreSQL it has all writers lock the workspace's one row.

CREATE TABLE attempts_before AS SELECT * FROM attempts;
DROP TABLE attempts;

CREATE TABLE jobs_after (
    id                  TEXT   NOT NULL PRIMARY KEY,
    workspace_id        TEXT   NOT NULL,
    kind                TEXT   NOT NULL,
    queue               TEXT   NOT NULL,
    state               TEXT   NOT NULL CHECK (state IN
        ('scheduled', 'available', 'running', 'retryable', 'completed', 'discarded', 'cancelled', 'uncertain')),
    priority            BIGINT NOT NULL CHECK (priority BETWEEN -10 AND 10),
    rank                BIGINT NOT NULL,
    args                TEXT   NOT NULL,
    args_version        BIGINT NOT NULL,
    attempt             BIGINT NOT NULL CHECK (attempt >= 0),
    max_attempts        BIGINT NOT NULL CHECK (max_attempts >= 1),
    timeout_ms          BIGINT NOT NULL CHECK (timeout_ms >= 1),
    run_at              BIGINT NOT NULL,
    created_at          BIGINT NOT NULL,
    started_at          BIGINT,
    finished_at         BIGINT,
    fence               BIGINT NOT NULL CHECK (fence >= 0),
    -- The node of the latest attempt.
    node                TEXT,
    cancel_requested_at BIGINT,
    no_return_at        BIGINT,
    -- When all attempts must have ended; what has not ended by then is cancelled.
    deadline_at         BIGINT,
    cause               TEXT,
    result              TEXT,
    progress_done       BIGINT,
    progress_total      BIGINT,
    progress_note       TEXT,
    -- When progress was last written.
    progress_at         BIGINT,
    worker_panics       BIGINT NOT NULL CHECK (worker_panics >= 0),
    deaths              BIGINT NOT NULL CHECK (deaths >= 0),
    -- The key by which it is the only one of its workspace; see unique_keys.
    unique_key          TEXT,
    request_id          TEXT,
    CHECK ((finished_at IS NOT NULL) = (state IN ('completed', 'discarded', 'cancelled', 'uncertain'))),
    CHECK (state <> 'running' OR (node IS NOT NULL AND started_at IS NOT NULL AND fence >= 1 AND attempt >= 1))
);
INSERT INTO jobs_after (id, workspace_id, kind, queue, state, priority, rank, args, args_version, attempt, max_attempts,
    timeout_ms, run_at, created_at, started_at, finished_at, fence, node, cancel_requested_at, no_return_at, cause, result,
    progress_done, progress_total, progress_note, worker_panics, deaths, request_id)
SELECT id, workspace_id, kind, queue, state, priority, rank, args, args_version, attempt, max_attempts,
    timeout_ms, run_at, created_at, started_at, finished_at, fence, node, cancel_requested_at, no_return_at, cause, result,
    progress_done, progress_total, progress_note, worker_panics, deaths, request_id
FROM jobs;
DROP TABLE jobs;
ALTER TABLE jobs_after RENAME TO jobs;

-- The last column of each of the two is there so that what waits is counted from the index alone.
CREATE INDEX jobs_to_claim ON jobs (queue, kind, args_version, rank, id, workspace_id) WHERE state = 'available';
CREATE INDEX jobs_to_come ON jobs (run_at, queue, workspace_id) WHERE state IN ('scheduled', 'retryable');
CREATE INDEX jobs_running ON jobs (node) WHERE state = 'running';
CREATE INDEX jobs_with_deadline ON jobs (deadline_at) WHERE deadline_at IS NOT NULL AND finished_at IS NULL;
CREATE INDEX jobs_by_workspace ON jobs (workspace_id, id);

-- Written once, when an attempt has ended; the running one is shown from the job's own row, and so is the last one of a job
-- that completed, which has no row here.
CREATE TABLE attempts (
    job_id       TEXT   NOT NULL,
    number       BIGINT NOT NULL CHECK (number >= 1),
    workspace_id TEXT   NOT NULL,
    started_at   BIGINT NOT NULL,
    finished_at  BIGINT NOT NULL,
    outcome      TEXT   NOT NULL CHECK (outcome IN
        ('completed', 'failed', 'timed_out', 'snoozed', 'cancelled', 'panicked', 'lost', 'uncertain')),
    error        TEXT,
    node         TEXT   NOT NULL,
    PRIMARY KEY (job_id, number)
);
INSERT INTO attempts (job_id, number, workspace_id, started_at, finished_at, outcome, error, node)
SELECT job_id, number, workspace_id, started_at, finished_at, outcome, error, node FROM attempts_before;
DROP TABLE attempts_before;

-- Which of a workspace's jobs has a unique key. Whether it still holds is seen from the job: 'waiting' until it is claimed,
-- 'unfinished' until it has ended, 'time' until the time in held_until. A row that no longer holds is taken over.
CREATE TABLE unique_keys (
    workspace_id TEXT   NOT NULL,
    unique_key   TEXT   NOT NULL,
    job_id       TEXT   NOT NULL,
    scope        TEXT   NOT NULL CHECK (scope IN ('waiting', 'unfinished', 'time')),
    held_until   BIGINT,
    PRIMARY KEY (workspace_id, unique_key),
    CHECK ((held_until IS NOT NULL) = (scope = 'time'))
);

-- What a request with an Idempotency-Key was answered, written with its job in one transaction.
CREATE TABLE idempotency_keys (
    workspace_id    TEXT   NOT NULL,
    idempotency_key TEXT   NOT NULL,
    -- SHA-256 of the method, the path and the body.
    fingerprint     TEXT   NOT NULL,
    job_id          TEXT   NOT NULL,
    body            TEXT   NOT NULL,
    created_at      BIGINT NOT NULL,
    expires_at      BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, idempotency_key)
);
CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at);

-- What happened to jobs: one row for each workspace and transaction, with all of its changes in JSON. tx orders
-- transactions whose seq was taken in another order than they were committed in; here one writer keeps both in one order.
CREATE TABLE events (
    seq          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tx           BIGINT  NOT NULL DEFAULT 0,
    workspace_id TEXT    NOT NULL,
    at           BIGINT  NOT NULL,
    changes      TEXT    NOT NULL
);
CREATE INDEX events_in_order ON events (tx, seq);
CREATE INDEX events_by_workspace ON events (workspace_id, tx, seq);

-- What the node does: 'api', 'work' or both, with a comma between.
ALTER TABLE nodes ADD COLUMN roles TEXT NOT NULL DEFAULT 'api,work';
