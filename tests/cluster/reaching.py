"""Whether something can be reached from inside a network namespace, tried for real."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

_KNOCK = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3]))"
_CONNECT = """
import http.client, sys
proxy, port, place, patience = sys.argv[1:]
host, _, place_port = place.rpartition(":")
tunnel = http.client.HTTPConnection(proxy, int(port), timeout=float(patience))
tunnel.set_tunnel(host, int(place_port))
tunnel.connect()
"""


def reaches(inside: Callable[..., list[str]], address: str, port: int, *, patience: float = 5) -> bool:
    """Whether a connection is accepted.

    Args:
        inside: makes a command one that runs in the namespace.
        address: whom to call.
        port: where.
        patience: seconds after which it is not.
    """
    return _does(inside, _KNOCK, address, str(port), str(patience))


def reaches_through(
    inside: Callable[..., list[str]], proxy: tuple[str, int], address: str, port: int, *, patience: float = 5
) -> bool:
    """Whether an HTTP proxy makes a connection, asked by CONNECT; otherwise as `reaches`."""
    return _does(inside, _CONNECT, proxy[0], str(proxy[1]), f"{address}:{port}", str(patience))


def _does(inside: Callable[..., list[str]], script: str, *arguments: str) -> bool:
    command = inside(sys.executable, "-I", "-c", script, *arguments)
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
