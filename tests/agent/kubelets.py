"""The part of a kubelet that serves logs: a node whose pods have logs but no processes."""

from __future__ import annotations

import json
import ssl
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from fedjobs_protocol.identities.certificates import Issuer, Purpose

from tests.cluster.api_servers import ApiServer


class LogKubelet:
    """The kubelet of a new node. The API server fetches logs from it.

    Args:
        server: The API server of the node.
        folder: The folder for its certificate.
    """

    def __init__(self, server: ApiServer, folder: Path) -> None:
        self.node = f"node-{uuid.uuid4().hex[:8]}"
        self.printed: list[bytes] = []
        """The log lines of the audit container."""
        self.noise: list[bytes] = []
        """The log lines of the other containers."""
        self.ended = threading.Event()
        """Set when the container has ended. Then its log ends, too."""
        self.broken = False
        """Whether the kubelet fails to read the log."""
        self._server = server
        kubelet = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if kubelet.broken:
                    self.send_error(500)
                    return
                self.send_response(200)
                self.end_headers()
                ended, sent = False, 0
                while not ended:
                    ended = kubelet.ended.wait(0.05) or "follow=true" not in self.path
                    of_audit = self.path.partition("?")[0].endswith("/audit")
                    for line in (kubelet.printed if of_audit else kubelet.noise)[sent:]:
                        self.wfile.write(line + b"\n")
                        sent += 1
                    self.wfile.flush()

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._http.socket = _tls_context(folder).wrap_socket(self._http.socket, server_side=True)

    def __enter__(self) -> LogKubelet:
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.node}}
        self._server.kubectl("create", "-f", "-", stdin=json.dumps(node))
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._http.server_address[1]}},
        }
        change = json.dumps({"status": status})
        self._server.kubectl("patch", "node", self.node, "--subresource=status", "--type=merge", "-p", change)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self._server.kubectl("delete", "node", self.node)
        self._http.shutdown()
        self._http.server_close()

    def assign(self, namespace: str, pod: str) -> None:
        """Assigns a pod to the node."""
        target = {"apiVersion": "v1", "kind": "Node", "name": self.node}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod}, "target": target}
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/binding"
        self._server.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(binding))


def _tls_context(folder: Path) -> ssl.SSLContext:
    folder.mkdir(parents=True)
    certificate, key = Issuer.create("kubelet", Purpose.SERVER).issue("localhost", uri="fedjobs:kubelet")
    (folder / "tls.crt").write_bytes(certificate)
    (folder / "tls.key").write_bytes(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return context
