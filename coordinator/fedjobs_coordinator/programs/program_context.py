"""What a program of the built-in library needs of the coordinator that runs it.

A program is the loop of a job: which computation runs next, on which data, when its state is saved and what is written
as the result. It knows nothing of silos' sessions, work items, leases or checkpoint files. All of that is behind
`ProgramContext`, so a program runs the same over real silos, and in a test over a few lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from fedjobs_common.jobs.resolved_jobs import ResolvedJob
from fedjobs_common.models import Model


class DataIterator(Protocol):
    """Hands out references to the silos' data.

    A reference stands for a CLIENTS-placed argument of whatever sequence type the computation declares, and only silos
    can resolve it.
    """

    def select_seeded(self, seed: int) -> object:
        """A reference to the data of all silos of the next cohort.

        Args:
            seed: Decides which of its local clients a silo takes where it samples (`clientsPerRound`); the same seed
                selects the same clients, also in a coordinator that was started again. 0 <= seed < 2**63.
        """


class DataSource(Protocol):
    """The part of `tff.program.FederatedDataSource` that programs use."""

    def iterator(self) -> DataIterator: ...


class ProgramContext(Protocol):
    """One run of one program. Values go into computations, and come out, as numpy arrays in TFF's containers."""

    @property
    def job(self) -> ResolvedJob: ...

    @property
    def parameters(self) -> Model:
        """The program's own model, already parsed: `parse_parameters(job.program.name, job.program.parameters)`."""

    @property
    def result_dir(self) -> Path:
        """Where the program writes its result; it need not exist yet."""

    def data(self, dataset: str) -> DataSource:
        """The silos' data of that name, which is one of `fedjobs_common.programs.datasets(...)`."""

    # A computation is a `tff.Computation`, and states and results are whatever it returns: TFF has no types for them.
    async def run(self, computation: Any, *arguments: Any) -> Any:
        """Invokes the computation once over the silos. References stand for its CLIENTS-placed arguments."""

    async def run_per_silo(self, computation: Any, *arguments: Any) -> Mapping[str, Any]:
        """As `run`, but each silo's accumulators are reported on their own: the SERVER result by silo's name."""

    async def load(self) -> tuple[int, Any] | None:
        """The latest saved version and its state, None when nothing was saved yet."""

    async def save(self, version: int, state: Any) -> None:
        """Saves a state; it is durable when this returns."""

    def round_finished(self, round: int, metrics: Mapping[str, float]) -> None:  # noqa: A002 - the domain's word
        """Tells status and progress about a round, from 1, whose state is durable."""

    def silos(self) -> Sequence[str]:
        """Names of the silos whose accumulators are in the last invocation's result, sorted."""
