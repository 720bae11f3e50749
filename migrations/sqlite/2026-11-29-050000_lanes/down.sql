DROP INDEX jobs_running_by_key;
DROP INDEX jobs_in_turn;
CREATE INDEX jobs_to_claim ON jobs (queue, kind, args_version, rank, id, workspace_id) WHERE state = 'available';
