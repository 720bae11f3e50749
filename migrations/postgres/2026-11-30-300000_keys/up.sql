-- Processes keep in memory who may come in by what. Whoever changes that, be it a node of an older version or a person's hand,
-- has all of them told by the database itself, with the commit and not without it: they forget what they kept of these
-- accounts. Such a NOTIFY has commits wait for each other, which is nothing where they are rare. The transaction knows by a
-- setting of its own which accounts it changed, for the node that commits it; beyond some hundred it is as good as all.
CREATE FUNCTION credentials_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    account TEXT := coalesce(to_jsonb(OLD), to_jsonb(NEW)) ->> TG_ARGV[0];
    noted TEXT := coalesce(current_setting('legwork.credentials', TRUE), '');
BEGIN
    PERFORM pg_notify('legwork_credentials', account);
    PERFORM set_config(
        'legwork.credentials', CASE WHEN length(noted) > 8000 THEN '*' ELSE noted || ' ' || account END, TRUE
    );
    RETURN NULL;
END
$$;

CREATE TRIGGER accounts_changed AFTER UPDATE OR DELETE ON accounts
    FOR EACH ROW EXECUTE FUNCTION credentials_changed('id');

-- Not when and where from they were last used, which is written often.
CREATE TRIGGER sessions_changed
    AFTER UPDATE OF account_id, token_hash, confirmed_at, expires_at, device_id OR DELETE ON sessions
    FOR EACH ROW EXECUTE FUNCTION credentials_changed('account_id');

CREATE TRIGGER api_keys_changed
    AFTER UPDATE OF account_id, name, key_hash, scopes, revoked_at, expires_at, replaced_by OR DELETE ON api_keys
    FOR EACH ROW EXECUTE FUNCTION credentials_changed('account_id');

-- Not which step was taken last.
CREATE TRIGGER second_factors_changed
    AFTER INSERT OR UPDATE OF sealed_secret, confirmed_at OR DELETE ON second_factors
    FOR EACH ROW EXECUTE FUNCTION credentials_changed('account_id');

-- Keys that are of no use any more, which are cleared away after some time.
CREATE INDEX api_keys_revoked ON api_keys (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX api_keys_by_expiry ON api_keys (expires_at) WHERE expires_at IS NOT NULL;
