"""Messages with file descriptors between the processes of one silo.

The channel is a Unix socket that preserves message boundaries (SOCK_SEQPACKET). Messages are small. Values are in
shared memory, and the messages carry its descriptors.
"""

from __future__ import annotations

import array
import contextlib
import os
import socket
import struct
from collections.abc import Sequence

LONGEST_MESSAGE = 128 * 1024
"""The maximum size of a message in bytes. The kernel's limit for a packet is about 200 KB."""
_COUNT = struct.Struct("<I")
_MOST_DESCRIPTORS = 250  # in one packet; the limit of Linux is 253


class ChannelClosedError(Exception):
    """The other side has closed the connection."""


class Channel:
    """One end of a connection. Only one thread may use it at a time, but any thread may call `shut_down`."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, message: bytes, descriptors: Sequence[int] = ()) -> None:
        """Sends a message, and duplicates of the descriptors.

        Raises:
            ChannelClosedError: The other side has closed the connection.
            ValueError: The message is too long. Values must be in shared memory.
        """
        if len(message) > LONGEST_MESSAGE:
            raise ValueError(f"a message has {len(message)} bytes, but the maximum is {LONGEST_MESSAGE}")
        try:
            first, rest = descriptors[:_MOST_DESCRIPTORS], descriptors[_MOST_DESCRIPTORS:]
            self._send_packet(_COUNT.pack(len(descriptors)) + message, first)
            while rest:
                self._send_packet(b"+", rest[:_MOST_DESCRIPTORS])
                rest = rest[_MOST_DESCRIPTORS:]
        except OSError as error:
            raise ChannelClosedError(str(error)) from error

    def receive(self) -> tuple[bytes, list[int]]:
        """Receives the next message and its descriptors. The caller must close the descriptors.

        Raises:
            ChannelClosedError: The other side has closed the connection.
        """
        descriptors: list[int] = []
        try:
            packet = self._receive_packet(descriptors)
            (count,) = _COUNT.unpack_from(packet)
            while len(descriptors) < count:
                self._receive_packet(descriptors)
        except (OSError, struct.error) as error:
            for descriptor in descriptors:
                os.close(descriptor)
            raise ChannelClosedError(str(error)) from error
        return packet[_COUNT.size :], descriptors

    def shut_down(self) -> None:
        """Ends the connection for both sides. A thread that waits in `receive` gets ChannelClosedError."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._socket.close()

    def _send_packet(self, packet: bytes, descriptors: Sequence[int]) -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        self._socket.sendmsg([packet], rights, socket.MSG_NOSIGNAL)

    def _receive_packet(self, descriptors: list[int]) -> bytes:
        space = socket.CMSG_LEN(_MOST_DESCRIPTORS * array.array("i").itemsize)
        packet, ancillary, flags, _ = self._socket.recvmsg(
            LONGEST_MESSAGE + _COUNT.size, space, socket.MSG_CMSG_CLOEXEC
        )
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                received = array.array("i")
                received.frombytes(content[: len(content) - len(content) % received.itemsize])
                descriptors.extend(received)
        if not packet:
            raise ConnectionResetError("the other side closed the connection")
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            raise ConnectionAbortedError("a received packet was truncated")
        return packet


def listener(path: str, mode: int = 0o600) -> socket.socket:
    """Creates a socket that listens at a path. Replaces the socket file of a process that has ended.

    Args:
        path: The path of the socket.
        mode: The permissions of the socket file. By default, only this user can connect.

    Raises:
        OSError: EADDRINUSE if another process listens there.
    """
    new = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
        connected(path).close()
        raise OSError(98, "another process listens there", path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108 (a socket's path, never a Path)
    before = os.umask(0o777 & ~mode)
    try:
        new.bind(path)
    finally:
        os.umask(before)
    new.listen(64)
    return new


def connected(path: str) -> socket.socket:
    """Connects to the process that listens at a path.

    Raises:
        OSError: No process listens there.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def pair() -> tuple[socket.socket, socket.socket]:
    """Creates two connected sockets, for a process and its child."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
