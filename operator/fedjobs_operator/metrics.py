"""The operator's Prometheus metrics."""

from prometheus_client import Counter, Gauge, Histogram

RECONCILES = Counter("fedjobs_operator_reconciles_total", "Reconciliations of jobs, by result.", ["result"])
RECONCILE_SECONDS = Histogram(
    "fedjobs_operator_reconcile_duration_seconds",
    "Duration of one reconciliation of a job.",
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10),
)
QUEUE_DEPTH = Gauge("fedjobs_operator_queue_depth", "Jobs that are due to be reconciled.")
API_CALLS = Counter(
    "fedjobs_operator_api_requests_total",
    "Calls to the API server, by HTTP method, without kopf's watches.",
    ["method"],
)
JOBS = Gauge("fedjobs_jobs", "FederatedJobs, by phase.", ["phase"])
