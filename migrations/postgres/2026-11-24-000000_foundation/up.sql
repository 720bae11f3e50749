-- Portable columns only: text ids, BIGINT microseconds since the epoch (UTC), BIGINT numbers and 0/1 flags, JSON as text,
-- so that one set of queries serves every database. The states' rules are those of domain::job, held here once more.

CREATE TABLE workspaces (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name       TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL
);

-- The workspace that owns the service's own mails and unverified registrations.
INSERT INTO workspaces (id, name, created_at) VALUES ('wsp_00000000000000000000000000000000', 'service', 0);

CREATE TABLE accounts (
    id              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    workspace_id    TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    email           TEXT COLLATE "C" NOT NULL,
    email_canonical TEXT COLLATE "C" NOT NULL UNIQUE,
    name            TEXT COLLATE "C" NOT NULL,
    password_hash   TEXT COLLATE "C" NOT NULL,
    is_operator     BIGINT NOT NULL CHECK (is_operator IN (0, 1)),
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);
CREATE INDEX accounts_by_workspace ON accounts (workspace_id);

CREATE TABLE registrations (
    id              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    workspace_id    TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    email           TEXT COLLATE "C" NOT NULL,
    email_canonical TEXT COLLATE "C" NOT NULL,
    name            TEXT COLLATE "C" NOT NULL,
    password_hash   TEXT COLLATE "C" NOT NULL,
    token_hash      TEXT COLLATE "C" NOT NULL UNIQUE,
    key_id          TEXT COLLATE "C" NOT NULL,
    created_at      BIGINT NOT NULL,
    expires_at      BIGINT NOT NULL
);
CREATE INDEX registrations_by_email ON registrations (email_canonical, expires_at);
CREATE INDEX registrations_by_expiry ON registrations (expires_at);

CREATE TABLE sessions (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    account_id   TEXT COLLATE "C" NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    token_hash   TEXT COLLATE "C" NOT NULL UNIQUE,
    user_agent   TEXT COLLATE "C",
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);
CREATE INDEX sessions_by_account ON sessions (account_id, id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE api_keys (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    account_id   TEXT COLLATE "C" NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name         TEXT COLLATE "C" NOT NULL,
    key_hash     TEXT COLLATE "C" NOT NULL UNIQUE,
    scopes       TEXT COLLATE "C" NOT NULL,
    created_at   BIGINT NOT NULL,
    revoked_at   BIGINT
);
CREATE INDEX api_keys_by_account ON api_keys (account_id, id);

-- One row for each run of the process: its right to be alive.
CREATE TABLE nodes (
    id          TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    version     TEXT COLLATE "C" NOT NULL,
    started_at  BIGINT NOT NULL,
    lease_until BIGINT NOT NULL
);

CREATE TABLE jobs (
    id                  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    workspace_id        TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    kind                TEXT COLLATE "C" NOT NULL,
    queue               TEXT COLLATE "C" NOT NULL,
    state               TEXT COLLATE "C" NOT NULL CHECK (state IN
        ('scheduled', 'available', 'running', 'retryable', 'completed', 'discarded', 'cancelled', 'uncertain')),
    priority            BIGINT NOT NULL CHECK (priority BETWEEN -10 AND 10),
    rank                BIGINT NOT NULL,
    args                TEXT COLLATE "C" NOT NULL,
    args_version        BIGINT NOT NULL,
    attempt             BIGINT NOT NULL CHECK (attempt >= 0),
    max_attempts        BIGINT NOT NULL CHECK (max_attempts >= 1),
    timeout_ms          BIGINT NOT NULL CHECK (timeout_ms >= 1),
    run_at              BIGINT NOT NULL,
    created_at          BIGINT NOT NULL,
    started_at          BIGINT,
    finished_at         BIGINT,
    fence               BIGINT NOT NULL CHECK (fence >= 0),
    node                TEXT COLLATE "C",
    cancel_requested_at BIGINT,
    no_return_at        BIGINT,
    cause               TEXT COLLATE "C",
    result              TEXT COLLATE "C",
    progress_done       BIGINT,
    progress_total      BIGINT,
    progress_note       TEXT COLLATE "C",
    worker_panics       BIGINT NOT NULL CHECK (worker_panics >= 0),
    deaths              BIGINT NOT NULL CHECK (deaths >= 0),
    request_id          TEXT COLLATE "C",
    CHECK ((finished_at IS NOT NULL) = (state IN ('completed', 'discarded', 'cancelled', 'uncertain'))),
    CHECK ((node IS NOT NULL) = (state = 'running')),
    CHECK (state <> 'running' OR (started_at IS NOT NULL AND fence >= 1 AND attempt >= 1))
);
CREATE INDEX jobs_to_claim ON jobs (queue, rank, id) WHERE state = 'available';
CREATE INDEX jobs_to_come ON jobs (run_at) WHERE state IN ('scheduled', 'retryable');
CREATE INDEX jobs_running ON jobs (node) WHERE state = 'running';
CREATE INDEX jobs_by_workspace ON jobs (workspace_id, id);

-- Written once, when an attempt has ended; the running one is shown from the job's own row.
CREATE TABLE attempts (
    job_id       TEXT COLLATE "C" NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number       BIGINT NOT NULL CHECK (number >= 1),
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    started_at   BIGINT NOT NULL,
    finished_at  BIGINT NOT NULL,
    outcome      TEXT COLLATE "C" NOT NULL CHECK (outcome IN
        ('completed', 'failed', 'timed_out', 'snoozed', 'cancelled', 'panicked', 'lost', 'uncertain')),
    error        TEXT COLLATE "C",
    node         TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (job_id, number)
);
