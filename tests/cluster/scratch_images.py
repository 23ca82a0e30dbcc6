"""Images of one layer, such as one static program, packed without any tool for images."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

PROBE = "localhost/fedjobs-test-probe:1"  # tests what a pod can do


def write_archive(image: str, program: Path, archive: Path) -> Path:
    """Writes an OCI image that runs the program, and returns the path of its archive."""
    layer = packed({program.name: program.read_bytes()}, mode=0o755)
    settings: dict[str, object] = {"Entrypoint": [f"/{program.name}"], "User": "65535:65535"}
    return pack(image, layer, settings, architecture(program), archive)


def pack(image: str, layer: bytes, settings: Mapping[str, object], machine: str, archive: Path) -> Path:
    """Writes an OCI image with one layer, and returns the path of its archive.

    Args:
        image: The name of the image.
        layer: An uncompressed tar.
        settings: The command, the user and further settings of the image.
        machine: The architecture, as `architecture` returns it.
        archive: The archive to write.
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
    """Returns the architecture of a program."""
    with program.open("rb") as file:
        machine = file.read(19)[18]  # e_machine of an ELF file
    return {0x3E: "amd64", 0xB7: "arm64"}[machine]


def packed(files: Mapping[str, bytes], mode: int = 0o644) -> bytes:
    """Returns a tar of files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def encoded(value: object) -> bytes:
    """Returns deterministic JSON."""
    return json.dumps(value, sort_keys=True).encode()


def digest(blob: bytes) -> str:
    """Returns the digest of a blob."""
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def descriptor(media_type: str, blob: bytes) -> dict[str, object]:
    """Returns the descriptor of a blob, with which one part of an image refers to another."""
    return {"mediaType": media_type, "digest": digest(blob), "size": len(blob)}
