-- Templates of mails. One has a name and any number of versions, each in one locale ('' is for those that have none of theirs);
-- of each locale the current version is sent, the others are kept to be looked at and gone back to.
CREATE TABLE templates (
    id           TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    workspace_id TEXT COLLATE "C"    NOT NULL,
    name         TEXT COLLATE "C"    NOT NULL,
    last_version BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
);
CREATE UNIQUE INDEX templates_by_name ON templates (workspace_id, name);

CREATE TABLE template_versions (
    template_id  TEXT COLLATE "C"    NOT NULL,
    version      BIGINT NOT NULL,
    workspace_id TEXT COLLATE "C"    NOT NULL,
    locale       TEXT COLLATE "C"    NOT NULL,
    is_current   BIGINT NOT NULL CHECK (is_current IN (0, 1)),
    subject      TEXT COLLATE "C"    NOT NULL,
    html         TEXT COLLATE "C"    NOT NULL,
    text         TEXT COLLATE "C",
    sample       TEXT COLLATE "C",
    layout       TEXT COLLATE "C",
    bytes        BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    PRIMARY KEY (template_id, version)
);
CREATE UNIQUE INDEX template_versions_current ON template_versions (template_id, locale) WHERE is_current = 1;
CREATE INDEX template_versions_by_workspace ON template_versions (workspace_id, bytes);
CREATE INDEX template_versions_by_layout ON template_versions (workspace_id, layout) WHERE is_current = 1 AND layout IS NOT NULL;

-- Grows with each change to a workspace's templates, so that what was kept in memory is known to be old by one small read.
CREATE TABLE template_revisions (
    workspace_id TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    revision     BIGINT NOT NULL
);
