"""Kubeconfigs that contain their certificates and keys, so that they can be copied anywhere."""

from __future__ import annotations

import base64
from pathlib import Path

import yaml

from tests.cluster.certificates import Authority, Identity
from tests.cluster.files import write


def write_kubeconfig(path: Path, *, cluster: str, server: str, authority: Authority, identity: Identity) -> Path:
    """Writes a kubeconfig with this identity and server, and returns its path. Its context has the cluster's name."""
    place = {"server": server, "certificate-authority-data": _text(authority.identity.certificate)}
    user = {"client-certificate-data": _text(identity.certificate), "client-key-data": _text(identity.key)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": place}],
        "users": [{"name": cluster, "user": user}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": cluster}}],
        "current-context": cluster,
    }
    return write(path, yaml.safe_dump(config, sort_keys=False))


def _text(pem: bytes) -> str:
    return base64.b64encode(pem).decode()
