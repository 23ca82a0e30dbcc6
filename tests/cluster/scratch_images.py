"""Images of one static program and nothing else, packed without any tool for images."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

PAUSE = "localhost/fedjobs-test-pause:1"  # holds a pod's namespaces
PROBE = "localhost/fedjobs-test-probe:1"  # tries what a pod can do


def write_archive(image: str, program: Path, archive: Path) -> Path:
    """The archive, now an OCI image of that name that runs the program."""
    layer = _tar({program.name: program.read_bytes()}, mode=0o755)
    config = _json(
        {
            "architecture": _architecture(program),
            "os": "linux",
            "config": {"Entrypoint": [f"/{program.name}"], "User": "65535:65535"},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
    )
    kind = "application/vnd.oci.image"
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{kind}.manifest.v1+json",
            "config": _descriptor(f"{kind}.config.v1+json", config),
            "layers": [_descriptor(f"{kind}.layer.v1.tar", layer)],
        }
    )
    named = {"annotations": {"io.containerd.image.name": image, "org.opencontainers.image.ref.name": image}}
    index = {"schemaVersion": 2, "manifests": [_descriptor(f"{kind}.manifest.v1+json", manifest) | named]}
    blobs = {f"blobs/{_digest(each).replace(':', '/')}": each for each in (layer, config, manifest)}
    layout = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": _json(index)}
    archive.write_bytes(_tar(layout | blobs))
    return archive


def _architecture(program: Path) -> str:
    machine = program.read_bytes()[18]  # e_machine of an ELF file
    return {0x3E: "amd64", 0xB7: "arm64"}[machine]


def _tar(files: dict[str, bytes], mode: int = 0o644) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _descriptor(media_type: str, blob: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(blob), "size": len(blob)}
