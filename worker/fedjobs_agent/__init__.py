"""The one process of a silo that lives long: it starts a worker for each job that the silo is in, and ends it."""
