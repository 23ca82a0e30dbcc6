"""The operator's process: its watches, its work queue, and the reconciliation of a job."""
