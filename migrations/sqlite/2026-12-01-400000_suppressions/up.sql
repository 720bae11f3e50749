-- To whom no mails go: an address that gets none of a stream, or none at all.
CREATE TABLE suppressions (
    id           TEXT   NOT NULL PRIMARY KEY,
    workspace_id TEXT   NOT NULL REFERENCES workspaces (id),
    -- In its canonical form.
    address      TEXT   NOT NULL,
    -- Empty for all streams, so that each address has one row for them.
    stream       TEXT   NOT NULL,
    reason       TEXT   NOT NULL CHECK (reason IN ('bounce', 'complaint', 'unsubscribe', 'manual')),
    origin       TEXT   NOT NULL CHECK (origin IN ('account', 'api_key', 'job', 'recipient')),
    -- Which account, key or job.
    origin_id    TEXT,
    -- What the server said to the job, with addresses masked.
    reply        TEXT,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    CHECK ((origin_id IS NULL) = (origin = 'recipient')),
    CHECK ((reply IS NOT NULL) = (origin = 'job'))
);
-- What each mail asks before it is sent.
CREATE UNIQUE INDEX suppressions_by_address ON suppressions (workspace_id, address, stream);
CREATE INDEX suppressions_by_workspace ON suppressions (workspace_id, id);
CREATE INDEX suppressions_by_stream ON suppressions (workspace_id, stream, id);
CREATE INDEX suppressions_by_reason ON suppressions (workspace_id, reason, id);
