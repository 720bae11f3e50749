DROP INDEX jobs_running_by_key;
DROP INDEX jobs_in_turn;
