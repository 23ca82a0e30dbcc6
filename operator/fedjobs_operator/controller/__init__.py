"""The operator's process: what it watches, the queue of jobs, and one look at a job."""
