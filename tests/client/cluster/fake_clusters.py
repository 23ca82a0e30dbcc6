"""A fake API server with a kubelet, for tests: objects in a dictionary, logs, and commands.

Commands run on this machine, and their output is sent with Kubernetes' WebSocket protocol.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import re
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml
from fedjobs.cluster.connections import Connection, Target, connect

_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/v\w+/namespaces/(?P<namespace>[^/]+)/(?P<kind>\w+)(?:/(?P<name>[^/]+)(?:/(?P<sub>\w+))?)?"
)
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class FakeCluster:
    """The state of the cluster, which tests set and check.

    Attributes:
        objects: The objects, by kind and name.
        logs: The log of each pod. A list has one response per entry, and all but the last are truncated.
        root: The folder that commands see as the pod's `/`.
        calls: Method and path of all requests.
    """

    def __init__(self, root: Path) -> None:
        self.objects: dict[tuple[str, str], Any] = {}
        self.logs: dict[str, list[bytes]] = {}
        self.root = root
        self.calls: list[tuple[str, str]] = []
        self.pod_starts = True
        self.cut_after: int | None = None

    def add(self, kind: str, body: Any) -> None:
        self.objects[kind, body["metadata"]["name"]] = body

    def methods(self, kind: str) -> list[str]:
        return [method for method, path in self.calls if f"/{kind}" in path]


class _Handler(http.server.BaseHTTPRequestHandler):
    cluster: FakeCluster

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        found = self._found()
        if found["sub"] == "log":
            self._log(found["name"])
        elif found["sub"] == "exec":
            self._exec()
        elif found["name"]:
            body = self.cluster.objects.get((found["kind"], found["name"]))
            self._answer(200, body) if body else self._not_found(found)
        else:
            items = [body for (kind, _), body in self.cluster.objects.items() if kind == found["kind"]]
            self._answer(200, {"kind": "List", "metadata": {}, "items": items})

    def do_POST(self) -> None:
        found = self._found()
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        waiting = {"waiting": {"reason": "ErrImageNeverPull", "message": "no such image"}}
        body["status"] = {
            "phase": "Running" if self.cluster.pod_starts else "Pending",
            "containerStatuses": [
                {"name": "reader", "ready": True, "restartCount": 0, "image": "i", "imageID": "i", "state": {}}
                | ({} if self.cluster.pod_starts else {"state": waiting})
            ],
        }
        self.cluster.add(found["kind"], body)
        self._answer(201, body)

    def do_DELETE(self) -> None:
        found = self._found()
        body = self.cluster.objects.pop((found["kind"], found["name"]), None)
        self._answer(200, body) if body else self._not_found(found)

    def _found(self) -> dict[str, str]:
        parts = urlsplit(self.path)
        self.cluster.calls.append((self.command, parts.path))
        match = _PATH.fullmatch(parts.path)
        assert match, self.path
        return match.groupdict()

    def _answer(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _not_found(self, found: dict[str, str]) -> None:
        details = {"name": found["name"], "kind": found["kind"]}
        self._answer(404, {"kind": "Status", "reason": "NotFound", "message": "not found", "details": details})

    def _log(self, pod: str) -> None:
        answers = self.cluster.logs.get(pod)
        if answers is None:
            self._answer(400, {"kind": "Status", "reason": "BadRequest", "message": "is waiting to start"})
            return
        content = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content) + (1 if answers[0] is not content else 0)))
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = True  # fewer bytes than promised were sent if another response follows

    def _exec(self) -> None:
        key = self.headers["Sec-WebSocket-Key"].encode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key + _MAGIC).digest()).decode())  # noqa: S324
        self.send_header("Sec-WebSocket-Protocol", "v5.channel.k8s.io")
        self.end_headers()
        words = parse_qs(urlsplit(self.path).query)["command"]
        command = [
            sys.executable if word == "python" else word.replace("=/", f"={self.cluster.root}/") for word in words
        ]
        done = subprocess.run(command, capture_output=True, check=False)
        self._frame(1, b"")
        output = done.stdout[: self.cluster.cut_after]
        for start in range(0, len(output), 4096):
            self._frame(1, output[start : start + 4096])
        if self.cluster.cut_after is None:
            self._frame(2, done.stderr)
            end = {"status": "Success"} if done.returncode == 0 else {"status": "Failure", "message": "exit code 1"}
            self._frame(3, json.dumps(end).encode())
        self.close_connection = True

    def _frame(self, channel: int, content: bytes) -> None:
        payload = bytes([channel]) + content
        length = bytes([len(payload)]) if len(payload) < 126 else bytes([126]) + struct.pack(">H", len(payload))
        self.wfile.write(b"\x82" + length + payload)


@contextmanager
def serving(cluster: FakeCluster, folder: Path) -> Iterator[Connection]:
    """Serves the cluster during the block, and yields a connection to it."""
    handler = type("Handler", (_Handler,), {"cluster": cluster})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        config = {
            "clusters": [{"name": "fake", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
            "users": [{"name": "fake", "user": {}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake", "namespace": "trials"}}],
            "current-context": "fake",
        }
        kubeconfig = folder / "fake.kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(config))
        try:
            yield connect(Target(kubeconfig))
        finally:
            server.shutdown()


def a_coordinator_pod(attempt: int = 1, phase: str = "Running") -> dict[str, Any]:
    return {
        "metadata": {
            "name": f"digits-coordinator-{attempt}-x",
            "namespace": "trials",
            "uid": f"pod-{attempt}",
            "creationTimestamp": f"2026-01-31T12:00:{attempt:02d}Z",
            "labels": {"fedjobs.dev/attempt": str(attempt)},
        },
        "status": {"phase": phase},
    }
