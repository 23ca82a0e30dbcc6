"""Images of one layer, such as one static program and nothing else, packed without any tool for images."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

PAUSE = "localhost/fedjobs-test-pause:1"  # holds a pod's namespaces
PROBE = "localhost/fedjobs-test-probe:1"  # tries what a pod can do


def write_archive(image: str, program: Path, archive: Path) -> Path:
    """The archive, now an OCI image of that name that runs the program."""
    layer = packed({program.name: program.read_bytes()}, mode=0o755)
    settings: dict[str, object] = {"Entrypoint": [f"/{program.name}"], "User": "65535:65535"}
    return pack(image, layer, settings, architecture(program), archive)


def pack(image: str, layer: bytes, settings: Mapping[str, object], machine: str, archive: Path) -> Path:
    """The archive, now an OCI image of one layer.

    Args:
        image: its name.
        layer: a tar, not compressed.
        settings: what is run in it, and as whom.
        machine: as `architecture` says it.
        archive: to be written.
    """
    rootfs = {"type": "layers", "diff_ids": [digest(layer)]}
    config = encoded({"architecture": machine, "os": "linux", "config": settings, "rootfs": rootfs})
    kind = "application/vnd.oci.image"
    manifest = encoded(
        {
            "schemaVersion": 2,
            "mediaType": f"{kind}.manifest.v1+json",
            "config": descriptor(f"{kind}.config.v1+json", config),
            "layers": [descriptor(f"{kind}.layer.v1.tar", layer)],
        }
    )
    named = {"annotations": {"io.containerd.image.name": image, "org.opencontainers.image.ref.name": image}}
    index = {"schemaVersion": 2, "manifests": [descriptor(f"{kind}.manifest.v1+json", manifest) | named]}
    blobs = {f"blobs/{digest(each).replace(':', '/')}": each for each in (layer, config, manifest)}
    layout = {"oci-layout": encoded({"imageLayoutVersion": "1.0.0"}), "index.json": encoded(index)}
    archive.write_bytes(packed(layout | blobs))
    return archive


def architecture(program: Path) -> str:
    """Which machines a program is for."""
    with program.open("rb") as file:
        machine = file.read(19)[18]  # e_machine of an ELF file
    return {0x3E: "amd64", 0xB7: "arm64"}[machine]


def packed(files: Mapping[str, bytes], mode: int = 0o644) -> bytes:
    """A tar of files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def encoded(value: object) -> bytes:
    """As JSON that is always the same."""
    return json.dumps(value, sort_keys=True).encode()


def digest(blob: bytes) -> str:
    """The name of a blob."""
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def descriptor(media_type: str, blob: bytes) -> dict[str, object]:
    """How one part of an image names another."""
    return {"mediaType": media_type, "digest": digest(blob), "size": len(blob)}
