"""The session's client for a runner."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import TypeVar

import tenacity
from fedjobs_common.errors import ErrorCode, FedjobsError, code_of
from fedjobs_common.ids import Digest
from pydantic import ValidationError

from fedjobs_worker.channels import messages, shared_memory
from fedjobs_worker.channels.channel import Channel, ChannelClosedError, connected
from fedjobs_worker.channels.failure_classes import FailureClass, failure_class

_MOST_SHARDS = 16  # in one runner; a program has only a few
_HOST_RESTART_S = 120.0  # time for a host that crashed to be restarted


Expected = TypeVar("Expected", messages.Ready, messages.ShardLoaded, messages.DataLoaded, messages.Ran)


class ShardFailedError(FedjobsError):
    """A run failed. The texts come from the runner, and may contain data.

    Attributes:
        kind: The class of the failure.
        node: The name of the node that failed, as the runner reports it.
    """

    def __init__(self, code: ErrorCode, message: str, kind: FailureClass, node: str) -> None:
        super().__init__(code, message)
        self.kind = kind
        self.node = node


class RunnerLostError(Exception):
    """The runner died or was shut down, with everything that was loaded into it. A new runner can be started."""


class RunnerClient:
    """A client for one runner. It connects when needed, and connects again after the runner was lost.

    Args:
        path: The path of the runner host's socket.
        silo: The silo's name, under which the runner registers as a live process.
        threads: The number of threads of TensorFlow's kernels, or None for the host's default.
        job: The name of the job, for the runner's log.
    """

    def __init__(self, path: str, silo: str, threads: int | None = None, job: str = "") -> None:
        self._path = path
        self._hello = messages.Hello(silo=silo, job=job, threads=threads)
        self._channel: Channel | None = None
        self._shards: set[Digest] = set()
        self._datasets: set[str] = set()

    def connect(self) -> None:
        """Connects if necessary, and waits until TensorFlow is initialized.

        Raises:
            FedjobsError: RUNNER_FAILED if no host listens within 120 s.
            RunnerLostError: The runner died during initialization.
        """
        if self._channel is not None:
            return
        waiting = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(OSError),
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=2),
            stop=tenacity.stop_after_delay(_HOST_RESTART_S),
            reraise=True,
        )
        try:
            self._channel = Channel(waiting(connected, self._path))
        except OSError as error:
            raise FedjobsError(
                ErrorCode.RUNNER_FAILED,
                f"No runner host listens at {self._path}: {error.strerror}.",
                "Start one with: python -m fedjobs_worker.runner",
            ) from error
        self._shards.clear()
        self._datasets.clear()
        self._ask(self._hello, messages.Ready)

    def load_shard(self, digest: Digest, serialized: bytes) -> None:
        """Loads a verified shard into the runner once. Does not run it.

        Args:
            digest: The digest under which it is run.
            serialized: The shard that the verifier rebuilt.

        Raises:
            RunnerLostError: The runner died.
        """
        if digest not in self._shards and len(self._shards) >= _MOST_SHARDS:
            self.close()  # TensorFlow never frees the variables of a graph, so start a new runner
        self.connect()
        if digest not in self._shards:
            memory = shared_memory.create("shard")
            try:
                shared_memory.write(memory, [serialized])
                self._ask(messages.LoadShard(digest=digest), messages.ShardLoaded, [memory])
            finally:
                os.close(memory)
            self._shards.add(digest)

    def load_data(self, dataset: str, memory: int) -> None:
        """Loads a dataset into the runner once.

        Args:
            dataset: The dataset's name.
            memory: The descriptor of the framed arrays and offsets. The caller keeps ownership.

        Raises:
            RunnerLostError: The runner died.
        """
        self.connect()
        if dataset not in self._datasets:
            self._ask(messages.LoadData(dataset=dataset), messages.DataLoaded, [memory])
            self._datasets.add(dataset)

    def run(self, request: messages.Run, descriptors: Sequence[int]) -> messages.Ran:
        """Runs a loaded shard.

        Raises:
            ShardFailedError: The run failed.
            RunnerLostError: The runner died.
        """
        self.connect()
        return self._ask(request, messages.Ran, descriptors)

    def shut_down(self) -> None:
        """Stops the runner, even during a run. Can be called from another thread."""
        channel = self._channel
        if channel is not None:
            channel.shut_down()

    def close(self) -> None:
        """Stops the runner and closes the connection."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.shut_down()
            channel.close()

    def _ask(self, request: messages.Request, expected: type[Expected], descriptors: Sequence[int] = ()) -> Expected:
        assert self._channel is not None  # noqa: S101 (connected by all callers)
        try:
            self._channel.send(request.model_dump_json().encode(), descriptors)
            answer, unwanted = self._channel.receive()
        except ChannelClosedError as error:
            self.close()
            raise RunnerLostError(str(error)) from error
        for descriptor in unwanted:
            with contextlib.suppress(OSError):
                os.close(descriptor)
        try:
            reply = messages.REPLIES.validate_json(answer)
        except ValidationError as error:
            self.close()
            raise RunnerLostError("the runner sent an invalid reply") from error
        if isinstance(reply, messages.Failed):
            raise ShardFailedError(code_of(reply.code), reply.message, failure_class(reply.failure), reply.node)
        if not isinstance(reply, expected):
            self.close()
            raise RunnerLostError(f"the runner replied {reply.reply}, but {expected.__name__} was expected")
        return reply
