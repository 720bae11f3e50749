DROP TABLE limited_queues;
DROP TABLE limit_buckets;
DROP TABLE limits;
DROP INDEX workspaces_with_weight;
ALTER TABLE workspaces DROP COLUMN weight;
ALTER TABLE jobs DROP COLUMN is_waited_for;
ALTER TABLE jobs DROP COLUMN batch_id;
ALTER TABLE jobs DROP COLUMN schedule_id;
ALTER TABLE jobs DROP COLUMN limit_key;
