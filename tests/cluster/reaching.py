"""Tests whether a network namespace can connect to an address."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

_CONNECT_DIRECTLY = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3]))"
_CONNECT_BY_PROXY = """
import http.client, sys
proxy, port, place, patience = sys.argv[1:]
host, _, place_port = place.rpartition(":")
tunnel = http.client.HTTPConnection(proxy, int(port), timeout=float(patience))
tunnel.set_tunnel(host, int(place_port))
tunnel.connect()
"""


def reaches(inside: Callable[..., list[str]], address: str, port: int, *, patience: float = 5) -> bool:
    """Returns whether a connection is accepted.

    Args:
        inside: Returns a command that runs the given command in the namespace.
        address: The address to connect to.
        port: The port to connect to.
        patience: The timeout, in seconds.
    """
    return _succeeds(inside, _CONNECT_DIRECTLY, address, str(port), str(patience))


def reaches_through(
    inside: Callable[..., list[str]], proxy: tuple[str, int], address: str, port: int, *, patience: float = 5
) -> bool:
    """Returns whether an HTTP proxy accepts a CONNECT request. The other arguments are those of `reaches`."""
    return _succeeds(inside, _CONNECT_BY_PROXY, proxy[0], str(proxy[1]), f"{address}:{port}", str(patience))


def _succeeds(inside: Callable[..., list[str]], script: str, *arguments: str) -> bool:
    command = inside(sys.executable, "-I", "-c", script, *arguments)
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
