"""An HTTP proxy that supports only CONNECT."""

from __future__ import annotations

import socket
import socketserver
import threading
from types import TracebackType

from tests.sockets import forward


class ConnectProxy:
    """Connects all clients to one address, whatever name they ask for.

    Args:
        target: `host:port` of the server to which all connections go.
        refuses: Whether it refuses all connections.
    """

    def __init__(self, target: str, *, refuses: bool = False) -> None:
        self.asked: list[str] = []
        """`host:port` of each CONNECT request."""
        host, port = target.rsplit(":", 1)
        proxy = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                verb, name, _ = self.rfile.readline().decode().split()
                while self.rfile.readline().strip():
                    pass
                if verb != "CONNECT":
                    self.wfile.write(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n")
                    return
                proxy.asked.append(name)
                if refuses:
                    self.wfile.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
                    return
                with socket.create_connection((host, int(port))) as far:
                    self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    back = threading.Thread(target=forward, args=(far, self.connection), daemon=True)
                    back.start()
                    forward(self.connection, far)
                    back.join()

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> ConnectProxy:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
