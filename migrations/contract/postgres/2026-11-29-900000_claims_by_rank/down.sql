UPDATE schema_needs SET oldest_release = 1;
CREATE INDEX jobs_to_claim ON jobs (queue, kind, args_version, rank, id, workspace_id) WHERE state = 'available';
