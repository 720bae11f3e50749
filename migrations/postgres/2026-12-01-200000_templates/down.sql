DROP TABLE template_revisions;
DROP TABLE template_versions;
DROP TABLE templates;
