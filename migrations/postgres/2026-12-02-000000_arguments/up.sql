-- As on SQLite, which alone uses it: here a changed row is a new one in any case, and long values are kept apart (TOAST) and are
-- not written again.
CREATE TABLE job_args (
    job_id       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL,
    args         TEXT COLLATE "C" NOT NULL
);
