"""Rehearses a job's program without silos, to find the shards that it would ask silos to run.

The program runs with fabricated accumulators. What an entry point does next may depend on its results, so a rehearsal
shows only its first shards. For a built-in program, it shows all shards.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
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
from fedjobs_coordinator.aggregation.outcomes import Failure, Report
from fedjobs_coordinator.sessions.assignments import Assignment
from fedjobs_coordinator.sessions.consents import Offered
from fedjobs_coordinator.sessions.work_identities import InvocationId, WorkIdentities

_ROUNDS = 2  # later rounds run the same shards as the second one


@dataclass(frozen=True)
class RehearsedShard:
    """A shard that silos would be asked to run.

    Attributes:
        digest: The digest of the shard.
        serialized: The serialized shard.
        label: The name of the computation.
        datasets: For each client input of the shard, the silos' dataset that it reads. Empty for a value of the
            coordinator.
        clients: The silos' dataset over whose clients it runs. Empty if the coordinator gives their number.
        kept: For each kept input of the shard, the silos' datasets from which earlier shards computed it.
    """

    digest: Digest
    serialized: bytes
    label: str
    datasets: tuple[str, ...]
    clients: str
    kept: tuple[tuple[str, ...], ...]


class _MadeUpSilos:
    """A fake `Silos` whose silos consent to every shard and report fabricated values immediately.

    It has as many silos as the job needs for a round.
    """

    def __init__(self, job: ResolvedJob, folder: Path) -> None:
        self.job = job
        self.generation = 1
        self.progress = _NoProgress()
        self.store = BlobStore(folder / "values", FilePool(folder / "spares", most=0))
        self.identities = WorkIdentities(JobUid(job.uid))
        self.shards: dict[Digest, RehearsedShard] = {}
        self._reports = folder / "reports"
        self._reports.mkdir()

    def cohort(
        self,
        invocation: InvocationId,  # noqa: ARG002 (the interface's)
        shards: Sequence[Digest],
        offers: Callable[[], Sequence[Offered]],
    ) -> list[SiloName]:
        if not self.shards.keys() >= set(shards):
            self.shards |= {o.scope: _rehearsed(o.digest, o) for o in offers() if o.scope not in self.shards}
        return [SiloName(silo) for silo in self.job.silos[: self.job.cohort.min_silos]]

    def cohort_sizes(self) -> Mapping[SiloName, int]:
        return {}

    def check_disk(self, accumulator_bytes: int, silos: int) -> None:
        """Does nothing: only one silo's accumulators are on the disk."""

    def assign(self, assignments: Sequence[Assignment]) -> None:
        for assignment in assignments:
            path = self._reports / assignment.work_id
            path.write_bytes(frame(_made_up(assignment.accumulators)).tobytes())
            report = Report(assignment.silo, clients=1, device="", digest="", path=path)
            assignment.outcomes.put(assignment.silo, report)

    def wait_for_reports(self, assignments: Sequence[Assignment], attempt: int) -> None:
        """Does nothing: `assign` adds the reports."""

    def withdraw(self, assignments: Sequence[Assignment]) -> None:
        """Does nothing: no silo has work."""

    def mark_failed(self, invocation: InvocationId, shard: Digest, silo: SiloName, failure: Failure) -> None:
        """Raises an error: the silos report at once, so the fabricated values cannot be merged."""
        raise AssertionError(f"{silo} failed in a rehearsal: {failure.message} ({invocation.text}, {shard})")

    def mark_worked(self, shard: Digest, silos: Sequence[SiloName]) -> None:
        """Does nothing: no silo is asked again."""

    def run_again(self, reason: str) -> None:
        """Does nothing: all silos report."""

    def finish_invocation(self, number: int) -> None:
        """Does nothing: the folder of a rehearsal is temporary."""

    def mark_loaded(self, version: int) -> None:
        self.identities.mark_durable(version)

    def mark_durable(self, version: int) -> None:
        self.identities.mark_durable(version)


class _NoProgress:
    """Ignores the progress of a rehearsal."""

    def computation(self, shards: Sequence[Digest]) -> None: ...

    def rounds(self, done: int, total: int) -> None: ...

    def round_finished(self, number: int, metrics: dict[str, float], silos: list[SiloName]) -> None: ...


def rehearse(job: ResolvedJob) -> tuple[list[RehearsedShard], FedjobsError | None]:
    """Returns the shards in the order in which the job would use them, and the error that ended the rehearsal, if any.

    Raises:
        FedjobsError: The job's program failed before its first shard.
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
    """Removes the default TFF context, which would cause errors at the interpreter's exit."""
    if "tensorflow_federated" not in sys.modules:
        return
    from tensorflow_federated.python.core.impl.context_stack.set_default_context import set_no_default_context

    set_no_default_context()


def _made_up(types: Sequence[shard_pb2.Leaf]) -> list[Array]:
    """Returns a value for each type, filled with a different number, because programs compare counts.

    Unknown dimensions have size 1.
    """
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
    kept = tuple(tuple(each.datasets) for each in message.kept)
    return RehearsedShard(shard, serialized, message.label, tuple(message.datasets), message.clients, kept)
