"""The operator's Prometheus metrics."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

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


class JobsByPhase(Collector):
    """Counts the FederatedJobs of each phase at each scrape, from the operator's cache.

    Attributes:
        count: Returns the number of jobs in each phase. The thread that serves the metrics calls it.
    """

    def __init__(self) -> None:
        self.count: Callable[[], Mapping[str, int]] = dict

    def collect(self) -> Iterator[Metric]:
        jobs = GaugeMetricFamily("fedjobs_jobs", "FederatedJobs, by phase.", labels=["phase"])
        for phase, number in self.count().items():
            jobs.add_metric([phase], number)
        yield jobs


JOBS = JobsByPhase()
REGISTRY.register(JOBS)
