"""Stores an agent's identity in a Secret of its namespace, or in a folder that only its user can access.

The identity consists of the files `tls.key`, `tls.crt`, `ca.crt` and `federation.json`.
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
    """Stores an identity across restarts."""

    def read(self) -> Files:
        """Returns all stored files. Empty if nothing is stored yet.

        Raises:
            FedjobsError: The files cannot be read at the moment.
        """

    def write(self, files: Files) -> None:
        """Replaces the stored files durably.

        Raises:
            FedjobsError: The files cannot be stored at the moment. The earlier files are unchanged.
        """


class FolderStore:
    """Stores the files in a folder.

    Args:
        folder: The path of the folder, which is created at the first write.
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
            # The certificate is written last: if it exists, the other files do too.
            for name in sorted(files, key=lambda name: name == "tls.crt"):
                write_atomically(self._folder / name, files[name])
        except OSError as error:
            raise _unusable(self._folder, error) from error


class SecretStore:
    """Stores the files in a Secret.

    Args:
        cluster: The silo's cluster.
        name: The name of the Secret.
        owner: An owner reference, or None if the Secret outlives the agent, so that a reinstalled agent is still
            enrolled.
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
    """Returns the manifest of a Secret with these files."""
    metadata: dict[str, Any] = {"name": name, "labels": {"app.kubernetes.io/name": "fedjobs", **(labels or {})}}
    if owner is not None:
        metadata["ownerReferences"] = [owner]
    data = {key: base64.b64encode(content).decode() for key, content in files.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}


def _unusable(folder: Path, error: OSError) -> FedjobsError:
    return FedjobsError(
        ErrorCode.UNAVAILABLE,
        f"{folder} cannot be used: {error.strerror}.",
        "Choose a folder that the agent's user owns.",
    )
