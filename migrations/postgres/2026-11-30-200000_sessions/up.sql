-- Logins that nobody uses are cleared away by when they were last used.
CREATE INDEX sessions_by_use ON sessions (last_used_at);
