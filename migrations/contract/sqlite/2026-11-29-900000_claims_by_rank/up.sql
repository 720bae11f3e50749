-- The index by which the first release claimed went when this one came, since a file has one node. What is left is to keep the
-- first release out.
UPDATE schema_needs SET oldest_release = 2 WHERE oldest_release < 2;
