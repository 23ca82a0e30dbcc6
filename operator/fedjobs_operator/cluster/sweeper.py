"""Finds what no event reports: routes of deleted jobs, and Silos that were deleted while the watch was down."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog
from fedjobs_api.api_calls import FORBIDDEN, ApiError
from fedjobs_api.names import JOB, JOB_NAMESPACE, JOB_UID, KIND

from fedjobs_operator.children import network
from fedjobs_operator.cluster.cache import Cache
from fedjobs_operator.cluster.kubernetes_api import KubernetesApi

_EVERY_S = 60.0
_LOG = structlog.get_logger()


class Sweeper:
    """Sweeps periodically, and soon after a job was deleted.

    Args:
        api: The API server.
        objects: The cache.
        namespace: The operator's namespace.
    """

    def __init__(self, api: KubernetesApi, objects: Cache, namespace: str) -> None:
        self._api = api
        self._cache = objects
        self._namespace = namespace
        self._soon = asyncio.Event()

    def soon(self) -> None:
        """Requests a sweep as soon as possible."""
        self._soon.set()

    async def run(self, silos_changed: Callable[[], Awaitable[None]]) -> None:
        """Sweeps periodically. Never returns.

        Args:
            silos_changed: Called when a sweep finds a missed change of a Silo.
        """
        while True:
            self._soon.clear()
            try:
                if await self.look_at_silos():
                    await silos_changed()
                await asyncio.to_thread(self.sweep)
            except Exception as error:  # a bad response or object must not end the loop
                _LOG.warning("a sweep failed, it is retried", error=str(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._soon.wait(), _EVERY_S)

    async def look_at_silos(self) -> bool:
        """Lists the Silos into the cache. Returns whether a change may matter to a job."""
        known = self._cache.silo_versions()
        return self._cache.saw_all_silos(await asyncio.to_thread(self._api.all, "Silo"), known)

    def sweep(self) -> None:
        """Deletes the routes of deleted jobs. Blocks."""
        for service in self._api.all("Service", self._namespace, labels=network.ROUTE_SELECTOR):
            metadata = service["metadata"]
            labels = metadata["labels"]
            if self._cache.uid((labels[JOB_NAMESPACE], labels[JOB])) == labels[JOB_UID]:
                continue  # the job is in the cache
            try:
                job = self._api.get(KIND, labels[JOB_NAMESPACE], labels[JOB]) or {}
            except ApiError as error:
                if error.status != FORBIDDEN:
                    raise
                continue  # the route belongs to an operator of other namespaces
            is_same = job.get("metadata", {}).get("uid") == labels[JOB_UID]
            if not is_same:
                self._api.delete("Service", self._namespace, metadata["name"], uid=metadata["uid"])
                _LOG.info("a stale route was deleted", service=metadata["name"], job=labels[JOB])
