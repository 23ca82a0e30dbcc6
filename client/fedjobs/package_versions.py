"""The versions of fedjobs and of the packages that it uses, without importing them."""

from __future__ import annotations

import platform

from fedjobs_protocol.versions import PROTOCOL_VERSIONS, SHARD_FORMATS, installed

_PACKAGES = ("tensorflow", "tensorflow-cpu", "tensorflow-federated", "grpcio", "numpy")


def versions() -> dict[str, str]:
    """Returns the versions by name. A package that is not installed is omitted."""
    found = {
        "fedjobs": installed("fedjobs"),
        "protocol": ", ".join(map(str, PROTOCOL_VERSIONS)),
        "shard format": ", ".join(map(str, SHARD_FORMATS)),
        "python": platform.python_version(),
    }
    found |= {package: installed(package) for package in _PACKAGES}
    return {name: version for name, version in found.items() if version}
