"""The session with a job's coordinator: it pulls work, decides, runs the work and reports."""
