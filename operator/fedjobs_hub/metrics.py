"""The Prometheus metrics of the hub."""

from prometheus_client import CollectorRegistry, Counter, Gauge

REGISTRY = CollectorRegistry()
CALLS = Counter(
    "fedjobs_hub_requests_total", "Calls by outcome: OK, or a code of the error catalogue.", ["method", "code"],
    registry=REGISTRY,
)  # fmt: skip
SILOS = Gauge("fedjobs_silos", "Silos, in total and with a connected agent.", ["state"], registry=REGISTRY)
FAILURES = Counter("fedjobs_hub_reconcile_errors_total", "Failed reconciliations.", registry=REGISTRY)
