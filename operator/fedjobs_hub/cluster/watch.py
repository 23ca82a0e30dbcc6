"""Watches the objects of one kind: lists them, and then follows the events."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import Callable
from typing import TypeVar

import structlog
from fedjobs_api.api_calls import ApiError

from fedjobs_hub.cluster.cache import Cache
from fedjobs_hub.cluster.cluster_api import ClusterApi, Resource

_GONE = 410
_AGAIN_S = 1.0
_LOG = structlog.get_logger(__name__)
Value = TypeVar("Value")


class Watch:
    """Keeps a cache up to date in a daemon thread.

    Args:
        api: The cluster's API.
        resource: The resource to watch.
        cache: The cache, which is updated in the event loop.
        namespace: The namespace, or None for all.
        selector: A label selector.
    """

    def __init__(
        self,
        api: ClusterApi,
        resource: Resource,
        cache: Cache[Value],
        namespace: str | None = None,
        selector: str = "",
    ) -> None:
        self._api = api
        self._resource = resource
        self._what = (resource, namespace, selector)
        self._cache = cache
        self._loop = asyncio.get_running_loop()
        self._stopped = threading.Event()
        self._version = ""
        self.ready = asyncio.Event()
        """Set when all objects have been listed once."""

    def start(self) -> None:
        threading.Thread(target=self._run, name=f"watch-{self._resource.plural}", daemon=True).start()

    def stop(self) -> None:
        """Stops updating the cache."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                if not self._version:
                    self._list()
                self._follow()
            except ApiError as error:
                if error.status == _GONE:
                    self._version = ""
                _LOG.warning("a watch failed; retrying", of=self._resource.plural, error=str(error))
                self._stopped.wait(_AGAIN_S)
            except Exception:
                _LOG.exception("a watch failed unexpectedly; listing again", of=self._resource.plural)
                self._version = ""
                self._stopped.wait(_AGAIN_S)

    def _list(self) -> None:
        bodies, self._version = self._api.all(*self._what)
        self._tell(self._cache.listed, bodies, self._version)
        self._tell(self.ready.set)

    def _follow(self) -> None:
        for kind, body in self._api.watch(*self._what, self._version):
            if self._stopped.is_set():
                return
            self._version = body["metadata"]["resourceVersion"]
            if kind != "BOOKMARK":
                self._tell(functools.partial(self._cache.happened, body, deleted=kind == "DELETED"))

    def _tell(self, what: Callable[..., object], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and so does the hub
            self._loop.call_soon_threadsafe(what, *arguments)
