"""The implementation of a runner: it receives shards and data over a channel, and returns accumulators.

A runner has no keys and no network access.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import structlog
import tensorflow as tf
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_compute import shards
from fedjobs_compute.graphs import disable_graph_rewriting
from fedjobs_compute.tensors import to_array
from fedjobs_protocol.transfers.values import Array, Leaf, frame
from fedjobs_protocol.v1 import shard_pb2

from fedjobs_worker.channels import messages, shared_memory
from fedjobs_worker.channels.channel import Channel, ChannelClosedError
from fedjobs_worker.channels.failure_classes import FailureClass, of_tensorflow
from fedjobs_worker.runner import tensors
from fedjobs_worker.runner.tensors import MappedValues

_LONGEST_TEXT = 4000  # maximum number of characters of a failure's message
_PLACE = re.compile(r"\n\t \[\[([^\[\]\n]{1,1000})\]\]")  # TensorFlow appends the node that failed to its message
_NODE = re.compile(r"\{\{node ([^}]+)\}\}")
_LOG = structlog.get_logger()

ClientInput = tuple[int, Callable[[int], Any]]
"""The number of clients, and a function that returns the tensor or dataset of a client by its number."""


def start_tensorflow(threads: int | None) -> messages.Ready:
    """Initializes TensorFlow in this process. If `threads` is None, it uses one thread for each core."""
    if threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    disable_graph_rewriting()
    tf.constant(0)  # the first operation creates the thread pools
    return messages.Ready()


def serve(channel: Channel, threads: int | None, greeted: Callable[[str, str], None]) -> None:
    """Answers requests until the session closes the connection.

    Args:
        channel: The channel to the session.
        threads: The number of threads of TensorFlow's kernels, unless the session sets one.
        greeted: Called with the names of the silo and the job once they are known.
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
            reply = _reply(error)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        try:
            channel.send(reply.model_dump_json().encode())
        except ChannelClosedError:
            return


class _RunFailedError(FedjobsError):
    """The shard failed, with the class of the failure and the node."""

    def __init__(self, kind: FailureClass, node: str, message: str) -> None:
        super().__init__(kind.code, message, "See the silo's log for the details.")
        self.kind = kind
        self.node = node


def _reply(error: FedjobsError) -> messages.Failed:
    if isinstance(error, _RunFailedError):
        kind, node = error.kind, error.node
    else:
        mismatch = error.code is ErrorCode.SCHEMA_MISMATCH
        kind, node = FailureClass.INPUT_MISMATCH if mismatch else FailureClass.SHARD_INVALID, ""
    return messages.Failed(code=error.code.label, message=error.public[:_LONGEST_TEXT], failure=kind.label, node=node)


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
        # TensorFlow builds no graph before the shard runs.
        self._serialized[request.digest] = bytes(memoryview(shared_memory.mapped(descriptor)))
        return messages.ShardLoaded()

    def _shard(self, digest: str) -> shards.LoadedShard:
        if digest not in self._shards:
            self._shards[digest] = shards.LoadedShard(self._serialized.pop(digest))
        return self._shards[digest]

    def _run(self, request: messages.Run, descriptors: Sequence[int]) -> messages.Ran:
        shard = self._shard(request.digest)
        keeps = bool(shard.message.kept_outputs)
        result, *kept_memory = descriptors[-1 - keeps :]
        memories = [MappedValues(shared_memory.mapped(descriptor)) for descriptor in descriptors[: -1 - keeps]]
        types = [*shard.message.client_inputs, *(kept.type for kept in shard.message.kept_inputs)]
        inputs = [
            self._input(source, type_, memories) for source, type_ in zip(request.client_inputs, types, strict=True)
        ]
        _check_clients(inputs, request.clients)
        kept: list[Leaf] = []
        try:
            broadcasts = [
                _broadcast(piece, type_, memories[piece.descriptor])
                for piece, type_ in zip(request.broadcasts, shard.message.broadcasts, strict=True)
            ]
            # A generator, so that only one client's datasets exist at a time.
            per_client = ([of_client(number) for _, of_client in inputs] for number in range(request.clients))
            accumulators = shard.run(broadcasts, per_client, lambda outputs: kept.extend(map(to_array, outputs)))
            framed = frame([np.asarray(accumulator) for accumulator in accumulators])
            for memory in kept_memory:
                shared_memory.write(memory, frame(kept).buffers())
        except Exception as error:
            raise _failure(error) from error
        size = shared_memory.write(result, framed.buffers())
        return messages.Ran(size=size, clients=request.clients, device=_device())

    def _input(
        self,
        source: messages.SelectedClients | messages.KeptClients | messages.Piece,
        type_: shard_pb2.Leaf,
        memories: Sequence[MappedValues],
    ) -> ClientInput:
        """Returns the values of a client input, which come from the program, a dataset, or an earlier run."""
        if isinstance(source, messages.SelectedClients):
            return self._selected(source, memories)
        if isinstance(source, messages.KeptClients):
            kept = memories[source.values.descriptor]
            own = kept.leaves(source.values.offset, source.values.size)[source.output :: source.outputs]
            return len(own), lambda number: tensors.of_leaf(own[number], type_, kept.tensor)
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


def _check_clients(inputs: Sequence[ClientInput], clients: int) -> None:
    counts = {count for count, _ in inputs} | {clients}
    if len(counts) > 1:
        raise FedjobsError(
            ErrorCode.SCHEMA_MISMATCH,
            f"the inputs of the computation have different numbers of local clients: {sorted(counts)}.",
            "Give each input values for the same clients.",
        )


def _failure(error: Exception) -> FedjobsError:
    """Returns the error for the session, with only the kind and the location of the failure.

    TensorFlow's message can contain samples, so it is only written to the silo's log.
    """
    _LOG.error("the shard failed", error=str(error), exc_info=error)
    cause: BaseException = error
    while not isinstance(cause, tf.errors.OpError) and (deeper := cause.__cause__ or cause.__context__):
        cause = deeper
    if isinstance(error, FedjobsError) and not isinstance(cause, tf.errors.OpError):
        return error
    node = _node(str(cause))
    where = f" in node '{node}'" if node else ""
    name = type(cause).__name__
    return _RunFailedError(of_tensorflow(name), node, f"The shard failed with {name}{where}.")


def _node(message: str) -> str:
    """Returns the name of the node that failed, or an empty text. A graph can forge it, so the session checks it."""
    places = _PLACE.findall(message)
    if not places:
        return ""
    # The first place is the innermost one: `n4`, `{{node n4}}` or `{{function_node f}}{{node n4}}`, where `n4` can be a
    # path of nodes whose functions were inlined.
    named = _NODE.findall(places[0])
    return str(named[-1] if named else places[0]).rpartition("/")[2]


def _device() -> str:
    return "gpu:0" if tf.config.list_physical_devices("GPU") else "cpu"
