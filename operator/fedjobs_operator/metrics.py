"""What the operator measures of itself."""

from prometheus_client import Counter, Gauge, Histogram

RECONCILES = Counter("fedjobs_operator_reconciles_total", "Looks at a job, by how they ended.", ["result"])
RECONCILE_SECONDS = Histogram(
    "fedjobs_operator_reconcile_duration_seconds",
    "Time of one look at a job.",
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10),
)
QUEUE_DEPTH = Gauge("fedjobs_operator_queue_depth", "Jobs that are due to be looked at.")
API_CALLS = Counter(
    "fedjobs_operator_api_requests_total",
    "Calls to the API server that read, list or change objects, by HTTP method; kopf's watches are not counted.",
    ["method"],
)
JOBS = Gauge("fedjobs_jobs", "FederatedJobs, by phase.", ["phase"])
