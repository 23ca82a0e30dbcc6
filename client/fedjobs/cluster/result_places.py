"""The location of a result: in a PersistentVolumeClaim, or at a URL."""

from __future__ import annotations

from dataclasses import dataclass

from fedjobs_common.errors import ErrorCode, FedjobsError

_CLAIM = "pvc://"


@dataclass(frozen=True)
class InClaim:
    """A path in a claim: `pvc://NAMESPACE/CLAIM/PATH`."""

    namespace: str
    claim: str
    path: str


@dataclass(frozen=True)
class AtUrl:
    """A URL that fsspec can read."""

    url: str


Place = InClaim | AtUrl


def parse(uri: str) -> Place:
    """Parses `status.result.uri`.

    Raises:
        FedjobsError: INVALID_JOB if the URI is invalid.
    """
    if not uri.startswith(_CLAIM):
        return AtUrl(uri)
    namespace, _, rest = uri.removeprefix(_CLAIM).partition("/")
    claim, _, path = rest.partition("/")
    if not namespace or not claim or ".." in path.split("/"):
        raise FedjobsError(
            ErrorCode.INVALID_JOB,
            f"status.result.uri of the job is {uri!r}, which is not of the form {_CLAIM}NAMESPACE/CLAIM/PATH.",
        )
    return InClaim(namespace, claim, path.strip("/"))
