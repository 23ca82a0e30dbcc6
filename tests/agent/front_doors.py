"""A front door for tests. It routes connections by the server name in their first packet, on one local port."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType

from tests.sockets import forward

_HEADER = 5  # bytes of a TLS record's header; the last two are its length


class FrontDoor:
    """Forwards TCP connections by SNI, and reads nothing else from them."""

    def __init__(self) -> None:
        self.routes: dict[str, str] = {}
        """`host:port`, by server name."""
        self.names: list[str] = []
        """The server names of all connections."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> FrontDoor:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Closes all connections."""
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError), near:
            hello = _read_exactly(near, _HEADER)
            hello += _read_exactly(near, int.from_bytes(hello[3:5], "big"))
            # The longest name comes first, because one name may be the suffix of another.
            name = next(
                (name for name in sorted(self.routes, key=len, reverse=True) if name.encode() in hello), "unknown"
            )
            self.names.append(name)
            if name not in self.routes:
                return
            host, port = self.routes[name].rsplit(":", 1)
            with socket.create_connection((host, int(port))) as far:
                self._open |= {near, far}
                far.sendall(hello)
                back = threading.Thread(target=forward, args=(far, near), daemon=True)
                back.start()
                forward(near, far)
                back.join()


def _read_exactly(source: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = source.recv(size - len(data))
        if not part:
            raise ConnectionResetError
        data += part
    return data
