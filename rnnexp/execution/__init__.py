"""Execution of a job: launchers and executors, the job itself, its trial and its run."""
