DROP TABLE dependencies;
DROP TABLE waiters;
DROP TABLE batches;
DROP INDEX jobs_by_batch;
