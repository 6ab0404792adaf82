"""Where a job runs, and what a job is: launchers' executors, the trial behind a job, its run."""
