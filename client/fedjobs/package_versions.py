"""Versions of what takes part in a run, without importing it."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from fedjobs_protocol.versions import PROTOCOL_VERSIONS, SHARD_FORMATS

_PACKAGES = ("tensorflow", "tensorflow-cpu", "tensorflow-federated", "grpcio", "numpy")


def versions() -> dict[str, str]:
    """By name; a package that is not installed is left out."""
    found = {
        "fedjobs": version("fedjobs"),
        "protocol": ", ".join(map(str, PROTOCOL_VERSIONS)),
        "shard format": ", ".join(map(str, SHARD_FORMATS)),
        "python": platform.python_version(),
    }
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
