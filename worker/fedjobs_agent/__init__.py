"""The one process of a silo that lives long: it starts a worker for each job that the silo takes part in, and ends it."""
