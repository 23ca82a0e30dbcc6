"""The hub as a whole."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog
from fedjobs_common.thread_imports import import_what_threads_need
from fedjobs_operator import times
from fedjobs_protocol.identities.identities import enrolment_name

from fedjobs_hub import names
from fedjobs_hub.calls import servers
from fedjobs_hub.calls.enrolment_calls import EnrolmentCalls
from fedjobs_hub.calls.hub_calls import HubCalls
from fedjobs_hub.certificates.authorities import MakeIssuer
from fedjobs_hub.certificates.authority_keeping import AuthorityKeeping
from fedjobs_hub.certificates.issuing import Issuing, ServerIdentity
from fedjobs_hub.cluster.cluster_api import ClusterApi, Resource
from fedjobs_hub.cluster.sightings import Sightings
from fedjobs_hub.cluster.watches import Watch
from fedjobs_hub.keeping import Keeping
from fedjobs_hub.settings import Settings

_GRACE_S = 5.0
_THREADS = 24
"""For calls to the cluster, which block."""
_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Ports:
    """Where to listen, `host:port` each; port 0 chooses one."""

    hub: str
    enrolment: str


async def run(api: ClusterApi, settings: Settings, make: MakeIssuer, ports: Ports, stopping: asyncio.Event) -> None:
    """Runs a hub until it is to stop. It listens once it has seen everything that it decides from.

    Args:
        api: Of the cluster.
        settings: Of the federation.
        make: Makes an issuer.
        ports: Where to listen.
        stopping: Is set when it is to stop.

    Raises:
        FedjobsError: PORT_IN_USE.
        ApiError: The cluster refuses, or does not answer, at the start.
    """
    import_what_threads_need()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, "calls"))
    authority = AuthorityKeeping(api, settings, make, times.now)
    issuing = Issuing(settings, await asyncio.to_thread(authority.look), times.now)
    seen = Sightings(settings.namespaces)
    watches = _watches(api, settings, seen)
    for watch in watches:
        watch.start()
    hub, hub_port = servers.hub_server(
        HubCalls(api, settings, seen, issuing), ServerIdentity(issuing, settings.front_door, times.now), ports.hub
    )
    enrolment, enrolment_port = servers.enrolment_server(
        EnrolmentCalls(api, settings, seen, issuing),
        ServerIdentity(issuing, enrolment_name(settings.front_door), times.now),
        ports.enrolment,
    )
    await asyncio.gather(*(watch.ready.wait() for watch in watches))
    keeping = asyncio.create_task(Keeping(api, settings, seen, issuing, authority, times.now).run())
    await hub.start()
    await enrolment.start()
    _LOG.info("listening", hub=hub_port, enrolment=enrolment_port, front_door=settings.front_door)
    try:
        await stopping.wait()
    finally:
        keeping.cancel()
        for watch in watches:
            watch.stop()
        await asyncio.gather(hub.stop(_GRACE_S), enrolment.stop(_GRACE_S))
        _LOG.info("stopped")


def _watches(api: ClusterApi, settings: Settings, seen: Sightings) -> list[Watch]:
    own = settings.own_namespace
    agents, workers = (f"{names.ROLE}={role}" for role in (names.AGENT, names.WORKER))
    return [
        Watch(api, Resource.SILO, seen.silos),
        Watch(api, Resource.LEASE, seen.agents, own, agents),
        Watch(api, Resource.LEASE, seen.workers, own, workers),
        *(Watch(api, Resource.FEDERATED_JOB, cache, namespace) for namespace, cache in seen.jobs.items()),
    ]
