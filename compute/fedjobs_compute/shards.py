"""Runs a shard over the local clients of a silo, with plain TensorFlow and without TFF."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import tensorflow as tf
from fedjobs_common.digests import digest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_protocol.versions import require_shard_format
from google.protobuf.message import DecodeError

from fedjobs_compute.graphs import Leaf, LoadedProgram

Keep = Callable[[Sequence[Leaf]], object]
"""Gets the kept outputs of one client."""


def parse(serialized: bytes) -> shard_pb2.Shard:
    """Parses a serialized shard.

    Raises:
        FedjobsError: SHARD_FAILED for bytes that are not a shard, VERSION_MISMATCH for an unsupported format.
    """
    try:
        message = shard_pb2.Shard.FromString(serialized)
    except DecodeError as error:
        raise FedjobsError(ErrorCode.SHARD_FAILED, "the bytes received are not a shard.") from error
    require_shard_format(message.format)
    return message


class LoadedShard:
    """A shard that is ready to run, any number of times.

    Raises:
        FedjobsError: See `parse`. SHARD_FAILED if TensorFlow cannot load a graph.
    """

    def __init__(self, serialized: bytes) -> None:
        self.message = parse(serialized)
        scope = digest(serialized)
        self._zero = LoadedProgram(self.message.zero, f"{scope}/zero")
        self._work = LoadedProgram(self.message.work, f"{scope}/work")
        self._aggregands = len(self.message.work.outputs) - len(self.message.kept_outputs)
        self._accumulate = LoadedProgram(self.message.accumulate, f"{scope}/accumulate")

    def run(
        self, broadcasts: Sequence[Leaf], clients: Iterable[Sequence[Leaf]], keep: Keep | None = None
    ) -> list[tf.Tensor]:
        """Runs the shard over the clients, in their order.

        Args:
            broadcasts: One tensor or dataset for each of the shard's broadcasts.
            clients: For each client, one tensor or dataset for each of the shard's client inputs, and then for each of
                its kept inputs.
            keep: Called after each client with its kept outputs. It must read datasets at once: they can depend on
                variables that the next client changes.

        Returns:
            One tensor for each of the shard's accumulators.

        Raises:
            FedjobsError: SHARD_FAILED if an operation fails.
        """
        try:
            accumulators = self._zero(broadcasts)
            for client in clients:
                outputs = self._work([*broadcasts, *client])
                aggregands, kept = outputs[: self._aggregands], outputs[self._aggregands :]
                if keep is not None:
                    keep(kept)
                accumulators = self._accumulate([*broadcasts, *accumulators, *aggregands])
        except tf.errors.OpError as error:
            where = getattr(error, "op_name", None) or "an operation"  # errors of eager calls have no name
            raise FedjobsError(ErrorCode.SHARD_FAILED, f"the shard failed in {where}: {error.message}") from error
        return accumulators
