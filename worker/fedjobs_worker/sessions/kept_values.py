"""Keeps values of clients between the stages of an invocation. They never leave the silo.

The store belongs to the session of one job, so another job cannot read it. It has the values of one invocation: those
of the one before are dropped when the next one begins. The values are in sealed memory, and outlive a runner. They do
not outlive the session's process: the coordinator then runs the whole invocation again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from fedjobs_common import digests
from fedjobs_common.ids import Digest
from fedjobs_protocol.v1 import session_pb2 as pb
from fedjobs_protocol.v1 import shard_pb2

from fedjobs_worker.channels import shared_memory
from fedjobs_worker.channels.failure_classes import FailureClass
from fedjobs_worker.release.failures import Failure, WorkFailedError

MOST_BYTES = 1 << 30
"""The most bytes that a silo keeps for a job."""
_LONGEST_INVOCATION = 128


@dataclass(frozen=True)
class KeptStage:
    """What one stage has kept.

    Attributes:
        shard: The digest of the shard that computed it.
        types: The shard's declared types of the values.
        clients: The identity of the clients, see `local_clients.LocalClients`.
        datasets: The silo's datasets from which it was computed, sorted.
        memory: The framed values of all clients, see `messages.KeptClients`. The store owns it.
    """

    shard: Digest
    types: tuple[shard_pb2.Leaf, ...]
    clients: Digest
    datasets: tuple[str, ...]
    memory: int

    @property
    def size(self) -> int:
        """The size in bytes."""
        return os.fstat(self.memory).st_size


class KeptValues:
    """What the stages of the current invocation have kept.

    Args:
        most: The most bytes.
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._invocation = ""
        self._stages: dict[int, KeptStage] = {}

    def begin(self, invocation: str) -> None:
        """Drops what other invocations have kept."""
        if invocation != self._invocation:
            self.close()
            self._invocation = invocation

    def sources(self, work: pb.Work, shard: shard_pb2.Shard) -> list[KeptStage]:
        """Returns for each kept input of the shard the stage that has kept it.

        Raises:
            WorkFailedError: The work names other stages than the shard needs, or the silo no longer has the values.
        """
        if len(work.kept_stages) != len(shard.kept_inputs):
            raise _invalid("it names another number of kept values than its shard reads")
        keeps = shard.kept_inputs or shard.kept_outputs
        if keeps and not 0 < len(work.invocation) <= _LONGEST_INVOCATION:
            raise _invalid(f"its invocation has {len(work.invocation)} characters")
        return [
            self._source(work, stage, kept) for stage, kept in zip(work.kept_stages, shard.kept_inputs, strict=True)
        ]

    def put(self, stage: int, kept: KeptStage) -> None:
        """Adds what a stage has kept. Takes over the memory, and seals it.

        Raises:
            WorkFailedError: It is too large, or the runner still writes to it.
        """
        try:
            shared_memory.seal(kept.memory)
        except OSError as error:
            os.close(kept.memory)
            raise WorkFailedError(Failure(FailureClass.RESULT_MISMATCH, ran=True), str(error)) from error
        before = self._stages.pop(stage, None)
        if before is not None:
            os.close(before.memory)
        size = kept.size + sum(other.size for other in self._stages.values())
        if size > self._most:
            os.close(kept.memory)
            raise WorkFailedError(
                Failure(FailureClass.KEPT_TOO_LARGE, ran=True),
                f"the stages of the computation keep {size} bytes, and at most {self._most} are kept",
            )
        self._stages[stage] = kept

    def close(self) -> None:
        """Drops everything."""
        for kept in self._stages.values():
            os.close(kept.memory)
        self._stages.clear()

    def _source(self, work: pb.Work, stage: int, wanted: shard_pb2.KeptInput) -> KeptStage:
        if stage >= work.stage:
            raise _invalid(f"stage {work.stage} reads what stage {stage} keeps, which is not before it")
        kept = self._stages.get(stage) if work.invocation == self._invocation else None
        if kept is None:
            raise WorkFailedError(Failure(FailureClass.KEPT_MISSING), f"nothing is kept of stage {stage}")
        if digests.raw(kept.shard) != wanted.shard:
            raise _invalid(f"the shard that ran as stage {stage} is not the one whose values it reads")
        if wanted.output >= len(kept.types) or kept.types[wanted.output] != wanted.type:
            raise _invalid(f"stage {stage} keeps no value {wanted.output} of the declared type")
        return kept


def check_clients(kept: Sequence[KeptStage], clients: Digest) -> None:
    """Checks that kept values are of the same clients as the work.

    Raises:
        WorkFailedError: They are of other clients.
    """
    if any(each.clients != clients for each in kept):
        raise _invalid("it runs over other clients than the stage whose values it reads")


def _invalid(detail: str) -> WorkFailedError:
    return WorkFailedError(Failure(FailureClass.WORK_INVALID), detail)
