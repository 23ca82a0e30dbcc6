"""The session's side of loaders. Each dataset is read once by a separate process, and kept in shared memory."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from fedjobs_common import processes
from fedjobs_common.errors import code_of

from fedjobs_worker.channels.channel import Channel, ChannelClosedError, pair
from fedjobs_worker.channels.messages import Failed
from fedjobs_worker.data.data_errors import DataError, LoaderDiedError
from fedjobs_worker.data.loader_messages import LOADER_REPLIES
from fedjobs_worker.data.schemas import Component
from fedjobs_worker.silo_files import DatasetFile

_Noted = Callable[[subprocess.Popen[bytes]], contextlib.AbstractContextManager[None]]


@dataclass(frozen=True)
class LoadedDataset:
    """A dataset in shared memory.

    Attributes:
        schema: The components, in the order of the arrays.
        clients: The number of clients.
        memory: The descriptor of the framed arrays and offsets, which is sealed.
    """

    schema: tuple[Component, ...]
    clients: int
    memory: int


class Datasets:
    """The silo's datasets, which are loaded in the background as soon as they are needed.

    Args:
        silo: The silo's name.
        files: The descriptions of the datasets, by name.
        registry: The folder in which live processes are registered.
    """

    def __init__(self, silo: str, files: Mapping[str, DatasetFile], registry: Path | None) -> None:
        self._silo = silo
        self._files = files
        self._registry = registry
        self._loading: dict[str, Future[LoadedDataset]] = {}
        self._loaders: set[subprocess.Popen[bytes]] = set()

    def prefetch(self, name: str) -> None:
        """Starts loading a dataset of the silo."""
        if name not in self._loading:
            future: Future[LoadedDataset] = Future()
            self._loading[name] = future
            # Not an executor, which would wait for a hanging loader at exit.
            threading.Thread(target=self._fulfil, args=(future, name), name=f"loads-{name}", daemon=True).start()

    def get(self, name: str) -> LoadedDataset:
        """Waits for a dataset and returns it. After a failure, the next call retries, because the data may be fixed.

        Raises:
            FedjobsError: DATA_NOT_FOUND, DATA_MALFORMED, SCHEMA_MISMATCH, or RUNNER_FAILED if the loader died.
        """
        self.prefetch(name)
        try:
            return self._loading[name].result()
        except Exception:
            del self._loading[name]
            raise

    def close(self) -> None:
        """Stops the loaders that are still running."""
        for process in list(self._loaders):
            process.kill()
            process.wait()
            self._forget(process)

    def _fulfil(self, future: Future[LoadedDataset], name: str) -> None:
        try:
            future.set_result(_load(self._silo, self._files[name], self._noted))
        except BaseException as error:
            future.set_exception(error)

    @contextlib.contextmanager
    def _noted(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        """Registers a loader, so that it is found when the run is stopped while the loader still imports modules."""
        self._loaders.add(process)
        if self._registry is not None:
            processes.register(self._registry, "loader", self._silo, process.pid)
        try:
            yield
        finally:
            self._loaders.discard(process)
            self._forget(process)

    def _forget(self, process: subprocess.Popen[bytes]) -> None:
        for note in self._registry.glob(f"loader.*.{process.pid}.json") if self._registry is not None else ():
            note.unlink(missing_ok=True)


def _load(silo: str, description: DatasetFile, noted: _Noted) -> LoadedDataset:
    ours, theirs = pair()
    with ours, theirs:
        command = [sys.executable, "-m", "fedjobs_worker.data.loader"]
        command += ["--channel", str(theirs.fileno()), "--silo", silo]
        # The kernel kills the loader when the thread that started it ends. This thread waits for it.
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        theirs.close()
        channel = Channel(ours)
        with noted(process):
            try:
                channel.send(description.model_dump_json(by_alias=True, exclude_defaults=True).encode())
                answer, descriptors = channel.receive()
            except ChannelClosedError as error:
                status = process.wait()
                raise LoaderDiedError(silo, status) from error
            process.wait()
    reply = LOADER_REPLIES.validate_json(answer)
    if isinstance(reply, Failed):
        for descriptor in descriptors:
            os.close(descriptor)
        raise DataError(code_of(reply.code), reply.message)
    schema = tuple(Component(part.name, part.dtype, part.shape) for part in reply.schema_)
    return LoadedDataset(schema, reply.clients, descriptors[0])
