"""A measured part: transfers the same bytes between the same number of processes over gRPC with mutual TLS.

There is one server process, and one process per silo. In a round, the payload is streamed to all silos at the same
time, and then each silo streams as many bytes back. There are no hashes, no disk, no TensorFlow and no merge. No Python
program on gRPC can be faster, so this is the limit for a round. The gRPC options are repeated here, so that a change of
the protocol does not change the limit.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
from fedjobs_protocol.identities.identities import Identity, RunAuthority, server_name

from bench.parts import serve

CHUNK = 1 << 20
OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 1 << 20),
    ("grpc.max_receive_message_length", 16 << 20),
    ("grpc.max_send_message_length", 16 << 20),
    ("grpc.so_reuseport", 0),
)


def chunks(size: int, chunk: bytes) -> Iterator[bytes]:
    """Yields the same chunk repeatedly, `size` bytes in total."""
    for _ in range(size // len(chunk)):
        yield chunk
    if size % len(chunk):
        yield chunk[: size % len(chunk)]


class Server:
    """Streams down when a round starts, and counts the received bytes. It runs on one event loop."""

    def __init__(self, silos: int, size: int, identity: Identity) -> None:
        self._silos, self._size, self._identity = silos, size, identity
        self._chunk = bytes(CHUNK)
        self._go: list[asyncio.Event] = []
        self._all_wait = asyncio.Event()
        self._all_done = asyncio.Event()
        self._arrived = 0

    async def start(self) -> int:
        """Listens on the loopback interface, and returns the port."""
        self._server = grpc.aio.server(options=OPTIONS)
        handlers = {
            "Down": grpc.unary_stream_rpc_method_handler(self._down),
            "Up": grpc.stream_unary_rpc_method_handler(self._up),
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("limit", handlers),))
        pair = (self._identity.key, self._identity.certificate)
        credentials = grpc.ssl_server_credentials([pair], self._identity.trust, require_client_auth=True)
        port = int(self._server.add_secure_port("127.0.0.1:0", credentials))
        await self._server.start()
        return port

    async def round(self) -> float:
        """Returns the seconds from the first byte down to the last byte up. All silos wait in a call when it starts."""
        await self._all_wait.wait()
        self._all_wait.clear()
        self._all_done.clear()
        self._arrived = 0
        waiting, self._go = self._go, []
        start = time.perf_counter()
        for go in waiting:
            go.set()
        await self._all_done.wait()
        return time.perf_counter() - start

    async def _down(self, _: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        go = asyncio.Event()
        self._go.append(go)
        if len(self._go) == self._silos:
            self._all_wait.set()
        await go.wait()
        for chunk in chunks(self._size, self._chunk):
            await context.write(chunk)

    async def _up(self, stream: AsyncIterator[bytes], _: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        size = 0
        async for chunk in stream:
            size += len(chunk)
        if size != self._size:
            raise ValueError(f"received {size} bytes, expected {self._size}")
        self._arrived += 1
        if self._arrived == self._silos:
            self._all_done.set()
        return b""


class Limit:
    """The server in a thread's event loop, and the silos' processes."""

    def __init__(self, silos: int, size: int, folder: Path) -> None:
        authority, uid = RunAuthority.create(), str(uuid.uuid4())
        name = server_name(uid)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._server = Server(silos, size, authority.issue_coordinator(uid, name))
        port = asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result()
        self._peers = []
        for index in range(silos):
            authority.issue_silo(uid, f"silo-{index}").save(folder / str(index))
            peer = ["--port", str(port), "--name", name, "--tls", str(folder / str(index)), "--payload", str(size)]
            self._peers.append(
                subprocess.Popen([sys.executable, "-m", "bench.limit_peer", *peer], stdin=subprocess.PIPE)
            )

    def round(self) -> float:
        return asyncio.run_coroutine_threadsafe(self._server.round(), self._loop).result()

    def memory(self) -> dict[str, float]:
        return {}

    def stop(self) -> None:
        for peer in self._peers:
            peer.kill()
            peer.wait()


@contextmanager
def running(silos: int, size: int) -> Iterator[Limit]:
    with tempfile.TemporaryDirectory() as folder:
        limit = Limit(silos, size, Path(folder))
        try:
            yield limit
        finally:
            limit.stop()


if __name__ == "__main__":
    serve(running)
