-- Batches, and jobs that wait for others.

-- The jobs of a batch by where they are: what is counted, and by what it is found that nothing is left.
CREATE INDEX jobs_by_batch ON jobs (batch_id, state) WHERE batch_id IS NOT NULL;

-- Groups of jobs. The end of a job writes nothing here, but for the last one's.
CREATE TABLE batches (
    id                  TEXT NOT NULL PRIMARY KEY,
    workspace_id        TEXT NOT NULL,
    name                TEXT,
    -- How many jobs were put into it, those included that were cleared away since.
    job_count           BIGINT NOT NULL CHECK (job_count >= 0),
    -- The job that waits for its end; no member of it.
    finishing_job_id    TEXT,
    created_at          BIGINT NOT NULL,
    -- From when on no job is added.
    sealed_at           BIGINT,
    cancel_requested_at BIGINT,
    -- When it was sealed and all of its jobs had ended, for the first time.
    finished_at         BIGINT,
    CHECK (cancel_requested_at IS NULL OR sealed_at IS NOT NULL),
    CHECK (finished_at IS NULL OR sealed_at IS NOT NULL)
);
CREATE INDEX batches_by_workspace ON batches (workspace_id, id);
CREATE INDEX batches_unfinished ON batches (id) WHERE finished_at IS NULL;
CREATE INDEX batches_finished ON batches (finished_at) WHERE finished_at IS NOT NULL;

-- The jobs that wait for others, or for a batch, for as long as they do. Such a job is scheduled for the end of time; whoever
-- takes the row away, under the lock of the job's row, says what becomes of it.
CREATE TABLE waiters (
    job_id       TEXT NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    -- From when it may run once nothing is left to wait for.
    run_at       BIGINT NOT NULL,
    -- What becomes of it where something that it waited for did not complete.
    on_failure   TEXT NOT NULL CHECK (on_failure IN ('cancel', 'run')),
    -- The batch whose finishing job it is; for all others see dependencies.
    batch_id     TEXT
);

-- For which jobs it waits, and as what they ended: kept here, since their own rows may be gone before the last one ends.
CREATE TABLE dependencies (
    job_id       TEXT NOT NULL,
    waits_for    TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    ended_state  TEXT CHECK (ended_state IN ('completed', 'discarded', 'cancelled', 'uncertain')),
    PRIMARY KEY (job_id, waits_for)
);
CREATE INDEX dependencies_to_come ON dependencies (waits_for, job_id) WHERE ended_state IS NULL;
