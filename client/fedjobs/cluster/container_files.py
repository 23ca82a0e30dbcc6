"""Copies files and folders out of a container as a tar stream. The container only needs Python."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.files import full_disk_named
from fedjobs_common.jobs.result_manifests import MANIFEST

from fedjobs.cluster import remote_commands
from fedjobs.cluster.connections import Connection

SCRIPT = """
import json, os, sys, tarfile
manifest, *pairs = sys.argv[1:]
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
    for pair in pairs:
        name, _, path = pair.partition("=")
        listed = os.path.join(path, manifest)
        if os.path.exists(listed):
            with open(listed, "rb") as file:
                entries = json.load(file)["files"]
            for entry in [manifest, *(entry["path"] for entry in entries)]:
                archive.add(os.path.join(path, entry), name + "/" + entry)
        elif os.path.exists(path):
            archive.add(path, name)
"""
"""Writes a tar archive of the existing paths, each under its new name. In a folder with a result manifest, it only
archives the files that the manifest lists, because the folder may contain other files. If a file grows meanwhile, the
archive contains its original length."""


class _Readable(io.RawIOBase):
    """A readable, non-seekable file over pieces of bytes."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def drain(self) -> None:
        """Reads to the end of the stream, where the command's exit code is checked."""
        for _ in self._pieces:
            pass


def copy(
    connection: Connection, namespace: str, pod: str, container: str, paths: Mapping[str, str], folder: Path
) -> None:
    """Copies files and folders out of a container. Skips paths that do not exist.

    Args:
        connection: The connection to the cluster.
        namespace: The namespace of the pod.
        pod: The name of the pod.
        container: The name of the container.
        paths: The paths in the container, by their new names relative to `folder`.
        folder: An existing folder on this machine.

    Raises:
        FedjobsError: UNAVAILABLE, DISK_FULL, or BLOB_CORRUPT if the archive is damaged.
    """
    command = ["python", "-c", SCRIPT, MANIFEST, *(f"{name}={path}" for name, path in paths.items())]
    unpack(remote_commands.output(connection, namespace, pod, container, command), folder)


def unpack(archive: Iterable[bytes], folder: Path) -> None:
    """Extracts regular files and folders of a tar archive that arrives in pieces. Never writes outside `folder`."""
    stream = _Readable(archive)
    try:
        with full_disk_named(folder), tarfile.open(fileobj=io.BufferedReader(stream, 1 << 20), mode="r|") as members:
            for member in members:
                if member.isreg() or member.isdir():
                    members.extract(member, folder, filter="data")
        stream.drain()
    except tarfile.TarError as error:
        stream.drain()  # raises the command's own error, if there is one
        raise FedjobsError(ErrorCode.BLOB_CORRUPT, f"The copied archive is damaged: {error}.", "Try again.") from error
