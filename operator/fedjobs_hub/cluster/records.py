"""Silos and Leases as they are written down: changed on condition, and asked for before anybody is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

from fedjobs_common.errors import ErrorCode, FedjobsError

from fedjobs_hub.cluster.caches import Cache
from fedjobs_hub.cluster.cluster_api import Body, ClusterApi, Resource
from fedjobs_hub.cluster.sightings import Sightings
from fedjobs_hub.objects.silos import KnownSilo

_ATTEMPTS = 8
Value = TypeVar("Value")
Check: TypeAlias = Callable[[Value | None], Value]
"""Returns what it is given, or raises a FedjobsError."""
LookAgain: TypeAlias = Callable[[], object]
"""Raises where an unknown caller has made the hub ask its cluster too often."""


def _anybody() -> None:
    """Who has proved who he is may make the hub ask."""


class Records:
    """What the hubs of a federation have in common.

    Args:
        api: Of the cluster.
        seen: What was seen of it.
        namespace: The hub's.
    """

    def __init__(self, api: ClusterApi, seen: Sightings, namespace: str) -> None:
        self._api = api
        self._seen = seen
        self._namespace = namespace

    async def silo(self, name: str, check: Check[KnownSilo], look_again: LookAgain = _anybody) -> KnownSilo:
        """A silo that passes the check.

        Args:
            name: Its name.
            check: Is asked again with the object as it is now, if it refuses what was seen of it.
            look_again: Is asked before that.

        Raises:
            FedjobsError: That of the check, or of look_again.
        """
        return await self._checked(Resource.SILO, self._seen.silos, name, name, check, look_again)

    async def lease(
        self, cache: Cache[Value], name: str, key: str, check: Check[Value], look_again: LookAgain = _anybody
    ) -> Value:
        """As `silo`, for a Lease of this name, which the cache has under this key."""
        return await self._checked(Resource.LEASE, cache, name, key, check, look_again)

    async def change_silo(
        self, name: str, change: Mapping[str, Any], check: Check[KnownSilo], look_again: LookAgain = _anybody
    ) -> KnownSilo:
        """Changes a silo's status, if and only if the silo passes the check as it is when it is changed.

        Args:
            name: Its name.
            change: A JSON merge patch.
            check: As of `silo`.
            look_again: As of `silo`.
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
        """Writes a Lease.

        Args:
            cache: That has it.
            name: Of the object.
            change: The Lease as it is to be, of what it is now; None: there is none. It may refuse.
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
    return FedjobsError(ErrorCode.UNAVAILABLE, f"{what} changes all the time.", "Try again.")
