"""Which versions of the protocol and of the shard format this release speaks: the newest and the one before it."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Collection

from fedjobs_common.errors import ErrorCode, FedjobsError

PROTOCOL_VERSIONS: tuple[int, ...] = (1, 2)
OFFERS_SINCE = 2
"""The version of the protocol with which shards are offered before they are given out as work."""
SHARD_FORMATS: tuple[int, ...] = (1,)
TENSORFLOW = ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-rocm")
"""The distributions of which one is what a silo computes with."""


def negotiate(ours: Collection[int], theirs: Collection[int], what: str) -> int:
    """The newest version that both sides speak.

    Args:
        ours: Of the coordinator, which decides.
        theirs: Of the silo.
        what: The name of the thing that has versions: "protocol", "shard format".

    Raises:
        FedjobsError: VERSION_MISMATCH, which names what both speak.
    """
    if common := set(ours) & set(theirs):
        return max(common)
    silo_is_older = max(theirs, default=0) < max(ours, default=0)
    raise FedjobsError(
        ErrorCode.VERSION_MISMATCH,
        f"Coordinator and silo have no {what} version in common: "
        f"the coordinator speaks {_listed(ours)}, the silo {_listed(theirs)}.",
        f"Upgrade fedjobs {'at the silo' if silo_is_older else 'at the coordinator'}.",
    )


def installed(*distributions: str) -> str:
    """The version of the first of these that is installed here; empty: none is."""
    for distribution in distributions:
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return ""


def _listed(versions: Collection[int]) -> str:
    return ", ".join(str(version) for version in sorted(versions)) or "none"
