"""The work of a runner: shards and data come in over a channel, accumulators go out. It has no keys and no network."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import structlog
import tensorflow as tf
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_compute import shards
from fedjobs_compute.graphs import disable_graph_rewriting
from fedjobs_protocol.transfers.values import Array, frame
from fedjobs_protocol.v1 import shard_pb2

from fedjobs_worker.channels import messages, shared_memory
from fedjobs_worker.channels.channel import Channel, ChannelClosedError
from fedjobs_worker.runner import tensors
from fedjobs_worker.runner.tensors import MappedValues

_LONGEST_TEXT = 4000  # characters of a failure's message
_NODE = re.compile(r"\{\{node ([^}]+)\}\}")
_LOG = structlog.get_logger()

ClientInput = tuple[int, Callable[[int], Any]]
"""Number of clients; and the tensor or dataset of the client with a number."""


def start_tensorflow(threads: int | None) -> messages.Ready:
    """Initializes TensorFlow in this process; None: one thread for each core."""
    if threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    disable_graph_rewriting()
    tf.constant(0)  # the first operation makes the thread pools
    return messages.Ready()


def serve(channel: Channel, threads: int | None, greeted: Callable[[str, str], None]) -> None:
    """Answers requests until the session closes the connection.

    Args:
        channel: To the session.
        threads: Of TensorFlow's kernels, unless the session names a number.
        greeted: Called with the silo's and the job's name once they are known.
    """
    runner = _Runner(threads, greeted)
    while True:
        try:
            message, descriptors = channel.receive()
        except ChannelClosedError:
            return
        try:
            reply = runner.answer(messages.REQUESTS.validate_json(message), descriptors)
        except FedjobsError as error:
            reply = messages.Failed(code=error.code.label, message=error.public[:_LONGEST_TEXT])
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        try:
            channel.send(reply.model_dump_json().encode())
        except ChannelClosedError:
            return


class _Runner:
    def __init__(self, threads: int | None, greeted: Callable[[str, str], None]) -> None:
        self._threads = threads
        self._greeted = greeted
        self._serialized: dict[str, bytes] = {}
        self._shards: dict[str, shards.LoadedShard] = {}
        self._data: dict[str, tuple[MappedValues, list[Array], Array]] = {}

    def answer(self, request: messages.Request, descriptors: Sequence[int]) -> messages.Reply:
        if isinstance(request, messages.Hello):
            self._greeted(request.silo, request.job)
            return start_tensorflow(request.threads or self._threads)
        if isinstance(request, messages.LoadShard):
            return self._load_shard(request, descriptors[0])
        if isinstance(request, messages.LoadData):
            values = MappedValues(shared_memory.mapped(descriptors[0]))
            *arrays, offsets = values.leaves()
            self._data[request.dataset] = values, arrays, offsets  # type: ignore[assignment]
            return messages.DataLoaded()
        return self._run(request, descriptors)

    def _load_shard(self, request: messages.LoadShard, descriptor: int) -> messages.ShardLoaded:
        serialized = bytes(memoryview(shared_memory.mapped(descriptor)))
        self._serialized[request.digest] = serialized
        # Listed from the bytes alone: TensorFlow builds nothing of it before the session has judged.
        return messages.ShardLoaded(operations=sorted(shards.operations(shards.parse(serialized))))

    def _shard(self, digest: str) -> shards.LoadedShard:
        if digest not in self._shards:
            self._shards[digest] = shards.LoadedShard(self._serialized.pop(digest))
        return self._shards[digest]

    def _run(self, request: messages.Run, descriptors: Sequence[int]) -> messages.Ran:
        shard = self._shard(request.digest)
        memories = [MappedValues(shared_memory.mapped(descriptor)) for descriptor in descriptors[:-1]]
        inputs = [
            self._input(source, type_, memories)
            for source, type_ in zip(request.client_inputs, shard.message.client_inputs, strict=True)
        ]
        clients = _clients(inputs, request.clients)
        started = time.perf_counter()
        try:
            broadcasts = [
                _broadcast(piece, type_, memories[piece.descriptor])
                for piece, type_ in zip(request.broadcasts, shard.message.broadcasts, strict=True)
            ]
            # One client after the other: never more than one client's datasets exist at a time.
            per_client = ([of_client(number) for _, of_client in inputs] for number in range(clients))
            accumulators = shard.run(broadcasts, per_client)
            seconds = time.perf_counter() - started
            framed = frame([np.asarray(accumulator) for accumulator in accumulators])
        except Exception as error:
            raise _failure(error) from error
        size = shared_memory.write(descriptors[-1], framed.buffers())
        return messages.Ran(size=size, clients=clients, seconds=seconds, device=_device())

    def _input(
        self, source: messages.SelectedClients | messages.Piece, type_: shard_pb2.Leaf, memories: Sequence[MappedValues]
    ) -> ClientInput:
        """The values of one client input: given by the program, or selected from a dataset."""
        if isinstance(source, messages.SelectedClients):
            return self._selected(source, memories)
        memory = memories[source.descriptor]
        leaves = memory.leaves(source.offset, source.size)
        return len(leaves), lambda number: tensors.of_leaf(leaves[number], type_, memory.tensor)

    def _selected(self, source: messages.SelectedClients, memories: Sequence[MappedValues]) -> ClientInput:
        values, arrays, offsets = self._data[source.dataset]
        piece = source.clients
        clients = memories[piece.descriptor].array(piece.offset, piece.size, "<i8")
        wanted = [arrays[position] for position in source.components]

        def of_client(number: int) -> tf.data.Dataset:
            start, end = offsets[clients[number]], offsets[clients[number] + 1]
            return tensors.of_examples([array[start:end] for array in wanted], values.tensor)

        return len(clients), of_client


def _broadcast(piece: messages.Piece, type_: shard_pb2.Leaf, memory: MappedValues) -> Any:
    (leaf,) = memory.leaves(piece.offset, piece.size)
    return tensors.of_leaf(leaf, type_, memory.tensor)


def _clients(inputs: Sequence[ClientInput], without_inputs: int) -> int:
    counts = {count for count, _ in inputs} or {without_inputs}
    if len(counts) > 1:
        raise FedjobsError(
            ErrorCode.DATA_DOES_NOT_FIT,
            f"the inputs of the computation are of different numbers of local clients: {sorted(counts)}.",
            "Give each input values for the same clients.",
        )
    return counts.pop()


def _failure(error: Exception) -> FedjobsError:
    """What may be told to the coordinator: kind and place.

    TensorFlow's own text can hold samples; it goes to the silo's log.
    """
    _LOG.error("the shard failed", error=str(error), exc_info=error)
    cause: BaseException = error
    while not isinstance(cause, tf.errors.OpError) and (deeper := cause.__cause__ or cause.__context__):
        cause = deeper
    if isinstance(error, FedjobsError) and not isinstance(cause, tf.errors.OpError):
        return error
    place = _NODE.search(str(cause))
    where = f" in node '{place[1]}'" if place else ""
    return FedjobsError(
        ErrorCode.SHARD_FAILED,
        f"The shard failed with {type(cause).__name__}{where}.",
        "The silo's own log has the details.",
    )


def _device() -> str:
    return "gpu:0" if tf.config.list_physical_devices("GPU") else "cpu"
