"""An S3 server as a local process, and a proxy that can block its connections."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import boto3

KEY, SECRET = "testing", "testing"
BUCKET = "models"
_PATIENCE_S = 60.0


class ObjectStore:
    """moto's server. It stores everything in memory."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait(self) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            assert self._process.poll() is None, "moto's server ended"
            assert time.monotonic() < deadline, "moto's server does not listen in time"
            time.sleep(0.05)

    def reset(self) -> None:
        """Deletes everything, and creates one empty bucket."""
        self._post("/moto-api/reset")
        self.client("s3").create_bucket(Bucket=BUCKET)

    @contextlib.contextmanager
    def asking_for_credentials(self) -> Iterator[None]:
        """Requires valid credentials within the block."""
        self._post("/moto-api/reset-auth", b"0")
        try:
            yield
        finally:
            self._post("/moto-api/reset-auth", b"inf")

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
        )

    def contents(self, prefix: str = "") -> dict[str, bytes]:
        """Returns all objects by their keys."""
        s3 = self.client("s3")
        listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return {entry["Key"]: s3.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read() for entry in listed}

    def end(self) -> None:
        self._process.kill()
        self._process.wait()

    def _post(self, path: str, body: bytes = b"") -> None:
        plain = {"Content-Type": "text/plain"}  # moto would parse a form
        request = urllib.request.Request(f"{self.url}{path}", body, plain, method="POST")  # noqa: S310
        urllib.request.urlopen(request, timeout=_PATIENCE_S).close()  # noqa: S310


def options_file(folder: Path, url: str, key: str = KEY, secret: str = SECRET) -> Path:
    """Writes the options with which a coordinator reaches the server."""
    path = folder / "options.json"
    path.write_text(json.dumps({"key": key, "secret": secret, "endpoint_url": url}))
    return path


class Gate:
    """Forwards connections until it is shut. Then no more data passes, and the connections stay open."""

    def __init__(self, port: int, shut_after: int | None = None) -> None:
        """Opens the gate.

        Args:
            port: The local port to which it forwards.
            shut_after: The number of bytes towards the port, over all connections, after which it shuts. None: never.
        """
        self._target = ("127.0.0.1", port)
        self._left = shut_after
        self.shut = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Gate:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
            except OSError:
                return
            threading.Thread(target=self._forward, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._forward, args=(far, near, False), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, there: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if there and self._left is not None:
                    self._left -= len(data)
                    if self._left < 0:
                        self.shut.set()
                if self.shut.is_set():
                    threading.Event().wait()  # waits forever: the connection stays open without data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
