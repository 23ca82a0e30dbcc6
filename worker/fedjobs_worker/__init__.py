"""A silo's worker for one job: a session that decides, a loader that reads the data, and a runner that computes."""
