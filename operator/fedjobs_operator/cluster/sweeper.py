"""What no event tells: routes of jobs that are gone, and Silos that were deleted while nobody watched."""

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
    """Looks at everything there is, now and then, and soon after a job was deleted.

    Args:
        api: The API server.
        objects: What was seen of the cluster.
        namespace: The operator's own.
    """

    def __init__(self, api: KubernetesApi, objects: Cache, namespace: str) -> None:
        self._api = api
        self._cache = objects
        self._namespace = namespace
        self._soon = asyncio.Event()

    def soon(self) -> None:
        """Sweeps at once."""
        self._soon.set()

    async def run(self, silos_changed: Callable[[], Awaitable[None]]) -> None:
        """Never returns.

        Args:
            silos_changed: Called where a change of a Silo had been missed.
        """
        while True:
            self._soon.clear()
            try:
                if await self.look_at_silos():
                    await silos_changed()
                await asyncio.to_thread(self.sweep)
            except Exception as error:  # one bad answer, or object, must not end it
                _LOG.warning("a sweep failed; it is tried again", error=str(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._soon.wait(), _EVERY_S)

    async def look_at_silos(self) -> bool:
        """Takes notice of the Silos that there are; whether that may matter to a job."""
        known = self._cache.silo_versions()
        return self._cache.saw_all_silos(await asyncio.to_thread(self._api.all, "Silo"), known)

    def sweep(self) -> None:
        """Takes away the routes of jobs that are gone; blocks."""
        for service in self._api.all("Service", self._namespace, labels=network.ROUTE_SELECTOR):
            metadata = service["metadata"]
            labels = metadata["labels"]
            if self._cache.uid((labels[JOB_NAMESPACE], labels[JOB])) == labels[JOB_UID]:
                continue  # it is known to be there
            try:
                job = self._api.get(KIND, labels[JOB_NAMESPACE], labels[JOB]) or {}
            except ApiError as error:
                if error.status != FORBIDDEN:
                    raise
                continue  # of another operator, which has namespaces of its own
            is_same = job.get("metadata", {}).get("uid") == labels[JOB_UID]
            if not is_same:
                self._api.delete("Service", self._namespace, metadata["name"], uid=metadata["uid"])
                _LOG.info("a route was swept", service=metadata["name"], job=labels[JOB])
