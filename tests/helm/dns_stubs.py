"""A DNS server for front doors: it resolves the full names of Services."""

from __future__ import annotations

import socket
import struct
import threading

_ADDRESS, _ALIAS, _INTERNET = 1, 5, 1
_NO_ERROR, _NO_SUCH_NAME = 0x8180, 0x8183


class Dns:
    """Answers queries on a free UDP port of 127.0.0.1 until it is closed.

    Attributes:
        services: IPv4 addresses, by name.
        aliases: Names of Services of type ExternalName, and the names to which they refer.
        asked: All queried names.
    """

    def __init__(self) -> None:
        self.services: dict[str, str] = {}
        self.aliases: dict[str, str] = {}
        self.asked: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, name="dns", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                question, peer = self._socket.recvfrom(4096)
                self._socket.sendto(self._answer(question), peer)
            except OSError:
                return

    def _answer(self, question: bytes) -> bytes:
        labels, at = [], 12
        while length := question[at]:
            labels.append(question[at + 1 : at + 1 + length])
            at += 1 + length
        name = b".".join(labels).decode().lower()
        self.asked.append(name)
        asked = question[12 : at + 5]
        records = self._records(name)
        status = _NO_ERROR if records else _NO_SUCH_NAME
        header = question[:2] + struct.pack(">HHHHH", status, 1, len(records), 0, 0)
        return header + asked + b"".join(records)

    def _records(self, name: str) -> list[bytes]:
        target = self.aliases.get(name)
        alias = [] if target is None else [_record(name, _ALIAS, _encoded(target))]
        address = self.services.get(target or name)
        return alias + ([] if address is None else [_record(target or name, _ADDRESS, socket.inet_aton(address))])


def _record(name: str, kind: int, content: bytes) -> bytes:
    return _encoded(name) + struct.pack(">HHIH", kind, _INTERNET, 5, len(content)) + content


def _encoded(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
