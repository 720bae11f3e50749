-- Templates of mails. One has a name and any number of versions, each in one locale ('' is for those that have none of theirs);
-- of each locale the current version is sent, the others are kept to be looked at and gone back to.
CREATE TABLE templates (
    id           TEXT    NOT NULL PRIMARY KEY,
    workspace_id TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    last_version INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
);
CREATE UNIQUE INDEX templates_by_name ON templates (workspace_id, name);

CREATE TABLE template_versions (
    template_id  TEXT    NOT NULL,
    version      INTEGER NOT NULL,
    workspace_id TEXT    NOT NULL,
    locale       TEXT    NOT NULL,
    is_current   INTEGER NOT NULL CHECK (is_current IN (0, 1)),
    subject      TEXT    NOT NULL,
    html         TEXT    NOT NULL,
    text         TEXT,
    sample       TEXT,
    layout       TEXT,
    bytes        INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    PRIMARY KEY (template_id, version)
);
CREATE UNIQUE INDEX template_versions_current ON template_versions (template_id, locale) WHERE is_current = 1;
CREATE INDEX template_versions_by_workspace ON template_versions (workspace_id, bytes);
CREATE INDEX template_versions_by_layout ON template_versions (workspace_id, layout) WHERE is_current = 1 AND layout IS NOT NULL;

-- Grows with each change to a workspace's templates, so that what was kept in memory is known to be old by one small read.
CREATE TABLE template_revisions (
    workspace_id TEXT    NOT NULL PRIMARY KEY,
    revision     INTEGER NOT NULL
);
