"""The versions of the protocol and of the shard format that this release supports, and their negotiation."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Collection

from fedjobs_common.errors import ErrorCode, FedjobsError

PROTOCOL_VERSIONS: tuple[int, ...] = (1, 2)
OFFERS_SINCE = 2
"""The first version of the protocol in which the coordinator offers shards before it assigns them as work."""
SHARD_FORMATS: tuple[int, ...] = (1,)
TENSORFLOW = ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-rocm")
"""The TensorFlow distributions. A silo has one of them."""


def negotiate(ours: Collection[int], theirs: Collection[int], what: str) -> int:
    """Returns the newest version that both sides support.

    Args:
        ours: The coordinator's versions. The coordinator decides.
        theirs: The silo's versions.
        what: What has versions: "protocol" or "shard format".

    Raises:
        FedjobsError: VERSION_MISMATCH. The message lists the versions of both sides.
    """
    if common := set(ours) & set(theirs):
        return max(common)
    silo_is_older = max(theirs, default=0) < max(ours, default=0)
    raise FedjobsError(
        ErrorCode.VERSION_MISMATCH,
        f"Coordinator and silo have no {what} version in common: "
        f"the coordinator supports {_listed(ours)}, the silo {_listed(theirs)}.",
        f"Upgrade fedjobs {'at the silo' if silo_is_older else 'at the coordinator'}.",
    )


def require_shard_format(number: int) -> None:
    """Checks that this release supports the format of a shard.

    Raises:
        FedjobsError: VERSION_MISMATCH. The message has both.
    """
    if number not in SHARD_FORMATS:
        raise FedjobsError(
            ErrorCode.VERSION_MISMATCH,
            f"the shard has format {number}, and this release supports formats {list(SHARD_FORMATS)}.",
            "Upgrade fedjobs on the older side.",
        )


def installed(*distributions: str) -> str:
    """Returns the version of the first of these distributions that is installed. Empty if none is installed."""
    for distribution in distributions:
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return ""


def _listed(versions: Collection[int]) -> str:
    return ", ".join(str(version) for version in sorted(versions)) or "none"
