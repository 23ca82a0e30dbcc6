"""Messages with descriptors between the processes of one silo.

A unix socket that keeps the bounds of messages (SOCK_SEQPACKET). Messages are small and say what is where; values are
in shared memory, whose descriptors travel along.
"""

from __future__ import annotations

import array
import contextlib
import os
import socket
import struct
from collections.abc import Sequence

LONGEST_MESSAGE = 128 * 1024
"""Bytes; the kernel takes about 200 KB in one packet."""
_COUNT = struct.Struct("<I")
_MOST_DESCRIPTORS = 250  # of one packet; Linux takes 253


class ChannelClosedError(Exception):
    """The other side is gone."""


class Channel:
    """One end of a connection; one thread may use it at a time, but any may shut it down."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, message: bytes, descriptors: Sequence[int] = ()) -> None:
        """Sends a message, and duplicates of the descriptors.

        Raises:
            ChannelClosedError: The other side is gone.
            ValueError: The message is too long; values do not belong in it.
        """
        if len(message) > LONGEST_MESSAGE:
            raise ValueError(f"a message of {len(message)} bytes is longer than {LONGEST_MESSAGE}")
        try:
            first, rest = descriptors[:_MOST_DESCRIPTORS], descriptors[_MOST_DESCRIPTORS:]
            self._send_packet(_COUNT.pack(len(descriptors)) + message, first)
            while rest:
                self._send_packet(b"+", rest[:_MOST_DESCRIPTORS])
                rest = rest[_MOST_DESCRIPTORS:]
        except OSError as error:
            raise ChannelClosedError(str(error)) from error

    def receive(self) -> tuple[bytes, list[int]]:
        """The next message and its descriptors, which are then the caller's to close.

        Raises:
            ChannelClosedError: The other side is gone.
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
        """Ends the connection for both sides; whoever waits for a message here gets ChannelClosedError."""
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
            raise ConnectionAbortedError("a packet arrived cut short")
        return packet


def listener(path: str, mode: int = 0o600) -> socket.socket:
    """A socket that listens at a path. What was left there by a process that is gone is replaced.

    Args:
        path: Of the socket.
        mode: Who may connect: by default this user only.

    Raises:
        OSError: EADDRINUSE when somebody listens there.
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
    """A connection to who listens at a path.

    Raises:
        OSError: Nobody does.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def pair() -> tuple[socket.socket, socket.socket]:
    """Two ends, for a process and its child."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
