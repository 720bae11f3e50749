-- What whoever asked for a job marked it with, as a JSON object that is shown with it.
ALTER TABLE jobs ADD COLUMN labels TEXT COLLATE "C";

-- The domains from which a workspace may send mails, as a JSON array of texts in lower case: what an operator granted.
ALTER TABLE workspaces ADD COLUMN sender_domains TEXT COLLATE "C";

-- Files that mails need. One is whole once its checksum is known.
CREATE TABLE uploads (
    id           TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    workspace_id TEXT   COLLATE "C" NOT NULL REFERENCES workspaces (id),
    name         TEXT   COLLATE "C" NOT NULL,
    content_type TEXT   COLLATE "C" NOT NULL,
    byte_count   BIGINT NOT NULL CHECK (byte_count >= 0),
    sha256       TEXT COLLATE "C",
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);
CREATE INDEX uploads_of_workspace ON uploads (workspace_id, id);
CREATE INDEX uploads_by_expiry ON uploads (expires_at);

-- Their bytes, in pieces that neither a statement nor a reader's memory is too small for.
CREATE TABLE upload_chunks (
    upload_id    TEXT   COLLATE "C" NOT NULL REFERENCES uploads (id),
    workspace_id TEXT   COLLATE "C" NOT NULL REFERENCES workspaces (id),
    number       BIGINT NOT NULL CHECK (number >= 0),
    data         BYTEA  NOT NULL,
    PRIMARY KEY (upload_id, number)
);

-- Which jobs need which: it stays until they have ended. A job that is cleared away leaves its rows to the upload's end.
CREATE TABLE upload_uses (
    upload_id    TEXT COLLATE "C" NOT NULL REFERENCES uploads (id),
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    job_id       TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (upload_id, job_id)
);
