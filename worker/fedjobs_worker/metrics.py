"""What a worker counts, for a monitoring system of the silo's own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

OUTCOMES = ("result", "refusal", "failure", "cancelled")
_SECONDS = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000)


class WorkerMetrics:
    """The counters of one session process, and the registry that has them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._works = Counter(
            "fedjobs_worker_work_items", "Work items, by what came out.", ["outcome"], registry=self.registry
        )
        self._seconds = Histogram(
            "fedjobs_worker_work_item_duration_seconds",
            "Time of a work item, from its arrival to its accumulators' upload.",
            registry=self.registry,
            buckets=_SECONDS,
        )
        self._bytes = Counter(
            "fedjobs_worker_bytes",
            "Values and shards from (down) and to (up) the coordinator.",
            ["direction"],
            registry=self.registry,
        )
        for outcome in OUTCOMES:
            self._works.labels(outcome)
        for direction in ("down", "up"):
            self._bytes.labels(direction)

    def worked(self, outcome: str, seconds: float) -> None:
        """A work item ended; `outcome` is one of OUTCOMES."""
        self._works.labels(outcome).inc()
        self._seconds.observe(seconds)

    def transferred(self, *, down: int = 0, up: int = 0) -> None:
        """Bytes that went."""
        self._bytes.labels("down").inc(down)
        self._bytes.labels("up").inc(up)
