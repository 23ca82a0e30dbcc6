"""Clients that connect and then send nothing more."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def silent_connections(address: str, count: int) -> Iterator[list[socket.socket]]:
    """Opens this many connections. Half of them begin a handshake and do not finish it."""
    host, _, port = address.rpartition(":")
    with contextlib.ExitStack() as stack:
        connections = []
        for number in range(count):
            connection = stack.enter_context(socket.create_connection((host, int(port)), timeout=60))
            if number % 2:
                connection.sendall(b"\x16\x03\x01\x02\x00\x01")
            connections.append(connection)
        yield connections
