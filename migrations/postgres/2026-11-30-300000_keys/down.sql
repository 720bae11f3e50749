DROP INDEX api_keys_by_expiry;
DROP INDEX api_keys_revoked;
DROP TRIGGER second_factors_changed ON second_factors;
DROP TRIGGER api_keys_changed ON api_keys;
DROP TRIGGER sessions_changed ON sessions;
DROP TRIGGER accounts_changed ON accounts;
DROP FUNCTION credentials_changed();
