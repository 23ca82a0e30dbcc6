"""Finds what no event reports: the children that exist when the operator starts, and missed deletions.

kopf starts its watches independently. An event of a job may arrive before those of its children, and the job would
seem to have none. After a long interruption of a watch, kopf lists the objects again, which does not report deletions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from fedjobs_api.api_calls import FORBIDDEN, ApiError
from fedjobs_api.names import KIND, SELECTOR

from fedjobs_operator.cluster.cache import CHILDREN, Body, Cache
from fedjobs_operator.cluster.kubernetes_api import KubernetesApi

_FIRST_S, _EVERY_S = 10.0, 300.0
"""The first comparison is early, to find deletions between `begin` and the start of the watches."""
_LOG = structlog.get_logger()
Gone = Callable[[str, Body], Awaitable[None]]


class Resync:
    """Compares the cache with the cluster every few minutes.

    Args:
        api: The API server.
        objects: The cache.
        namespaces: The namespaces of jobs. If empty, all namespaces.
        gone: Called with the kind and the cached object of each missed deletion.
        looked: Called after each comparison. Objects that the cache does not hold may have been deleted, too.
    """

    def __init__(
        self,
        api: KubernetesApi,
        objects: Cache,
        namespaces: Sequence[str],
        gone: Gone,
        looked: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._api = api
        self._cache = objects
        self._namespaces = namespaces or ("",)
        self._gone = gone
        self._looked = looked

    async def begin(self) -> None:
        """Lists all children into the cache. Call it before anything else uses the cache.

        Raises:
            ApiError: A list call failed.
        """
        await asyncio.to_thread(self._see_children)

    async def run(self) -> None:
        """Compares periodically. Never returns."""
        wait = _FIRST_S
        while True:
            await asyncio.sleep(wait)
            wait = _EVERY_S
            try:
                await self.look()
                if self._looked is not None:
                    await self._looked()
            except Exception as error:  # a bad response or object must not end the loop
                _LOG.warning("a resync failed, it is retried", error=str(error))

    async def look(self) -> None:
        """Compares once.

        Raises:
            ApiError: A list call failed.
        """
        for kind in (KIND, *CHILDREN):
            known = self._cache.identities(kind)  # before the list call: objects created meanwhile are not in it
            if not known:
                continue
            there = await asyncio.to_thread(self._there, kind)
            for body in known:
                if body["metadata"]["uid"] not in there:
                    _LOG.info("a deletion was missed", kind=kind, **_names(body))
                    await self._gone(kind, body)

    def _see_children(self) -> None:
        for kind in CHILDREN:
            for namespace in self._namespaces:
                try:
                    for body in self._api.each(kind, namespace, labels=SELECTOR):
                        self._cache.saw_child(kind, body, deleted=False)
                except ApiError as error:
                    if error.status != FORBIDDEN:
                        raise
                    _LOG.warning("children cannot be listed", kind=kind, namespace=namespace, error=str(error))

    def _there(self, kind: str) -> set[str]:
        labels = "" if kind == KIND else SELECTOR
        return set().union(*(self._api.uids(kind, namespace, labels=labels) for namespace in self._namespaces))


def _names(body: Body) -> dict[str, Any]:
    return {key: body["metadata"].get(key) for key in ("namespace", "name")}
