"""A cluster has one federation. Its Silos belong to no namespace, so two releases would change the same objects.

The chart creates a ClusterRole of one fixed name, which grants nothing, and records in it the namespace of the release.
Helm refuses a second release because of it. Other tools may not, so operator and hub compare the namespace, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedjobs_common.errors import ErrorCode, FedjobsError

from fedjobs_api.names import FEDERATION, FEDERATION_NAMESPACE


def check(marker: Mapping[str, Any] | None, namespace: str) -> None:
    """Checks that the cluster belongs to this release.

    Args:
        marker: The ClusterRole that marks the cluster. None if there is none: then nobody else claims the cluster.
        namespace: The namespace of this release.

    Raises:
        FedjobsError: FEDERATION_EXISTS if the cluster belongs to a release in another namespace.
    """
    found = "" if marker is None else marker["metadata"].get("annotations", {}).get(FEDERATION_NAMESPACE, "")
    if found and found != namespace:
        raise FedjobsError(
            ErrorCode.FEDERATION_EXISTS,
            f"This cluster belongs to the federation in namespace {found} (ClusterRole {FEDERATION}), and this release"
            f" is in namespace {namespace}.",
            "A cluster has one federation: uninstall one of the two releases.",
        )
