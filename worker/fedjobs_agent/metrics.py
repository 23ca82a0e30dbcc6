"""What an agent counts, for a monitoring system of the silo's own."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

ACTIONS = ("start", "end", "give-up-gpu", "decline")


class AgentMetrics:
    """The counters of one agent process, and the registry that has them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._passes = Counter(
            "fedjobs_agent_reconciles", "Looks at invitations and workers, by how they went.", ["outcome"],
            registry=self.registry,
        )  # fmt: skip
        self._actions = Counter(
            "fedjobs_agent_actions", "What was done about workers, by kind.", ["action"], registry=self.registry
        )
        self._invitations = Gauge("fedjobs_agent_invitations", "Invitations that stand.", registry=self.registry)
        self._workers = Gauge(
            "fedjobs_agent_workers", "Workers that are there, by state.", ["state"], registry=self.registry
        )
        self._connected = Gauge(
            "fedjobs_agent_connected", "1 when the hub answered the last call, else 0.", registry=self.registry
        )
        self._expires = Gauge(
            "fedjobs_agent_certificate_expiration_timestamp_seconds", "When the silo's certificate ends.",
            registry=self.registry,
        )  # fmt: skip
        for outcome in ("success", "error"):
            self._passes.labels(outcome)
        for action in ACTIONS:
            self._actions.labels(action)

    def looked(self, invitations: int, running: int, finished: int, ending: int) -> None:
        """A look succeeded, and this is what there was."""
        self._passes.labels("success").inc()
        self._invitations.set(invitations)
        for state, count in (("running", running), ("finished", finished), ("ending", ending)):
            self._workers.labels(state).set(count)

    def follow(self, connected: Callable[[], bool], expires: Callable[[], float]) -> None:
        """Asked for when somebody looks; `expires` in seconds since 1970, 0 where there is no certificate yet."""
        self._connected.set_function(connected)
        self._expires.set_function(expires)

    def failed(self) -> None:
        """A look failed; it is tried again."""
        self._passes.labels("error").inc()

    def did(self, action: str) -> None:
        """One of ACTIONS."""
        self._actions.labels(action).inc()
