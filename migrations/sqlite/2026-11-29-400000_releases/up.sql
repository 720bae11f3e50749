-- Releases that serve side by side: which of them a node is of, what it can perform, and which can work with this schema.

-- The number of the node's release. One that does not say it is of the first, which knew of no numbers.
ALTER TABLE nodes ADD COLUMN release BIGINT NOT NULL DEFAULT 1;

-- The kinds that a node performs, and up to which version of their arguments. They go with the node, whoever removes it.
CREATE TABLE node_kinds (
    node_id TEXT NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
    kind    TEXT NOT NULL,
    version BIGINT NOT NULL CHECK (version >= 1),
    PRIMARY KEY (node_id, kind)
);

-- The oldest release that can work with this schema, in one row. What expands the schema leaves it; what contracts it raises it.
CREATE TABLE schema_needs (
    id             BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    oldest_release BIGINT NOT NULL CHECK (oldest_release >= 1)
);
INSERT INTO schema_needs (id, oldest_release) VALUES (1, 1);
