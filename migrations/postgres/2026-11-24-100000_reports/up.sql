-- Reports that were ordered, and where their files are. A report outlives its job's row, so job_id is no foreign key: a job
-- that is cleared away must not take with it a file that was promised for longer.
--
-- waiting: built_at is null. ready: built_at and fence are set, and the file is named by the id, the fence and the format.
-- expired: built_at is set and fence is null again, since the file is gone.

CREATE TABLE reports (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    job_id       TEXT COLLATE "C" NOT NULL,
    table_name   TEXT COLLATE "C" NOT NULL CHECK (table_name IN ('jobs', 'mail')),
    format       TEXT COLLATE "C" NOT NULL CHECK (format IN ('csv', 'jsonl')),
    from_at      BIGINT,
    to_at        BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    built_at     BIGINT,
    expires_at   BIGINT,
    fence        BIGINT CHECK (fence >= 1),
    row_count    BIGINT CHECK (row_count >= 0),
    byte_count   BIGINT CHECK (byte_count >= 0),
    sha256       TEXT COLLATE "C",
    CHECK (from_at IS NULL OR from_at < to_at),
    CHECK ((built_at IS NOT NULL) = (expires_at IS NOT NULL)),
    CHECK ((built_at IS NOT NULL) = (row_count IS NOT NULL)),
    CHECK ((built_at IS NOT NULL) = (byte_count IS NOT NULL)),
    CHECK ((built_at IS NOT NULL) = (sha256 IS NOT NULL)),
    CHECK (built_at IS NOT NULL OR fence IS NULL)
);
CREATE INDEX reports_by_workspace ON reports (workspace_id, id);
-- What a workspace keeps, which has a bound: what has a file, or may still get its first.
CREATE INDEX reports_kept ON reports (workspace_id) WHERE fence IS NOT NULL OR built_at IS NULL;
CREATE INDEX reports_to_expire ON reports (expires_at) WHERE fence IS NOT NULL;
CREATE INDEX reports_to_forget ON reports (expires_at) WHERE fence IS NULL AND built_at IS NOT NULL;
CREATE INDEX reports_unbuilt ON reports (created_at) WHERE built_at IS NULL;
