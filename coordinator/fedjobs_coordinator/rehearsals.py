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
from fedjobs_common.errors import FedjobsError
from fedjobs_common.file_pool import FilePool
from fedjobs_common.ids import Digest, JobUid, SiloName
from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_protocol.transfers.values import Array, frame
from fedjobs_protocol.v1 import shard_pb2

from fedjobs_coordinator.aggregation.blob_store import BlobStore
from fedjobs_coordinator.aggregation.outcomes import Report
from fedjobs_coordinator.sessions.assignments import Assignment
from fedjobs_coordinator.sessions.consents import Offered
from fedjobs_coordinator.sessions.work_identities import WorkIdentities

_ROUNDS = 2  # the second has all that the later ones have


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


class _MadeUpSilos:
    """A `fedjobs_coordinator.invocations.silos.Silos`: one silo, which consents to all and reports numbers at once."""

    def __init__(self, job: ResolvedJob, folder: Path) -> None:
        self.job = job
        self.generation = 1
        self.progress = _NoProgress()
        self.store = BlobStore(folder / "values", FilePool(folder / "spares", most=0))
        self.identities = WorkIdentities(JobUid(job.uid))
        self.shards: dict[Digest, RehearsedShard] = {}
        self._reports = folder / "reports"
        self._reports.mkdir()

    def cohort(self, shard: Digest, offered: Callable[[], Offered]) -> list[SiloName]:
        if shard not in self.shards:
            self.shards[shard] = _rehearsed(shard, offered())
        return [SiloName(self.job.silos[0])]

    def check_disk(self, accumulator_bytes: int, silos: int) -> None:
        """One silo's accumulators at a time are on it."""

    def assign(self, assignments: Sequence[Assignment]) -> None:
        for assignment in assignments:
            path = self._reports / assignment.work_id
            path.write_bytes(frame(_made_up(assignment.accumulators)).tobytes())
            report = Report(assignment.silo, clients=1, device="", seconds=0, digest="", path=path)
            assignment.outcomes.put(assignment.silo, report)

    def wait_for_reports(self, assignments: Sequence[Assignment]) -> None:
        """They are all there."""

    def withdraw(self, assignments: Sequence[Assignment]) -> None:
        """Nobody has them."""

    def mark_refused(self, shard: Digest, silo: SiloName) -> None:
        """It refuses nothing."""

    def mark_durable(self) -> None:
        self.identities.mark_durable()

    def exclude(self, silo: SiloName, reason: str, message: str) -> None:
        """There are no others."""

    def why_missing(self, there: Sequence[SiloName]) -> str:
        return f"a rehearsal has {', '.join(there)} alone"


class _NoProgress:
    """Nobody watches a rehearsal."""

    def computation(self, shards: Sequence[Digest]) -> None: ...

    def rounds(self, done: int, total: int) -> None: ...

    def round_finished(self, number: int, metrics: dict[str, float], silos: list[SiloName]) -> None: ...


def rehearse(job: ResolvedJob) -> tuple[list[RehearsedShard], FedjobsError | None]:
    """The shards, in the order in which the job would ask for them; and where it could not go on without silos, why.

    Raises:
        FedjobsError: The job's program cannot be run at all.
    """
    from fedjobs_coordinator.program_runs import ProgramRun

    with tempfile.TemporaryDirectory(prefix="fedjobs-explain-") as folder:
        directory, result = Path(folder) / "coordinator", Path(folder) / "result"
        directory.mkdir()
        silos = _MadeUpSilos(_shortened(job), directory)
        failure: FedjobsError | None = None
        try:
            run = ProgramRun(silos, directory, result)
            asyncio.run(run.run_program(run.load_program()))
        except FedjobsError as error:
            failure = error
        finally:
            _forget_the_context()
        if failure is not None and not silos.shards:
            raise failure
        return list(silos.shards.values()), failure


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
