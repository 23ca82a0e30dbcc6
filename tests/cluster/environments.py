"""The environment of programs that speak to a cluster on this machine: no proxy for the internet stands between."""

from __future__ import annotations

import os

_PROXIES = {"http_proxy", "https_proxy", "all_proxy"}


def without_proxies() -> dict[str, str]:
    """This process's environment, but for proxies."""
    return {name: value for name, value in os.environ.items() if name.lower() not in _PROXIES}
