"""The Prometheus metrics of an agent, for the silo's monitoring system."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

AUDIT_PROBLEMS = ("gap", "foreign")
ACTIONS = ("start", "end", "give-up-gpu", "decline")


class AgentMetrics:
    """The metrics of one agent process, and their registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._passes = Counter(
            "fedjobs_agent_reconciles", "Reconciliations of invitations and workers by outcome.", ["outcome"],
            registry=self.registry,
        )  # fmt: skip
        self._actions = Counter(
            "fedjobs_agent_actions", "Actions on workers by kind.", ["action"], registry=self.registry
        )
        self._invitations = Gauge("fedjobs_agent_invitations", "Current invitations.", registry=self.registry)
        self._workers = Gauge("fedjobs_agent_workers", "Workers by state.", ["state"], registry=self.registry)
        self._connected = Gauge(
            "fedjobs_agent_connected", "1 if the hub answered the last call, else 0.", registry=self.registry
        )
        self._expires = Gauge(
            "fedjobs_agent_certificate_expiration_timestamp_seconds", "Expiration time of the silo's certificate.",
            registry=self.registry,
        )  # fmt: skip
        self._audit_problems = Counter(
            "fedjobs_agent_audit_problems", "Wrong or missing lines in the audit logs of workers, by kind.", ["kind"],
            registry=self.registry,
        )  # fmt: skip
        for kind in AUDIT_PROBLEMS:
            self._audit_problems.labels(kind)
        for outcome in ("success", "error"):
            self._passes.labels(outcome)
        for action in ACTIONS:
            self._actions.labels(action)

    def looked(self, invitations: int, running: int, finished: int, ending: int) -> None:
        """Counts a successful reconciliation, and sets the numbers of invitations and workers."""
        self._passes.labels("success").inc()
        self._invitations.set(invitations)
        for state, count in (("running", running), ("finished", finished), ("ending", ending)):
            self._workers.labels(state).set(count)

    def follow(self, connected: Callable[[], bool], expires: Callable[[], float]) -> None:
        """Sets functions that are called at each scrape. `expires` is in seconds since 1970, or 0 if unknown."""
        self._connected.set_function(connected)
        self._expires.set_function(expires)

    def failed(self) -> None:
        """Counts a failed reconciliation."""
        self._passes.labels("error").inc()

    def audit_problem(self, kind: str) -> None:
        """Counts a wrong or missing line in a worker's audit log. `kind` is one of AUDIT_PROBLEMS."""
        self._audit_problems.labels(kind).inc()

    def did(self, action: str) -> None:
        """Counts an action, which is one of ACTIONS."""
        self._actions.labels(action).inc()
