UPDATE jobs SET args = coalesce((SELECT job_args.args FROM job_args WHERE job_args.job_id = jobs.id), '') WHERE args = '';
DROP TABLE job_args;
