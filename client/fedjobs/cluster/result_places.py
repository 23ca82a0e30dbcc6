"""Where a result is: in a claim of the cluster, or behind a URL."""

from __future__ import annotations

from dataclasses import dataclass

from fedjobs_common.errors import ErrorCode, FedjobsError

_CLAIM = "pvc://"


@dataclass(frozen=True)
class InClaim:
    """`pvc://NAMESPACE/CLAIM/PATH`."""

    namespace: str
    claim: str
    path: str


@dataclass(frozen=True)
class AtUrl:
    """Whatever fsspec can read."""

    url: str


Place = InClaim | AtUrl


def parse(uri: str) -> Place:
    """The place that `status.result.uri` names.

    Raises:
        FedjobsError: INVALID_JOB where it is none.
    """
    if not uri.startswith(_CLAIM):
        return AtUrl(uri)
    namespace, _, rest = uri.removeprefix(_CLAIM).partition("/")
    claim, _, path = rest.partition("/")
    if not namespace or not claim or ".." in path.split("/"):
        raise FedjobsError(ErrorCode.INVALID_JOB, f"status.result.uri of the job is {uri!r}, which is no place.")
    return InClaim(namespace, claim, path.strip("/"))
