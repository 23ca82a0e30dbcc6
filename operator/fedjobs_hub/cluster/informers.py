"""The hub's caches of the cluster's objects, and notifications of changes. Only used in the event loop.

The caches may be slightly out of date. Before a call is rejected, the object is read from the API server (see `store`).
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
    """The caches of all objects that the hub's decisions depend on.

    Args:
        namespaces: The namespaces of jobs. Empty for all namespaces.

    Attributes:
        silos: The Silos by name.
        jobs: The FederatedJobs by uid, for each watched namespace. The key None stands for all namespaces.
        agents: The Leases of agents by the name of the silo.
        workers: The Leases of workers by name.
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
        """Returns an event that is set at the next change relevant to a silo. Get it before reading the caches."""
        return self._changed

    async def until(self, reached: Callable[[], bool], seconds: float) -> bool:
        """Waits until a condition is true or the time is over. Returns whether it is true."""
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
        """Returns whether a job invites this silo now."""
        jobs = (cache.get(job_uid) for cache in self.jobs.values())
        return any(job is not None and silo in job.silos for job in jobs)

    def invitations(self, silo: str) -> tuple[str, tuple[bytes, ...]]:
        """Returns the tag of a silo's current invitations, and the invitations."""
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
    """Returns the parts of a silo whose changes callers and the controller wait for."""
    return silo and (silo.uid, silo.suspended, silo.key, silo.needs_invitation)
