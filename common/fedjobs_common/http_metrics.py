"""Metrics and health of a process over plain HTTP: `/metrics` for Prometheus, `/healthz` for who restarts it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from fedjobs_common.errors import ErrorCode, FedjobsError

_SILENCE_S = 10.0  # of a client, after which its connection is given up


class MetricsServer:
    """Serves in a thread of its own until `close`, or until the process ends.

    Args:
        listen: `host:port`; port 0 chooses one. An empty host is all of the machine's addresses.
        registry: What is measured.
        healthy: Whether the process does what it should; called in the server's thread.

    Attributes:
        port: Where it listens.

    Raises:
        FedjobsError: PORT_IN_USE.
    """

    def __init__(self, listen: str, registry: CollectorRegistry, healthy: Callable[[], bool] = lambda: True) -> None:
        host, _, port = listen.rpartition(":")
        try:
            self._server = _Server((host.strip("[]"), int(port)), registry, healthy)
        except OSError as error:
            raise FedjobsError(
                ErrorCode.PORT_IN_USE,
                f"Metrics cannot be served on {listen}: {error.strerror}.",
                "End the process that uses the port, or choose another one.",
            ) from error
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], registry: CollectorRegistry, healthy: Callable[[], bool]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)
        self.registry = registry
        self.healthy = healthy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is nobody's error."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _SILENCE_S
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            encode, content_type = choose_encoder(self.headers.get("Accept", ""))
            self._answer(200, content_type, encode(self.server.registry))
        elif path == "/healthz":
            well = self.server.healthy()
            self._answer(200 if well else 503, "text/plain; charset=utf-8", b"ok\n" if well else b"not well\n")
        else:
            self._answer(404, "text/plain; charset=utf-8", b"/metrics and /healthz are here\n")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Scrapes are not worth a line each."""

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
