-- Turns: what is waited for by workspace and key, who shares with whom, and what a job belongs to.

-- What limits count it under; empty where it has none.
ALTER TABLE jobs ADD COLUMN limit_key TEXT NOT NULL DEFAULT '';
-- The schedule that made it, and the batch that it belongs to.
ALTER TABLE jobs ADD COLUMN schedule_id TEXT;
ALTER TABLE jobs ADD COLUMN batch_id TEXT;
-- Whether somebody is to be told of its end: its batch, or a job that waits for it. The ends of all others look for nobody.
ALTER TABLE jobs ADD COLUMN is_waited_for BIGINT NOT NULL DEFAULT 0 CHECK (is_waited_for IN (0, 1));

-- The share of a workspace in each queue, against those of the others that have something waiting there.
ALTER TABLE workspaces ADD COLUMN weight BIGINT NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 100);
CREATE INDEX workspaces_with_weight ON workspaces (id, weight) WHERE weight <> 1;

-- A claim goes from workspace to workspace, from key to key, and takes the first of each.
DROP INDEX jobs_to_claim;
CREATE INDEX jobs_in_turn ON jobs (queue, kind, args_version, workspace_id, limit_key, rank, id) WHERE state = 'available';
-- What runs under a key; the running jobs of a queue are few enough to be counted by their nodes.
CREATE INDEX jobs_running_by_key ON jobs (queue, workspace_id, limit_key) WHERE state = 'running' AND limit_key <> '';

-- What may run at once and how fast it may start: of a whole queue (no workspace, no key), of a workspace's key, or of each of
-- its keys that has no limit of its own ('*').
CREATE TABLE limits (
    queue          TEXT   NOT NULL,
    workspace_id   TEXT   NOT NULL,
    limit_key      TEXT   NOT NULL,
    -- At most this many run at once.
    concurrency    BIGINT CHECK (concurrency >= 0),
    -- So many may start in each period, and as many as the burst at once after a rest.
    rate           BIGINT CHECK (rate >= 1),
    period_ms      BIGINT CHECK (period_ms >= 1),
    burst          BIGINT CHECK (burst >= 1),
    updated_at     BIGINT NOT NULL,
    PRIMARY KEY (queue, workspace_id, limit_key),
    CHECK ((rate IS NULL) = (period_ms IS NULL) AND (rate IS NULL) = (burst IS NULL))
);

-- How far what started has used up a rate: the time at which the bucket is full again. Written once a claim.
CREATE TABLE limit_buckets (
    queue        TEXT   NOT NULL,
    workspace_id TEXT   NOT NULL,
    limit_key    TEXT   NOT NULL,
    full_at      BIGINT NOT NULL,
    PRIMARY KEY (queue, workspace_id, limit_key)
);

-- The queues that have any limit. Whoever claims under limits holds the row until it has committed, so that no two count the
-- same free place.
CREATE TABLE limited_queues (
    queue TEXT NOT NULL PRIMARY KEY
);
