DROP TABLE schema_needs;
DROP TABLE node_kinds;
ALTER TABLE nodes DROP COLUMN release;
