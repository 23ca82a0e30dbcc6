"""What the hub has seen of the cluster's objects, and who waits for that to change. Used in the event loop only.

What is seen may be a moment old: before anybody is refused, the object itself is asked for (see `store`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from fedjobs_hub.cluster.cache import Cache
from fedjobs_hub.objects import agent_leases, job_invitations, silos, worker_leases
from fedjobs_hub.objects.agent_leases import AgentLease
from fedjobs_hub.objects.job_invitations import KnownJob
from fedjobs_hub.objects.silos import KnownSilo
from fedjobs_hub.objects.worker_leases import WorkerLease


class Informers:
    """All that the hub decides from.

    Args:
        namespaces: Of the jobs; none: all.

    Attributes:
        silos: By their names.
        jobs: FederatedJobs by their UIDs, for each namespace that is watched; None: for all of them.
        agents: Leases of agents by their silos' names.
        workers: Leases of workers by their own names.
    """

    def __init__(self, namespaces: Sequence[str] = ()) -> None:
        self._changed = asyncio.Event()
        self.silos: Cache[KnownSilo] = Cache(silos.parsed, lambda silo: silo.name, self._silo_changed)
        self.jobs: dict[str | None, Cache[KnownJob]] = {
            namespace: Cache(job_invitations.parsed, lambda job: job.uid, self._notify)
            for namespace in namespaces or (None,)
        }
        self.agents: Cache[AgentLease] = Cache(agent_leases.parsed, lambda lease: lease.silo, self._agent_changed)
        self.workers: Cache[WorkerLease] = Cache(worker_leases.parsed, lambda lease: lease.name, self._notify)

    def changed(self) -> asyncio.Event:
        """Is set when something changes that may matter to a silo; to be taken before one looks."""
        return self._changed

    async def until(self, reached: Callable[[], bool], seconds: float) -> bool:
        """Waits until it is so, or for so long; whether it is."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    changed = self._changed
                    if reached():
                        return True
                    await changed.wait()
        except TimeoutError:
            return reached()

    def is_invited(self, silo: str, job_uid: str) -> bool:
        """Whether a job wants this silo now."""
        jobs = (cache.get(job_uid) for cache in self.jobs.values())
        return any(job is not None and silo in job.silos for job in jobs)

    def invitations(self, silo: str) -> tuple[str, tuple[bytes, ...]]:
        """All invitations of a silo that stand, and their tag."""
        return job_invitations.standing((job for cache in self.jobs.values() for job in cache), silo)

    def _silo_changed(self, before: KnownSilo | None, after: KnownSilo | None) -> None:
        if _what_counts(before) != _what_counts(after):
            self._notify(before, after)

    def _agent_changed(self, before: AgentLease | None, after: AgentLease | None) -> None:
        if before is None or after is None or before.agent_id != after.agent_id:
            self._notify(before, after)

    def _notify(self, _before: object, _after: object) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _what_counts(silo: KnownSilo | None) -> object:
    """What of a silo those wait for who call in its name, or who look after it."""
    return silo and (silo.uid, silo.suspended, silo.key, silo.needs_invitation)
