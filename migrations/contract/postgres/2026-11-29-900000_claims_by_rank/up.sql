-- The index by which nodes of the first release claim. Not concurrently: so it goes in one transaction with the look for nodes
-- that need it and with what keeps them out, and the lock on the table is held no longer than that takes.
DROP INDEX jobs_to_claim;
UPDATE schema_needs SET oldest_release = 2 WHERE oldest_release < 2;
