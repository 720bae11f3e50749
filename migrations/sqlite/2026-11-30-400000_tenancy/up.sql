-- The workspaces that have a quota of their own, which are few and are looked for every few seconds.
CREATE INDEX workspaces_with_quotas ON workspaces (id)
    WHERE jobs_waiting_max IS NOT NULL OR mails_per_day IS NOT NULL OR bytes_stored_max IS NOT NULL;
