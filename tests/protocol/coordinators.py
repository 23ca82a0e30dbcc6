"""Runs a session server in a separate thread, and a proxy between it and its silos."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol, TypeVar

import grpc
from fedjobs_protocol.identities.channels import open_channel
from fedjobs_protocol.identities.identities import Identity, RunAuthority, server_name
from fedjobs_protocol.sessions.session_client import SessionClient
from fedjobs_protocol.sessions.session_server import SessionHandler, SessionServer
from fedjobs_protocol.v1 import session_pb2 as pb

JOB = "0f8e7d6c-5b4a-4938-a716-253443526170"
SILO = "hospital-a"
Result = TypeVar("Result")


class Backend(Protocol):
    """The interface of coordinators under test, besides the calls of silos. It is called in the event loop."""

    @property
    def handler(self) -> SessionHandler: ...

    def offer(self, silo: str, work: pb.Work, accumulator_bytes: int = 0) -> None:
        """Queues a work item. Its upload has this many bytes."""

    def propose(self, silo: str, shard: pb.OfferedShard) -> None:
        """Offers a shard to the silo."""

    def publish(self, silo: str, data: bytes) -> bytes:
        """Lets the silo fetch a blob, and returns its digest."""

    def received(self, silo: str, work_id: str) -> bytes | None:
        """Returns the upload for the work, once it is complete."""

    def reports(self) -> list[pb.Report]:
        """Returns the accepted reports."""

    def transferred_bytes(self, silo: str) -> tuple[int, int]:
        """Returns the counted bytes, down and up."""


BackendFactory = Callable[[Path], Backend]
"""Creates the backend in a folder, also after a restart in the same folder. Idle polls end in less than a second."""


class Coordinator:
    """A coordinator that can be killed and restarted on the same port and folder.

    Args:
        directory: The folder of the coordinator.
        make_backend: Creates the backend that handles the calls.
        name: The server name in its certificate.
    """

    def __init__(self, directory: Path, make_backend: BackendFactory, name: str = server_name(JOB)) -> None:
        self.directory = directory
        self.name = name
        self.authority = RunAuthority.create()
        self._make_backend = make_backend
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._resources = contextlib.ExitStack()
        self.port = 0

    def __enter__(self) -> Coordinator:
        self._thread.start()
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()
        self._await(self._server.stop(0))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def restart(self) -> None:
        """Simulates a crash and a new process."""
        self._await(self._server.stop(0))
        self._start()

    def do(self, action: Callable[[Backend], Result]) -> Result:
        """Runs an action on the backend in the event loop."""

        async def run() -> Result:
            return action(self.backend)

        return self._await(run())

    def identity(self, silo: str = SILO, job: str = JOB) -> Identity:
        return self.authority.issue_silo(job, silo)

    def channel(self, silo: str = SILO, address: str | None = None, identity: Identity | None = None) -> grpc.Channel:
        channel = open_channel(address or self.address, self.name, identity or self.identity(silo))
        return self._resources.enter_context(channel)

    def client(self, silo: str = SILO, address: str | None = None, identity: Identity | None = None) -> SessionClient:
        return SessionClient(self.channel(silo, address, identity))

    def link(self) -> Link:
        """Returns a proxy to the coordinator whose connections can be cut."""
        return self._resources.enter_context(Link(self.port))

    def _start(self) -> None:
        self.backend = self._await(self._made())
        identity = self.authority.issue_coordinator(JOB, self.name)
        self._server = SessionServer(self.backend.handler, lambda: identity, f"127.0.0.1:{self.port}")
        self.port = self._await(self._server.start())

    async def _made(self) -> Backend:
        return self._make_backend(self.directory)

    def _await(self, awaitable: Awaitable[Result]) -> Result:
        async def run() -> Result:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(30)


class Link:
    """Forwards TCP connections, and cuts one of them during a transfer."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._cut_after: int | None = None
        self.cuts = 0

    def __enter__(self) -> Link:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()

    def cut_after(self, size: int) -> None:
        """Cuts a connection once, after this many more bytes in either direction."""
        self._cut_after = size

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
            except OSError:
                return
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._forward, args=(source, target), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        for data in _received(source):
            if self._cut_after is not None:
                self._cut_after -= len(data)
                if self._cut_after <= 0:
                    self._cut_after = None
                    self.cuts += 1
                    break
            try:
                target.sendall(data)
            except OSError:
                break
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def _received(source: socket.socket) -> Iterator[bytes]:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            yield data
