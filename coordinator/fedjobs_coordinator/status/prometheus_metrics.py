"""The Prometheus metrics of a job, counted since the start of this process."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Callable, Iterator

from fedjobs_common.jobs.statuses import ProgressEvent, RoundEvent, SiloState, Status
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


class CoordinatorMetrics:
    """Counts finished rounds, and takes the other metrics from the status at each scrape.

    Args:
        status: Returns the current status.

    Attributes:
        registry: The registry. It also has the metrics of the process.
    """

    def __init__(self, status: Callable[[], Status]) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._rounds = Counter("fedjobs_coordinator_rounds", "Finished rounds.", registry=self.registry)
        self._seconds = Histogram(
            "fedjobs_coordinator_round_duration_seconds",
            "Duration of a round, from the end of the previous round.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.registry.register(_OfStatus(status))

    def count(self, event: ProgressEvent) -> None:
        """Counts an event."""
        if isinstance(event, RoundEvent):
            self._rounds.inc()
            self._seconds.observe(event.seconds)


class _OfStatus(Collector):
    def __init__(self, status: Callable[[], Status]) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        status = self._status()
        transferred = CounterMetricFamily(
            "fedjobs_coordinator_bytes", "Bytes to (down) and from (up) all silos.", labels=["direction"]
        )
        transferred.add_metric(["down"], sum(silo.bytes_down for silo in status.silos))
        transferred.add_metric(["up"], sum(silo.bytes_up for silo in status.silos))
        yield transferred
        counts = Counts(silo.state for silo in status.silos)
        silos = GaugeMetricFamily("fedjobs_coordinator_silos", "Invited silos by state.", labels=["state"])
        for state in SiloState:
            silos.add_metric([state.value], counts[state])
        yield silos
        yield GaugeMetricFamily(
            "fedjobs_coordinator_generation", "Number of starts of the job's coordinator.", value=status.generation
        )
