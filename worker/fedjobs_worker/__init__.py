"""What runs in a silo for one job: a session that decides, a loader that reads the data, a runner that computes."""
