DROP INDEX jobs_finished;
DROP INDEX jobs_waiting;
DROP INDEX jobs_to_claim;
CREATE INDEX jobs_to_claim ON jobs (queue, rank, id) WHERE state = 'available';
DROP TABLE queues;
