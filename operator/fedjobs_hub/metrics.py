"""What the hub measures of itself."""

from prometheus_client import CollectorRegistry, Counter, Gauge

REGISTRY = CollectorRegistry()
CALLS = Counter(
    "fedjobs_hub_requests_total", "Calls, by how they ended: OK, or a code of the catalogue.", ["method", "code"],
    registry=REGISTRY,
)  # fmt: skip
SILOS = Gauge("fedjobs_silos", "Silos, by whether their agents answer.", ["state"], registry=REGISTRY)
FAILURES = Counter("fedjobs_hub_reconcile_errors_total", "Looks at what is kept that failed.", registry=REGISTRY)
