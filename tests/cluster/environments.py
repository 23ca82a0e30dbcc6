"""The environment of programs that connect to a cluster on this machine. It has no proxy settings."""

from __future__ import annotations

import os

_PROXIES = {"http_proxy", "https_proxy", "all_proxy"}


def without_proxies() -> dict[str, str]:
    """Returns this process's environment without proxy settings."""
    return {name: value for name, value in os.environ.items() if name.lower() not in _PROXIES}
