DROP TABLE attempts;
DROP TABLE jobs;
DROP TABLE nodes;
DROP TABLE api_keys;
DROP TABLE sessions;
DROP TABLE registrations;
DROP TABLE accounts;
DROP TABLE workspaces;
