"""A derived image is complete: every blob matches its digest, and the new layer is the last one."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.cluster.derived_images import derive
from tests.cluster.errors import ClusterError
from tests.cluster.scratch_images import pack, packed


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return pack("localhost/base:1", packed({"etc/old": b"old"}), {"Cmd": ["/it"]}, "amd64", tmp_path / "base.tar")


def test_it_has_one_more_layer_and_another_name(base: Path, tmp_path: Path) -> None:
    files, without = {"etc/new": b"new"}, ["etc/old"]
    blobs = contents(derive(base, "localhost/new:1", tmp_path / "new.tar", files=files, without=without))
    [entry] = json.loads(blobs["index.json"])["manifests"]
    manifest = json.loads(named(blobs, entry["digest"]))
    config = json.loads(named(blobs, manifest["config"]["digest"]))
    layers = [named(blobs, layer["digest"]) for layer in manifest["layers"]]

    assert entry["annotations"]["org.opencontainers.image.ref.name"] == "localhost/new:1"
    assert config["config"] == {"Cmd": ["/it"]}
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    with tarfile.open(fileobj=io.BytesIO(layers[-1])) as layer:
        assert set(layer.getnames()) == {"etc/new", "etc/.wh.old"}
    for name, blob in blobs.items():
        if name.startswith("blobs/"):
            assert name == f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}"


def test_an_archive_without_an_image_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "other.tar"
    archive.write_bytes(packed({"other": b""}))
    with pytest.raises(ClusterError, match=r"no index\.json"):
        derive(archive, "localhost/new:1", tmp_path / "new.tar", files={})


def contents(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {member.name: file.read() for member in tar if (file := tar.extractfile(member)) is not None}


def named(blobs: dict[str, bytes], digest: str) -> bytes:
    return blobs[f"blobs/{digest.replace(':', '/')}"]
