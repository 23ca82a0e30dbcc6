"""The agent: the long-running process of a silo, which starts and stops a worker for each of the silo's jobs."""
