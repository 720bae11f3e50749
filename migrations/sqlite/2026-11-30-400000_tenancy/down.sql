DROP INDEX workspaces_with_quotas;
