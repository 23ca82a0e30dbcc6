"""Adds a layer with a few files to an image, without any tool for images."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from tests.cluster.errors import ClusterError
from tests.cluster.scratch_images import descriptor, digest, encoded, packed

_LAYER = "application/vnd.oci.image.layer.v1.tar"


def derive(archive: Path, image: str, into: Path, *, files: Mapping[str, bytes], without: Sequence[str] = ()) -> Path:
    """Writes an OCI image that is derived from another one, and returns the path of its archive.

    Args:
        archive: The OCI archive of the original image. It contains one image.
        image: The name of the new image.
        into: The archive to write.
        files: The new content of files, by paths without a leading slash.
        without: Paths of files to remove.
    """
    layer = packed(
        {**files, **{str(PurePosixPath(path).with_name(f".wh.{PurePosixPath(path).name}")): b"" for path in without}}
    )
    with tarfile.open(archive) as old:
        index = _json(old, "index.json")
        [entry] = index["manifests"]
        manifest = _json(old, _place(entry["digest"]))
        config = _json(old, _place(manifest["config"]["digest"]))
        config["rootfs"]["diff_ids"].append(digest(layer))
        config.pop("history", None)
        manifest["config"] = {**manifest["config"], **_measured(config)}
        manifest["layers"].append(descriptor(_LAYER, layer))
        named = {"io.containerd.image.name": image, "org.opencontainers.image.ref.name": image}
        index["manifests"] = [{**entry, **_measured(manifest), "annotations": named}]
        new = {_place(digest(blob)): blob for blob in (layer, encoded(config), encoded(manifest))}
        with tarfile.open(into, "w") as tar:
            for member in old:
                if member.isfile() and member.name != "index.json":
                    tar.addfile(member, old.extractfile(member))
            for name, blob in {**new, "index.json": encoded(index)}.items():
                member = tarfile.TarInfo(name)
                member.size = len(blob)
                tar.addfile(member, io.BytesIO(blob))
    return into


def _measured(document: Mapping[str, Any]) -> dict[str, Any]:
    blob = encoded(document)
    return {"digest": digest(blob), "size": len(blob)}


def _place(name: str) -> str:
    return f"blobs/{name.replace(':', '/')}"


def _json(archive: tarfile.TarFile, name: str) -> dict[str, Any]:
    try:
        file = archive.extractfile(name)
    except KeyError:
        file = None
    if file is None:
        raise ClusterError(f"this is not an OCI archive: it has no {name}")
    return dict(json.load(file))
