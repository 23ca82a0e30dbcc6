"""The session with one job's coordinator: pull work, decide, have it run, report."""
