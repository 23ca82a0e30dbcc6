"""State and release managers of `tff.program` for jobs.

TFF's program logic starts saves and releases in the background, and only logs their errors. These managers make that
reliable: a failure ends the job, a computation starts only after the saves before it, a value is published only after
the state that belongs to it is durable, and a crash loses no release.
"""
