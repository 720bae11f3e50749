-- Accounts as an auditor would pass them: second factors, logins with their limits, devices, keys with an end, and what happened.

-- When the account and all that is its workspace's go; null unless its owner asked for that.
ALTER TABLE accounts ADD COLUMN deletion_at BIGINT;
-- When the password was last set; null for one that is as old as the account.
ALTER TABLE accounts ADD COLUMN password_changed_at BIGINT;

-- A change of address that waits to be confirmed at the new one; one an account.
CREATE TABLE address_changes (
    id              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    workspace_id    TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    account_id      TEXT COLLATE "C" NOT NULL UNIQUE REFERENCES accounts (id) ON DELETE CASCADE,
    email           TEXT COLLATE "C" NOT NULL,
    email_canonical TEXT COLLATE "C" NOT NULL,
    token_hash      TEXT COLLATE "C" NOT NULL UNIQUE,
    -- The key of the ring that the token was derived with.
    key_id          TEXT COLLATE "C" NOT NULL,
    created_at      BIGINT NOT NULL,
    expires_at      BIGINT NOT NULL
);
CREATE INDEX address_changes_by_expiry ON address_changes (expires_at);

-- A reset of a password that waits for its link to be used. Made by the worker that mails the link, so that asking for one
-- writes the same whether or not the address has an account.
CREATE TABLE password_resets (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    account_id   TEXT COLLATE "C" NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    token_hash   TEXT COLLATE "C" NOT NULL UNIQUE,
    key_id       TEXT COLLATE "C" NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);
CREATE INDEX password_resets_by_account ON password_resets (account_id);
CREATE INDEX password_resets_by_expiry ON password_resets (expires_at);

-- The second factor of an account: time-based codes (RFC 6238).
CREATE TABLE second_factors (
    account_id    TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    workspace_id  TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    -- Encrypted with a key of the ring.
    sealed_secret TEXT COLLATE "C" NOT NULL,
    key_id        TEXT COLLATE "C" NOT NULL,
    created_at    BIGINT NOT NULL,
    -- When its first code was shown; until then it is asked of nobody.
    confirmed_at  BIGINT,
    -- The time step of the last code that was taken: neither it nor an earlier one is taken again.
    last_step     BIGINT NOT NULL
);

-- Codes that stand in for the second factor, each once.
CREATE TABLE recovery_codes (
    account_id   TEXT COLLATE "C" NOT NULL REFERENCES second_factors (account_id) ON DELETE CASCADE,
    code_hash    TEXT COLLATE "C" NOT NULL,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    used_at      BIGINT,
    PRIMARY KEY (account_id, code_hash)
);

-- Browsers and programs that have logged in to an account before.
CREATE TABLE devices (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    account_id   TEXT COLLATE "C" NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    user_agent   TEXT COLLATE "C",
    network      TEXT COLLATE "C",
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL
);
CREATE INDEX devices_by_account ON devices (account_id, last_used_at);

-- When a login was last used, to some minutes; null for one that was not used since it began.
ALTER TABLE sessions ADD COLUMN last_used_at BIGINT;
-- Where from it was last used: an IPv4 address or the first 64 bits of an IPv6 address.
ALTER TABLE sessions ADD COLUMN network TEXT COLLATE "C";
-- When whoever holds it last showed the password, and the second factor where there is one; null for a login that was made
-- before there was this column, which is as good as never.
ALTER TABLE sessions ADD COLUMN confirmed_at BIGINT;
ALTER TABLE sessions ADD COLUMN device_id TEXT COLLATE "C";

-- The first characters of a key, which say nothing of the rest: what it is found by in logs and leaks.
ALTER TABLE api_keys ADD COLUMN prefix TEXT COLLATE "C";
ALTER TABLE api_keys ADD COLUMN expires_at BIGINT;
-- When it was last used, to some minutes.
ALTER TABLE api_keys ADD COLUMN last_used_at BIGINT;
-- The key that takes its place.
ALTER TABLE api_keys ADD COLUMN replaced_by TEXT COLLATE "C";
CREATE INDEX api_keys_by_prefix ON api_keys (prefix);

-- What a workspace may use, where that differs from the settings.
ALTER TABLE workspaces ADD COLUMN jobs_waiting_max BIGINT CHECK (jobs_waiting_max >= 0);
ALTER TABLE workspaces ADD COLUMN mails_per_day BIGINT CHECK (mails_per_day >= 0);
ALTER TABLE workspaces ADD COLUMN bytes_stored_max BIGINT CHECK (bytes_stored_max >= 0);

-- Mails that a workspace sent in an hour, as each node counts them.
CREATE TABLE mail_counts (
    workspace_id TEXT COLLATE "C" NOT NULL REFERENCES workspaces (id),
    -- Hours since the epoch.
    hour         BIGINT NOT NULL,
    node         TEXT COLLATE "C" NOT NULL,
    mails        BIGINT NOT NULL CHECK (mails >= 0),
    PRIMARY KEY (workspace_id, hour, node)
);
CREATE INDEX mail_counts_by_hour ON mail_counts (hour);

-- What concerns the security of accounts: logins, failures, changes, keys. Written once, in the transaction of what it tells of.
CREATE TABLE security_events (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    at           BIGINT NOT NULL,
    -- That of the account; the service's own where there is none, as for a login with an unknown address.
    workspace_id TEXT COLLATE "C" NOT NULL,
    account_id   TEXT COLLATE "C",
    event        TEXT COLLATE "C" NOT NULL,
    -- Where from, and by which program.
    network      TEXT COLLATE "C",
    user_agent   TEXT COLLATE "C",
    request_id   TEXT COLLATE "C",
    -- JSON.
    detail       TEXT COLLATE "C" NOT NULL
);
CREATE INDEX security_events_by_time ON security_events (at);
CREATE INDEX security_events_by_workspace ON security_events (workspace_id, id);
CREATE INDEX security_events_by_account ON security_events (account_id, id) WHERE account_id IS NOT NULL;
CREATE INDEX security_events_by_event ON security_events (event, id);
