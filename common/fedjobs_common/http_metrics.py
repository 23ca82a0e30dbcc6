"""Serves metrics and health of a process over HTTP: `/metrics` for Prometheus, `/healthz` for liveness probes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from fedjobs_common.errors import ErrorCode, FedjobsError

_SILENCE_S = 10.0  # an idle client's connection is closed after this time


class MetricsServer:
    """An HTTP server in a background thread. It runs until `close`, or until the process exits.

    Args:
        listen: `host:port`. Port 0 chooses a free port. An empty host listens on all addresses.
        registry: The registry of the metrics.
        healthy: Returns whether the process is healthy. Called in the server's thread.

    Attributes:
        port: The port that the server listens on.

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
                f"Cannot serve metrics on {listen}: {error.strerror}.",
                "Stop the process that uses the port, or choose another port.",
            ) from error
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops the server."""
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
        """Ignores errors: a client that disconnects is not an error."""


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
            self._answer(200 if well else 503, "text/plain; charset=utf-8", b"ok\n" if well else b"unhealthy\n")
        else:
            self._answer(404, "text/plain; charset=utf-8", b"not found: try /metrics or /healthz\n")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Logs no requests, because scrapes are frequent."""

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
