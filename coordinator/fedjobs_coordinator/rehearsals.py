"""A job's program without silos: which shards it would ask them to run.

The program runs as it always does, but nobody is asked anything: accumulators are made up. What a program does
next may depend on its results, so this shows what it asks for first, and for a program of the library all that it ever
asks for.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fedjobs_protocol.errors import FedjobsError
from fedjobs_protocol.identities import RunAuthority, server_name
from fedjobs_protocol.ids import Digest, SiloName
from fedjobs_protocol.jobs import ResolvedJob
from fedjobs_protocol.v1 import shard_pb2
from fedjobs_protocol.values import Array, frame

from fedjobs_coordinator.assignments import Assignment
from fedjobs_coordinator.consents import Offered
from fedjobs_coordinator.coordinator import Coordinator
from fedjobs_coordinator.reports import Report

_ROUNDS = 2  # the second has all that the later ones have
_LISTEN = "127.0.0.1:0"


@dataclass(frozen=True)
class RehearsedShard:
    """What silos would be asked to run.

    Attributes:
        digest: Of the serialized shard.
        serialized: The shard.
        label: The computation's name.
        datasets: Which of the silos' data it reads.
    """

    digest: Digest
    serialized: bytes
    label: str
    datasets: tuple[str, ...]


class _WithoutSilos(Coordinator):
    def __init__(self, job: ResolvedJob, folder: Path) -> None:
        identity = RunAuthority.create().issue_coordinator(job.uid, server_name(job.uid))
        super().__init__(job, lambda: identity, folder, _LISTEN, resumable=False)
        self.shards: dict[Digest, RehearsedShard] = {}
        self._made_up = folder / "made-up"
        self._made_up.mkdir()

    def cohort(self, shard: Digest, offered: Callable[[], Offered]) -> list[SiloName]:
        if shard not in self.shards:
            self.shards[shard] = _rehearsed(shard, offered())
        return [SiloName(self.job.silos[0])]

    def assign(self, assignments: Sequence[Assignment]) -> None:
        for assignment in assignments:
            path = self._made_up / assignment.work_id
            path.write_bytes(frame(_made_up(assignment.accumulators)).tobytes())
            report = Report(assignment.silo, clients=1, device="", seconds=0, digest="", path=path)
            assignment.collection.put(assignment.silo, report)

    def collected(self, assignments: Sequence[Assignment]) -> None:
        """They are all there."""

    def withdraw(self, assignments: Sequence[Assignment]) -> None:
        """Nobody has them."""


def rehearse(job: ResolvedJob) -> tuple[list[RehearsedShard], FedjobsError | None]:
    """The shards, in the order in which the job would ask for them; and where it could not go on without silos, why.

    Raises:
        FedjobsError: The job's program cannot be run at all.
    """
    from fedjobs_coordinator.program_runs import ProgramRun

    with tempfile.TemporaryDirectory(prefix="fedjobs-explain-") as folder:
        directory, result = Path(folder) / "coordinator", Path(folder) / "result"
        directory.mkdir()
        coordinator = _WithoutSilos(_shortened(job), directory)
        failure: FedjobsError | None = None
        try:
            asyncio.run(ProgramRun(coordinator, directory, result).run_program())
        except FedjobsError as error:
            failure = error
        finally:
            coordinator.close("Complete")
            _forget_the_context()
        if failure is not None and not coordinator.shards:
            raise failure
        return list(coordinator.shards.values()), failure


def _forget_the_context() -> None:
    """Takes back that computations run here: the interpreter's own end would not be a quiet one."""
    if "tensorflow_federated" not in sys.modules:
        return
    from tensorflow_federated.python.core.impl.context_stack.set_default_context import set_no_default_context

    set_no_default_context()


def _made_up(types: Sequence[shard_pb2.Leaf]) -> list[Array]:
    """Values of these types, each its own number all over: programs compare counts. Sizes that are not known are 1."""
    return [_filled(leaf.tensor, number) for number, leaf in enumerate(types, 1)]


def _filled(type_: shard_pb2.Tensor, number: int) -> Array:
    shape = [abs(size) for size in type_.shape]
    return np.full(shape, b"", object) if type_.dtype == "string" else np.full(shape, number, np.dtype(type_.dtype))


def _shortened(job: ResolvedJob) -> ResolvedJob:
    parameters = dict(job.program.parameters)
    if job.program.name and isinstance(parameters.get("rounds"), int):
        parameters["rounds"] = min(parameters["rounds"], _ROUNDS)
    return job.model_copy(update={"program": job.program.model_copy(update={"parameters": parameters})})


def _rehearsed(shard: Digest, offered: Offered) -> RehearsedShard:
    message = offered.message
    serialized = message.shard.inline if offered.blob is None else os.pread(offered.blob.fd, offered.blob.size, 0)
    return RehearsedShard(shard, serialized, message.label, tuple(message.datasets))
