"""The Prometheus metrics of a worker, for the silo's monitoring system."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

OUTCOMES = ("result", "refusal", "failure", "cancelled")
_SECONDS = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000)


class WorkerMetrics:
    """The metrics of one session process, and their registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._works = Counter(
            "fedjobs_worker_work_items", "Work items by outcome.", ["outcome"], registry=self.registry
        )
        self._seconds = Histogram(
            "fedjobs_worker_work_item_duration_seconds",
            "Duration of a work item, from its arrival to the upload of its accumulators.",
            registry=self.registry,
            buckets=_SECONDS,
        )
        self._bytes = Counter(
            "fedjobs_worker_bytes",
            "Bytes of values and shards received from (down) and sent to (up) the coordinator.",
            ["direction"],
            registry=self.registry,
        )
        for outcome in OUTCOMES:
            self._works.labels(outcome)
        for direction in ("down", "up"):
            self._bytes.labels(direction)

    def worked(self, outcome: str, seconds: float) -> None:
        """Counts a work item that ended. `outcome` is one of OUTCOMES."""
        self._works.labels(outcome).inc()
        self._seconds.observe(seconds)

    def transferred(self, *, down: int = 0, up: int = 0) -> None:
        """Counts transferred bytes."""
        self._bytes.labels("down").inc(down)
        self._bytes.labels("up").inc(up)
