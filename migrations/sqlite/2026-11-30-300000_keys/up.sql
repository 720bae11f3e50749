-- Processes keep in memory who may come in by what. Whoever changes that, be it a person's hand, is written down here by the
-- database itself: the service reads it, and forgets what it kept of these accounts.
CREATE TABLE credential_changes (
    number     INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    account_id TEXT    NOT NULL
);

-- Whoever has not read for that long forgets everything.
CREATE TRIGGER credential_changes_stay_few AFTER INSERT ON credential_changes
BEGIN
    DELETE FROM credential_changes WHERE number <= NEW.number - 1000;
END;

CREATE TRIGGER accounts_changed AFTER UPDATE ON accounts
BEGIN
    INSERT INTO credential_changes (account_id) VALUES (OLD.id);
END;
CREATE TRIGGER accounts_gone AFTER DELETE ON accounts
BEGIN
    INSERT INTO credential_changes (account_id) VALUES (OLD.id);
END;

-- Not when and where from they were last used, which is written often.
CREATE TRIGGER sessions_changed AFTER UPDATE OF account_id, token_hash, confirmed_at, expires_at, device_id ON sessions
BEGIN
    INSERT INTO credential_changes (account_id) VALUES (OLD.account_id);
END;
CREATE TRIGGER sessions_gone AFTER DELETE ON sessions
BEGIN
    INSERT INTO credential_changes (account_id) VALUES (OLD.account_id);
END;

CREATE TRIGGER api_keys_changed
AFTER UPDATE OF account_id, name, key_hash, scopes, revoked_at, expires_at, replaced_by ON api_keys
BEGIN
    INSERT INTO credential_changes (account_id) VALUES (OLD.account_id);
END;
CREATE TRIGGER api_keys_gone AFTER DELETE ON api_keys
BEGIN
    INSERT INTO credential_changes (account_id) VALUES (OLD.account_id);
END;

CREATE TRIGGER second_factors_new AFTER INSERT ON second_factors
BEGIN
    INSERT INTO credential_changes (account_id) VALUES (NEW.account_id);
END;
-- Not which step was taken last.
CREATE TRIGGER second_factors_changed AFTER UPDATE OF sealed_secret, confirmed_at ON second_factors
BEGIN
    INSERT INTO credential_changes (account_id) VALUES (OLD.account_id);
END;
CREATE TRIGGER second_factors_gone AFTER DELETE ON second_factors
BEGIN
    INSERT INTO credential_changes (account_id) VALUES (OLD.account_id);
END;

-- Keys that are of no use any more, which are cleared away after some time.
CREATE INDEX api_keys_revoked ON api_keys (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX api_keys_by_expiry ON api_keys (expires_at) WHERE expires_at IS NOT NULL;
