"""The parts of kind's node image that can be tested without Debian packages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cluster import binaries, node_images, node_roots
from tests.cluster.binaries import Module
from tests.cluster.errors import ClusterError

STORAGE = """package nodeimage

const storageProvisionerImage = "example.test/local-path-provisioner:v1"
const storageHelperImage = "example.test/local-path-helper:v2"

const defaultStorageManifest = `
kind: Deployment
        image: ` + storageProvisionerImage + `
---
kind: ConfigMap
        image: ` + storageHelperImage + `
`
"""


def test_kinds_storage_manifest_is_assembled_from_its_parts() -> None:
    manifest = node_roots.storage_manifest(STORAGE)
    assert manifest.startswith("\nkind: Deployment\n        image: example.test/local-path-provisioner:v1\n---\n")
    assert manifest.endswith("        image: example.test/local-path-helper:v2\n")
    assert node_roots.provisioner_image(manifest) == "example.test/local-path-provisioner:v1"
    assert node_roots.helper_image(manifest) == "example.test/local-path-helper:v2"


def test_an_unknown_form_of_kinds_module_is_reported() -> None:
    with pytest.raises(ClusterError, match="has no defaultStorageManifest"):
        node_roots.storage_manifest("package nodeimage\n")
    with pytest.raises(ClusterError, match="names 0 images with 'helper', not one"):
        node_roots.helper_image("kind: Deployment\n")


def test_another_version_of_kubernetes_is_another_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in Module:
        (tmp_path / module).mkdir()
        (tmp_path / module / "go.mod").write_text(f"module {module}\n")
    monkeypatch.setattr(binaries, "SOURCES", tmp_path)
    seen = {node_images.digest()}
    for module in (Module.KUBERNETES, *binaries.FOR_KIND):
        (tmp_path / module / "go.mod").write_text(f"module {module} // changed\n")
        seen.add(node_images.digest())
    assert len(seen) == 2 + len(binaries.FOR_KIND)


def test_kubeadm_has_the_version_of_kubernetes() -> None:
    both = [(binaries.SOURCES / each / "go.mod").read_text() for each in (Module.KUBERNETES, Module.KUBEADM)]
    kubernetes, kubeadm = (re.findall(r"k8s\.io/kubernetes (v\S+)", text) for text in both)
    assert kubernetes == kubeadm
