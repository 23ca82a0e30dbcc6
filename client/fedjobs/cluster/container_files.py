"""Copies files and folders out of a container, as one stream of a tar archive; needs nothing there but Python."""

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
"""Of what is there, each under its new name, and of a folder with a result's manifest what that lists: others may have
put things beside it. A file that grows meanwhile is taken as long as it was at first."""


class _Readable(io.RawIOBase):
    """Pieces of bytes as a file that can be read once."""

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
        """Reads to the end, where the command's exit code is."""
        for _ in self._pieces:
            pass


def copy(
    connection: Connection, namespace: str, pod: str, container: str, paths: Mapping[str, str], folder: Path
) -> None:
    """Copies what is there of some files and folders.

    Args:
        connection: To the cluster.
        namespace: Of the pod.
        pod: Its name.
        container: In the pod.
        paths: Where things are there, by their new names, relative to `folder`.
        folder: An existing one of this machine.

    Raises:
        FedjobsError: UNAVAILABLE, BLOB_CORRUPT where the connection spoilt the archive, DISK_FULL.
    """
    command = ["python", "-c", SCRIPT, MANIFEST, *(f"{name}={path}" for name, path in paths.items())]
    unpack(remote_commands.output(connection, namespace, pod, container, command), folder)


def unpack(archive: Iterable[bytes], folder: Path) -> None:
    """Unpacks a tar archive that comes in pieces: plain files and folders, and nothing outside of `folder`."""
    stream = _Readable(archive)
    try:
        with full_disk_named(folder), tarfile.open(fileobj=io.BufferedReader(stream, 1 << 20), mode="r|") as members:
            for member in members:
                if member.isreg() or member.isdir():
                    members.extract(member, folder, filter="data")
        stream.drain()
    except tarfile.TarError as error:
        stream.drain()  # the command's own failure says more
        raise FedjobsError(ErrorCode.BLOB_CORRUPT, f"What was copied is not whole: {error}.", "Try again.") from error
