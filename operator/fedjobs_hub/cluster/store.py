"""Reads and writes Silos and Leases. Writes are conditional, and objects are read again before a call is rejected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

from fedjobs_common.errors import ErrorCode, FedjobsError

from fedjobs_hub.cluster.cache import Cache
from fedjobs_hub.cluster.cluster_api import Body, ClusterApi, Resource
from fedjobs_hub.cluster.informers import Informers
from fedjobs_hub.objects.silos import KnownSilo

_ATTEMPTS = 8
Value = TypeVar("Value")
Check: TypeAlias = Callable[[Value | None], Value]
"""Returns its argument, or raises a FedjobsError."""
LookAgain: TypeAlias = Callable[[], object]
"""Raises an error if an unknown caller has caused too many calls to the cluster."""


def _anybody() -> None:
    """Applies no limit, for authenticated callers."""


class Store:
    """The shared state of a federation's hubs.

    Args:
        api: The cluster's API.
        seen: The caches of the cluster's objects.
        namespace: The hub's namespace.
    """

    def __init__(self, api: ClusterApi, seen: Informers, namespace: str) -> None:
        self._api = api
        self._seen = seen
        self._namespace = namespace

    async def silo(self, name: str, check: Check[KnownSilo], look_again: LookAgain = _anybody) -> KnownSilo:
        """Returns a silo that passes a check.

        Args:
            name: The silo's name.
            check: The check. If it rejects the cached object, it is repeated with the object from the API server.
            look_again: Called before that.

        Raises:
            FedjobsError: The error of `check` or `look_again`.
        """
        return await self._checked(Resource.SILO, self._seen.silos, name, name, check, look_again)

    async def lease(
        self, cache: Cache[Value], name: str, key: str, check: Check[Value], look_again: LookAgain = _anybody
    ) -> Value:
        """Returns a Lease that passes a check, in the same way as `silo`. `key` is its key in the cache."""
        return await self._checked(Resource.LEASE, cache, name, key, check, look_again)

    async def change_silo(
        self, name: str, change: Mapping[str, Any], check: Check[KnownSilo], look_again: LookAgain = _anybody
    ) -> KnownSilo:
        """Changes a silo's status, if the silo passes the check at the time of the change.

        Args:
            name: The silo's name.
            change: A JSON merge patch.
            check: As in `silo`.
            look_again: As in `silo`.
        """
        silo = await self.silo(name, check, look_again)
        for _ in range(_ATTEMPTS):
            written = await asyncio.to_thread(self._api.merge_status, Resource.SILO, name, silo.version, change)
            if written is not None:
                self._seen.silos.answered(written)
                return silo
            found = await self._asked(Resource.SILO, self._seen.silos, name, name)
            silo = check(found)
        raise _contended(f"The Silo {name}")

    async def change_lease(self, cache: Cache[Value], name: str, change: Callable[[Body | None], Body]) -> None:
        """Creates or replaces a Lease.

        Args:
            cache: The cache of the Lease.
            name: The name of the object.
            change: Returns the new Lease from the current one, or from None if it does not exist. It may raise an
                error.
        """
        for _ in range(_ATTEMPTS):
            before = await asyncio.to_thread(self._api.get, Resource.LEASE, self._namespace, name)
            call = self._api.create if before is None else self._api.replace
            written = await asyncio.to_thread(call, Resource.LEASE, change(before))
            if written is not None:
                cache.answered(written)
                return
        raise _contended(f"The Lease {name}")

    async def _checked(
        self,
        resource: Resource,
        cache: Cache[Value],
        name: str,
        key: str,
        check: Check[Value],
        look_again: LookAgain,
    ) -> Value:
        try:
            return check(cache.get(key))
        except FedjobsError:
            look_again()
        found = await self._asked(resource, cache, name, key)
        return check(found)

    async def _asked(self, resource: Resource, cache: Cache[Value], name: str, key: str) -> Value | None:
        body = await asyncio.to_thread(self._api.get, resource, self._namespace, name)
        if body is None:
            return None
        cache.answered(body)
        return cache.get(key)


def _contended(what: str) -> FedjobsError:
    return FedjobsError(ErrorCode.UNAVAILABLE, f"{what} keeps changing.", "Try again.")
