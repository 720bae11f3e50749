-- What operators say about a queue. A row exists exactly while the queue is paused.
CREATE TABLE queues (
    name      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    paused_at BIGINT NOT NULL,
    paused_by TEXT COLLATE "C" NOT NULL
);

-- By kind and version of the arguments before the rank, so that jobs that this node cannot perform are stepped over however
-- many of them wait at the head of a queue: a claim merges one range for each kind and version that it knows.
DROP INDEX jobs_to_claim;
CREATE INDEX jobs_to_claim ON jobs (queue, kind, args_version, rank, id) WHERE state = 'available';

-- How many jobs a workspace has waiting, counted up to its limit.
CREATE INDEX jobs_waiting ON jobs (workspace_id) WHERE state IN ('scheduled', 'available', 'retryable');

-- What has been finished for long enough to be deleted; by state, since states are kept for different times.
CREATE INDEX jobs_finished ON jobs (state, finished_at) WHERE finished_at IS NOT NULL;
