DROP TABLE upload_uses;
DROP TABLE upload_chunks;
DROP TABLE uploads;
ALTER TABLE workspaces DROP COLUMN sender_domains;
ALTER TABLE jobs DROP COLUMN labels;
