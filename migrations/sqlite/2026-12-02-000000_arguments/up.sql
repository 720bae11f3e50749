-- Arguments that are long, written once; jobs.args of those jobs is empty. Those of all others, and those that a person changed,
-- are in the job's own row. A row that changes is written with the whole page that it is on: so it has not to carry them along.
CREATE TABLE job_args (
    job_id       TEXT NOT NULL PRIMARY KEY,
    workspace_id TEXT NOT NULL,
    args         TEXT NOT NULL
);
