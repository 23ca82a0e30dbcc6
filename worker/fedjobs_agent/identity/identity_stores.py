"""Where an agent keeps its identity: a Secret of its own namespace, or a folder that only its user can enter.

What is kept is a few named files: `tls.key`, `tls.crt`, `ca.crt`, `federation.json`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.files import write_atomically

if TYPE_CHECKING:
    from fedjobs_agent.cluster_api import Cluster

Files = Mapping[str, bytes]


class IdentityStore(Protocol):
    """Keeps an identity over restarts."""

    def read(self) -> Files:
        """All that is kept; empty: nothing yet.

        Raises:
            FedjobsError: It cannot be read at the moment.
        """

    def write(self, files: Files) -> None:
        """Keeps this and nothing else; when it returns, it is durable.

        Raises:
            FedjobsError: It cannot be kept at the moment; what was kept before still is.
        """


class FolderStore:
    """Files of a folder.

    Args:
        folder: Made when it is first written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self) -> Files:
        if not self._folder.is_dir():
            return {}
        try:
            return {path.name: path.read_bytes() for path in self._folder.iterdir() if path.is_file()}
        except OSError as error:
            raise _unusable(self._folder, error) from error

    def write(self, files: Files) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._folder.chmod(0o700)
            # The certificate comes last: with it, the rest is there.
            for name in sorted(files, key=lambda name: name == "tls.crt"):
                write_atomically(self._folder / name, files[name])
        except OSError as error:
            raise _unusable(self._folder, error) from error


class SecretStore:
    """A Secret.

    Args:
        cluster: The silo's.
        name: Of the Secret.
        owner: An owner reference for it; None: it outlives the agent, and an agent that is installed again is known.
    """

    def __init__(self, cluster: Cluster, name: str, owner: dict[str, Any] | None = None) -> None:
        self._cluster = cluster
        self._name = name
        self._owner = owner

    def read(self) -> Files:
        secret = self._cluster.secret(self._name)
        try:
            return {
                key: base64.b64decode(value, validate=True) for key, value in ((secret or {}).get("data") or {}).items()
            }
        except binascii.Error as error:
            raise FedjobsError(ErrorCode.INTERNAL, f"The Secret {self._name} cannot be read: {error}.") from error

    def write(self, files: Files) -> None:
        self._cluster.keep_secret(secret_of(self._name, files, owner=self._owner))


def secret_of(
    name: str, files: Files, *, labels: dict[str, str] | None = None, owner: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The manifest of a Secret with these files."""
    metadata: dict[str, Any] = {"name": name, "labels": {"app.kubernetes.io/name": "fedjobs", **(labels or {})}}
    if owner is not None:
        metadata["ownerReferences"] = [owner]
    data = {key: base64.b64encode(content).decode() for key, content in files.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}


def _unusable(folder: Path, error: OSError) -> FedjobsError:
    return FedjobsError(
        ErrorCode.UNAVAILABLE, f"{folder} cannot be used: {error.strerror}.", "Give the agent a folder of its own."
    )
