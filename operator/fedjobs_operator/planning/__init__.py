"""Plans for jobs, as pure functions. Nothing here reads from or writes to the cluster."""
