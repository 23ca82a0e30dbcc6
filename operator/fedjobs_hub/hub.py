"""Runs the hub: its caches, servers and controller."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog
from fedjobs_api import times
from fedjobs_common.thread_imports import import_what_threads_need
from fedjobs_protocol.identities.identities import enrolment_name

from fedjobs_hub import names
from fedjobs_hub.calls import servers
from fedjobs_hub.calls.enrolment_calls import EnrolmentCalls
from fedjobs_hub.calls.hub_calls import HubCalls
from fedjobs_hub.certificates.authorities import MakeIssuer
from fedjobs_hub.certificates.authority_controller import AuthorityController
from fedjobs_hub.certificates.issuance import Issuance, ServerIdentity
from fedjobs_hub.cluster.cluster_api import ClusterApi, Resource
from fedjobs_hub.cluster.informers import Informers
from fedjobs_hub.cluster.watch import Watch
from fedjobs_hub.controller import Controller
from fedjobs_hub.settings import Settings

_GRACE_S = 5.0
_THREADS = 24
"""The number of threads for calls to the cluster, which block."""
_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Ports:
    """The addresses to listen on, as `host:port`. Port 0 chooses a free port."""

    hub: str
    enrolment: str


async def run(api: ClusterApi, settings: Settings, make: MakeIssuer, ports: Ports, stopping: asyncio.Event) -> None:
    """Runs a hub until `stopping` is set. The hub listens when its caches are synced.

    Args:
        api: The cluster's API.
        settings: The settings of the federation.
        make: Creates an issuer.
        ports: The addresses to listen on.
        stopping: Stops the hub when it is set.

    Raises:
        FedjobsError: PORT_IN_USE, AUTHORITY_MISSING or FEDERATION_EXISTS.
        ApiError: The cluster rejects a call or does not answer during the start.
    """
    import_what_threads_need()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, "calls"))
    authority = AuthorityController(api, settings, make, times.now)
    issuing = Issuance(settings, await asyncio.to_thread(authority.look), times.now)
    seen = Informers(settings.namespaces)
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
    keeping = asyncio.create_task(Controller(api, settings, seen, issuing, authority, times.now).run())
    await hub.start()
    await enrolment.start()
    _LOG.info("listening", hub=hub_port, enrolment=enrolment_port, front_door=settings.front_door)
    ended = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait((ended, keeping), return_when=asyncio.FIRST_COMPLETED)
        if keeping.done():
            keeping.result()  # raises the error because of which no hub may continue
    finally:
        ended.cancel()
        keeping.cancel()
        for watch in watches:
            watch.stop()
        await asyncio.gather(hub.stop(_GRACE_S), enrolment.stop(_GRACE_S))
        _LOG.info("stopped")


def _watches(api: ClusterApi, settings: Settings, seen: Informers) -> list[Watch]:
    own = settings.own_namespace
    agents, workers = (f"{names.ROLE}={role}" for role in (names.AGENT, names.WORKER))
    return [
        Watch(api, Resource.SILO, seen.silos),
        Watch(api, Resource.LEASE, seen.agents, own, agents),
        Watch(api, Resource.LEASE, seen.workers, own, workers),
        *(Watch(api, Resource.FEDERATED_JOB, cache, namespace) for namespace, cache in seen.jobs.items()),
    ]
