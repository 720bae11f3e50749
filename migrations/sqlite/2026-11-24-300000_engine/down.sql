ALTER TABLE nodes DROP COLUMN roles;
DROP TABLE events;
DROP TABLE idempotency_keys;
DROP TABLE unique_keys;

CREATE TABLE attempts_after AS SELECT * FROM attempts;
DROP TABLE attempts;
CREATE TABLE jobs_before (
    id                  TEXT   NOT NULL PRIMARY KEY,
    workspace_id        TEXT   NOT NULL REFERENCES workspaces (id),
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
    node                TEXT,
    cancel_requested_at BIGINT,
    no_return_at        BIGINT,
    cause               TEXT,
    result              TEXT,
    progress_done       BIGINT,
    progress_total      BIGINT,
    progress_note       TEXT,
    worker_panics       BIGINT NOT NULL CHECK (worker_panics >= 0),
    deaths              BIGINT NOT NULL CHECK (deaths >= 0),
    request_id          TEXT,
    CHECK ((finished_at IS NOT NULL) = (state IN ('completed', 'discarded', 'cancelled', 'uncertain'))),
    CHECK ((node IS NOT NULL) = (state = 'running')),
    CHECK (state <> 'running' OR (started_at IS NOT NULL AND fence >= 1 AND attempt >= 1))
);
INSERT INTO jobs_before
SELECT id, workspace_id, kind, queue, state, priority, rank, args, args_version, attempt, max_attempts,
    timeout_ms, run_at, created_at, started_at, finished_at, fence, CASE WHEN state = 'running' THEN node END,
    cancel_requested_at, no_return_at, cause, result, progress_done, progress_total, progress_note, worker_panics, deaths,
    request_id
FROM jobs;
-- The last attempt of a job that completed has no row of its own.
INSERT INTO attempts_after (job_id, number, workspace_id, started_at, finished_at, outcome, node)
SELECT id, fence, workspace_id, started_at, finished_at, 'completed', node FROM jobs
WHERE state = 'completed' AND started_at IS NOT NULL AND node IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM attempts_after WHERE job_id = jobs.id AND number = jobs.fence);
DROP TABLE jobs;
ALTER TABLE jobs_before RENAME TO jobs;
CREATE INDEX jobs_to_claim ON jobs (queue, kind, args_version, rank, id) WHERE state = 'available';
CREATE INDEX jobs_to_come ON jobs (run_at) WHERE state IN ('scheduled', 'retryable');
CREATE INDEX jobs_running ON jobs (node) WHERE state = 'running';
CREATE INDEX jobs_by_workspace ON jobs (workspace_id, id);
CREATE INDEX jobs_waiting ON jobs (workspace_id) WHERE state IN ('scheduled', 'available', 'retryable');
CREATE INDEX jobs_finished ON jobs (state, finished_at) WHERE finished_at IS NOT NULL;
CREATE TABLE attempts (
    job_id       TEXT   NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number       BIGINT NOT NULL CHECK (number >= 1),
    workspace_id TEXT   NOT NULL REFERENCES workspaces (id),
    started_at   BIGINT NOT NULL,
    finished_at  BIGINT NOT NULL,
    outcome      TEXT   NOT NULL CHECK (outcome IN
        ('completed', 'failed', 'timed_out', 'snoozed', 'cancelled', 'panicked', 'lost', 'uncertain')),
    error        TEXT,
    node         TEXT   NOT NULL,
    PRIMARY KEY (job_id, number)
);
INSERT INTO attempts (job_id, number, workspace_id, started_at, finished_at, outcome, error, node)
SELECT job_id, number, workspace_id, started_at, finished_at, outcome, error, node FROM attempts_after;
DROP TABLE attempts_after;
