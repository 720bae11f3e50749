DROP TABLE acts;
DROP INDEX jobs_given_up_by_workspace;
DROP INDEX jobs_given_up;
