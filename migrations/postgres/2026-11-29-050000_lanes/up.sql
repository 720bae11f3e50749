-- The way of a claim. Apart from the columns that it rests on, so that on PostgreSQL reads go on while the index is built.

-- A claim goes from workspace to workspace, from key to key, and takes the first of each. What claims served before stays as
-- long as nodes of an earlier version may claim by it.
CREATE INDEX jobs_in_turn ON jobs (queue, kind, args_version, workspace_id, limit_key, rank, id) WHERE state = 'available';
-- What runs under a key; the running jobs of a queue are few enough to be counted by their nodes.
CREATE INDEX jobs_running_by_key ON jobs (queue, workspace_id, limit_key) WHERE state = 'running' AND limit_key <> '';
