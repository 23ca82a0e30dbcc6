"""What no event tells of children: those that are there when the operator starts, and deletions that were missed.

kopf's watches begin independently: a job may be heard of before its children, and would look as if it had none. And
after a watch was cut off for long, kopf lists again: what was deleted meanwhile is not there to be told of.
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
"""The first time soon: what was deleted between `begin` and the beginning of the watches."""
_LOG = structlog.get_logger()
Gone = Callable[[str, Body], Awaitable[None]]


class Resync:
    """Compares what is known with what is there, every few minutes.

    Args:
        api: The API server.
        objects: What was seen of the cluster.
        namespaces: Of jobs; none: all.
        gone: Called with kind and object of each that was deleted.
    """

    def __init__(self, api: KubernetesApi, objects: Cache, namespaces: Sequence[str], gone: Gone) -> None:
        self._api = api
        self._cache = objects
        self._namespaces = namespaces or ("",)
        self._gone = gone

    async def begin(self) -> None:
        """Takes notice of all children that there are; to be called before anything else uses the objects.

        Raises:
            ApiError: They cannot be listed.
        """
        await asyncio.to_thread(self._see_children)

    async def run(self) -> None:
        """Never returns."""
        wait = _FIRST_S
        while True:
            await asyncio.sleep(wait)
            wait = _EVERY_S
            try:
                await self.look()
            except Exception as error:  # one bad answer, or object, must not end it
                _LOG.warning("what is there cannot be listed; it is tried again", error=str(error))

    async def look(self) -> None:
        """Once.

        Raises:
            ApiError: Not all could be listed.
        """
        for kind in (KIND, *CHILDREN):
            known = self._cache.identities(kind)  # before the list: what is made meanwhile is in neither
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
